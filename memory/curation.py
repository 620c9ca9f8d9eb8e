"""Correcting the case bank: what a person may do to a case, with an audit, and undoing the last of it."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, update

from memento.memory import changes, journal
from memento.memory.case import Case, Status, checked_reward, outcome_of
from memento.memory.changes import Action, Change
from memento.memory.embeddings import Vectors
from memento.memory.errors import UsageError
from memento.memory.home import Home
from memento.memory.redact import redact
from memento.memory.schema import rewards, runs

Vector = NDArray[np.float32]

EDITABLE = frozenset({"task", "plan", "trajectory", "answer", "reward", "outcome", "note"})
"""The fields of a case that `edit` changes. Its status and its pin have ways of their own."""

_REWARDS = {"success": 1.0, "failure": 0.0, "unknown": None}
_TO_STATUS: dict[Status, Action] = {"active": "restore", "quarantined": "quarantine", "retired": "retire"}
_RUN_TEXTS = ("task", "plan", "trajectory", "answer")


class Curation:
    """The part of a case bank by which a person corrects it. `by` is who the audit says it was; the
    namespace is the bank's own where None is given.
    """

    home: Home
    namespace: str
    by: str

    def edit(
        self, case_id: str, *, vector: Vector | None = None, namespace: str | None = None, **fields: Any
    ) -> Case:
        """Change what a case says, and return it as it is now: any of task, plan, trajectory, answer, reward,
        outcome and note. A new task is embedded, unless its vector is given. Reward and outcome follow each
        other where only one is given. Its id stays.

        Raises:
            UsageError: there is no such case, or a field cannot be that.
        """
        strange = set(fields) - EDITABLE
        if strange:
            raise UsageError(f"a case's {min(strange)} cannot be edited: {', '.join(sorted(EDITABLE))} can")
        if "outcome" in fields and "reward" not in fields:
            fields["reward"] = _REWARDS.get(fields["outcome"]) if isinstance(fields["outcome"], str) else None
        elif "reward" in fields and "outcome" not in fields:
            fields["outcome"] = outcome_of(checked_reward(fields["reward"]))
        return self._change("edit", case_id, fields, namespace, vector)

    def note(self, case_id: str, text: str, namespace: str | None = None) -> Case:
        """Write a note on a case, in place of the one that it has. No model is shown it."""
        return self._change("note", case_id, {"note": text}, namespace)

    def pin(self, case_id: str, *, pinned: bool = True, namespace: str | None = None) -> Case:
        """Keep harm control from a case, or with `pinned` off let it judge the case again."""
        return self._change("pin" if pinned else "unpin", case_id, {"pinned": pinned}, namespace)

    def set_status(self, case_id: str, status: Status, namespace: str | None = None) -> None:
        """Quarantine a case, retire it, or make it active again.

        Raises:
            UsageError: there is no such case, or no such status.
        """
        self._change(_TO_STATUS.get(status, "restore"), case_id, {"status": status}, namespace)

    def delete(self, case_id: str, namespace: str | None = None) -> None:
        """Take a case from every result at once, with what its runs say; their statistics stay. It is kept
        in the audit, so that `undo` can bring it back.

        Raises:
            UsageError: there is no such case.
        """
        space = self.writable(namespace)
        with self.home.at_work(), self.home.engine.begin() as connection:
            row = journal.remove(connection, space, case_id)
            if row is None:
                raise no_such_case(space, case_id)
            vector = row.pop("vector")
            kept = {"row": row, **_take_texts_of_runs(connection, space, case_id)}
            gone = Change(case_id=case_id, action="delete", by=self.by, before=row["body"])
            changes.record(connection, space, [gone], kept=kept, vector=vector)
        self.sync(space)

    def undo(self, namespace: str | None = None) -> list[Change]:
        """Take back the last change that a person made in a namespace and that is not undone yet, and return
        its parts; none where nothing is left. Verdicts of harm control are no such change.
        """
        space = self.writable(namespace)
        with self.home.at_work(), self.home.engine.begin() as connection:
            parts = changes.to_undo(connection, space)
            for part in parts:
                _take_back(connection, space, part)
            if parts:
                number = parts[0].change.number
                back = [_reversed(part.change, self.by) for part in parts]
                changes.record(connection, space, back)
                changes.set_undone(connection, space, number)
        self.sync(space)
        return [part.change for part in parts]

    def changes(
        self, case_id: str | None = None, namespace: str | None = None, limit: int | None = None
    ) -> list[Change]:
        """The audit of a namespace, or of one case in it, newest first."""
        with self.home.reader.connect() as connection:
            return changes.read_changes(connection, namespace or self.namespace, case_id, limit)

    def _change(
        self,
        action: Action,
        case_id: str,
        fields: dict[str, Any],
        namespace: str | None,
        vector: Vector | None = None,
    ) -> Case:
        space = self.writable(namespace)
        case = self.get(case_id, space)
        if case is not None and vector is None and fields.get("task", case.task) != case.task:
            vector = self.embed([_edited(case, fields).task])[0]
        placed = None if vector is None else self.checked_vector(vector)
        with self.home.at_work(), self.home.engine.begin() as connection:
            changed = _apply(connection, space, case_id, fields, placed, action, self.by)
        self.sync(space)
        return changed

    # -- what the bank is asked for

    @abstractmethod
    def get(self, case_id: str, namespace: str | None = None) -> Case | None: ...

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Vectors: ...

    @abstractmethod
    def checked_vector(self, vector: Vector) -> Vector: ...

    @abstractmethod
    def sync(self, namespace: str | None = None) -> None: ...

    @abstractmethod
    def writable(self, namespace: str | None) -> str: ...


def no_such_case(namespace: str, case_id: str) -> UsageError:
    return UsageError(f"there is no case {case_id!r} in namespace {namespace!r}: see `memento cases list`")


def record_added(
    connection: Connection, added: Sequence[Case], action: Action, by: str, number: int | None = None
) -> int | None:
    """Write to the audit that these cases, all of one namespace, were added; None where there are none."""
    if not added:
        return number
    made = [Change(case_id=case.id, action=action, by=by) for case in added]
    return changes.record(connection, added[0].namespace, made, number=number)


def _edited(case: Case, fields: dict[str, Any]) -> Case:
    return Case.from_dict(redact({**case.to_dict(), **fields}))


def _apply(
    connection: Connection,
    namespace: str,
    case_id: str,
    fields: dict[str, Any],
    vector: Vector | None,
    action: Action,
    by: str,
) -> Case:
    """Change a case and write that to the audit, unless it says all that already."""
    row = journal.read_row(connection, namespace, case_id)
    if row is None:
        raise no_such_case(namespace, case_id)
    case = Case.from_dict(row["body"])
    edited = _edited(case, fields)
    was, is_now = case.to_dict(), edited.to_dict()
    different = [name for name in was if was[name] != is_now[name]]
    if different or vector is not None:
        journal.rewrite(connection, namespace, case_id, edited, vector)
        before, after = ({name: of[name] for name in different} for of in (was, is_now))
        made = Change(case_id=case_id, action=action, by=by, before=before, after=after)
        changes.record(connection, namespace, [made], vector=None if vector is None else row["vector"])
    if "status" in fields:
        journal.trust_a_person(connection, namespace, case_id)
    return edited


def _take_back(connection: Connection, namespace: str, part: changes.Undoing) -> None:
    change = part.change
    if change.action in {"add", "import"}:
        journal.remove(connection, namespace, change.case_id)
    elif change.action == "delete":
        kept = part.kept or {}
        journal.put_back(connection, {**kept["row"], "vector": part.vector})
        _give_texts_back(connection, kept)
    else:
        case = journal.read_one(connection, namespace, change.case_id)
        before = change.before or {}
        if case is not None:
            vector = None if part.vector is None else np.frombuffer(part.vector, np.float32)
            journal.rewrite(connection, namespace, case.id, replace(case, **before), vector)
            if "status" in before:
                journal.trust_a_person(connection, namespace, case.id)


def _reversed(change: Change, by: str) -> Change:
    return Change(case_id=change.case_id, action="undo", by=by, before=change.after, after=change.before)


def _take_texts_of_runs(connection: Connection, namespace: str, case_id: str) -> dict[str, Any]:
    """Empty the runs that made or repeated a case, and return what they said."""
    made_by = (runs.c.namespace == namespace, runs.c.case_id == case_id)
    said = select(runs.c.run_id, *(runs.c[name] for name in _RUN_TEXTS)).where(*made_by)
    of_runs = select(runs.c.run_id).where(*made_by)
    comments = select(rewards.c.id, rewards.c.comment).where(
        rewards.c.run_id.in_(of_runs), rewards.c.comment != ""
    )
    taken = {
        "runs": [dict(row) for row in connection.execute(said).mappings()],
        "comments": [dict(row) for row in connection.execute(comments).mappings()],
    }
    connection.execute(update(rewards).where(rewards.c.run_id.in_(of_runs)).values(comment=""))
    connection.execute(update(runs).where(*made_by).values(task="", plan=[], trajectory=[], answer=""))
    return taken


def _give_texts_back(connection: Connection, kept: dict[str, Any]) -> None:
    for row in kept["runs"]:
        connection.execute(update(runs).where(runs.c.run_id == row["run_id"]).values(row))
    for row in kept["comments"]:
        connection.execute(update(rewards).where(rewards.c.id == row["id"]).values(row))
