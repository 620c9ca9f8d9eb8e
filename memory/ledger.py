"""The ledger: runs, what was retrieved in them, rewards, and the journal of cases. It is the truth:
everything that is learned is a function of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from memento.memory.case import Case, checked_reward, outcome_of, utc_now
from memento.memory.components import components, directions
from memento.memory.database import among, as_text, quick_rows
from memento.memory.embeddings import unit
from memento.memory.errors import UsageError
from memento.memory.home import Home
from memento.memory.journal import add_case, keep_dimensions, read_marks, set_outcome
from memento.memory.quarantine import Judged, judge, read_judged
from memento.memory.redact import redact, redact_text
from memento.memory.repetitions import sort_anew
from memento.memory.rewards import counting_rewards
from memento.memory.schema import facts, retrievals, rewards, runs
from memento.memory.shown import Shown

Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Reward:
    """A reward in [0, 1], where it comes from, and how much it counts."""

    reward: float
    source: str = "human"
    weight: float = 1.0
    comment: str = ""

    def __post_init__(self) -> None:
        if self.reward is None:
            raise UsageError("a reward is a number from 0 to 1; one that is unknown is not said")
        object.__setattr__(self, "reward", checked_reward(self.reward))
        if (
            isinstance(self.weight, bool)
            or not isinstance(self.weight, Real)
            or not 0 < self.weight < float("inf")
        ):
            raise UsageError(f"a reward's weight is a positive number, not {self.weight!r}")
        object.__setattr__(self, "weight", float(self.weight))


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run as the ledger keeps it. `candidates` holds (case id, similarity, Q) of all considered."""

    run_id: str
    namespace: str
    number: int
    vector: Vector
    arm: str
    arm_propensity: float = 1.0
    stop_propensity: float | None = None
    slate_propensity: float | None = None
    empty_propensity: float | None = None
    explored: bool | None = None
    expected: float | None = None
    without: float | None = None
    without_std: float | None = None
    forgone: float | None = None
    gained: float | None = None
    usual_cosine: float | None = None
    use_is: str | None = None
    shared: str | None = None
    policy: str = ""
    learn: bool = True
    task: str = ""
    candidates: Sequence[tuple[str, float, float]] = ()
    shown: Sequence[Shown] = ()
    plan: Sequence[str] = ()
    trajectory: Sequence[Any] = ()
    answer: str = ""
    status: str = "answered"
    models: dict[str, str] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    started_at: str = field(default_factory=utc_now)
    seconds: float | None = None


@dataclass(frozen=True)
class OutcomeRow:
    """What one run teaches: where it was, what was shown and used, and the reward that counts."""

    revision: int
    number: int
    run_id: str
    vector: Vector
    candidate_cosine: float | None
    shown: tuple[Shown, ...]
    use_is: str | None
    reward: float | None
    weight: float


class Ledger:
    """The ledger of a home. Several processes may use it at once."""

    def __init__(self, home: str | Path | Home, *, create: bool = True, read_only: bool = False) -> None:
        self.home = Home.open_to_read(home) if read_only else Home.open(home, create=create)
        self._closed = False

    def close(self) -> None:
        """Give the home up; once is enough, and more does no harm."""
        if not self._closed:
            self._closed = True
            self.home.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing

    def next_number(self, namespace: str) -> int:
        """The next run's number within its namespace, from 1. Nothing is written."""
        return self.home.next_number(namespace, lambda: self.last_number(namespace))

    def last_number(self, namespace: str) -> int:
        """The number of the newest recorded run of a namespace, 0 where there is none."""
        newest = select(func.max(runs.c.number)).where(runs.c.namespace == namespace)
        with self.home.reader.connect() as connection:
            return connection.execute(newest).scalar() or 0

    def commit_run(
        self,
        run: RunRecord,
        reward: Reward | None = None,
        case: Case | None = None,
        vector: Vector | None = None,
    ) -> str | None:
        """Write a run, what it was shown, its reward and its case in one transaction.

        Writing the same run again adds nothing. A case that repeats one (same task, same sequence of
        tools, same outcome) becomes one more repetition of it.

        Returns:
            the id of the case that the run made or repeated, None where there is none.
        """
        with self.home.at_work(), self.home.engine.begin() as connection:
            keep_dimensions(connection, np.size(run.vector))
            fresh = connection.execute(_NEW_RUN, _run_row(run)).rowcount > 0
            if fresh and run.shown:
                connection.execute(_NEW_SLOTS, _slot_rows(connection, run))
            if reward is not None and fresh:
                _first_reward(connection, run, reward)
            elif reward is not None and not _already_said(connection, run.run_id, reward):
                _append_reward(connection, run.run_id, reward)
            case_id = None
            if case is not None and vector is not None:
                # Its case may have been deleted since: writing the run again must not bring that back.
                known = select(runs.c.case_id).where(runs.c.run_id == run.run_id)
                case_id = connection.execute(known).scalar()
                if case_id is not None:
                    return str(case_id)
                case_id = add_case(connection, case, vector, merge_repetitions=True)
                connection.execute(update(runs).where(runs.c.run_id == run.run_id).values(case_id=case_id))
            return case_id

    def feedback(
        self, run_id: str, reward: float, source: str = "human", weight: float = 1.0, comment: str = ""
    ) -> None:
        """Append a reward in [0, 1] for a run; the case that the run made takes its outcome from it.

        Raises:
            UsageError: the reward is outside [0, 1], or there is no such run.
        """
        said = Reward(reward=reward, source=source, weight=weight, comment=redact_text(comment))
        with self.home.at_work(), self.home.engine.begin() as connection:
            if connection.execute(select(runs.c.run_id).where(runs.c.run_id == run_id)).first() is None:
                raise no_such_run(run_id)
            _append_reward(connection, run_id, said)

    def fact(self, name: str, value: str | None = None) -> str | None:
        """What the home is made of; a value given is kept only where none was before."""
        if value is not None:
            with self.home.at_work(), self.home.engine.begin() as connection:
                connection.execute(insert(facts).values(name=name, value=value).on_conflict_do_nothing())
        with self.home.reader.connect() as connection:
            return connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()

    # -- reading

    def runs(self, namespace: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """The runs, newest first, each with its counting reward (None while unknown)."""
        query = select(runs).order_by(runs.c.started_at.desc(), runs.c.number.desc())
        if namespace is not None:
            query = query.where(runs.c.namespace == namespace)
        with self.home.reader.connect() as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
            counting = counting_rewards(connection, [row["run_id"] for row in rows])
            return [_run_dict(row, counting.get(row["run_id"])) for row in rows]

    def run(self, run_id: str) -> dict[str, Any] | None:
        """One run with what was shown in it and every reward it was given; None when there is none."""
        with self.home.reader.connect() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
            if row is None:
                return None
            said = select(rewards).where(rewards.c.run_id == run_id).order_by(rewards.c.id)
            shown = _slots.where(retrievals.c.run_id == run_id).order_by(retrievals.c.rank)
            return {
                **_run_dict(row, counting_rewards(connection, [run_id]).get(run_id)),
                "retrieved": [_without_run(slot) for slot in connection.execute(shown).mappings()],
                "rewards": [dict(entry) for entry in connection.execute(said).mappings()],
            }

    def task_vector(self, run_id: str) -> Vector:
        """The vector of the run's task.

        Raises:
            UsageError: there is no such run.
        """
        with self.home.reader.connect() as connection:
            held = connection.execute(select(runs.c.vector).where(runs.c.run_id == run_id)).scalar()
        if held is None:
            raise no_such_run(run_id)
        return np.frombuffer(held, dtype=np.float32)

    def purges(self) -> int:
        """How often something was taken out of it for ever: what was learned before is then learned anew."""
        with self.home.reader.connect() as connection:
            return sum(int(value) for (value,) in quick_rows(connection, _PURGES, {"name": PURGES}))

    def outcomes_since(self, namespace: str, revision: int) -> list[OutcomeRow]:
        """What the namespace's learning runs teach, of those changed after `revision`, in run order."""
        query = (
            select(runs)
            .where(runs.c.namespace == namespace, runs.c.revision > revision, runs.c.learn)
            .order_by(runs.c.number, runs.c.run_id)
        )
        with self.home.reader.connect() as connection:
            found = connection.execute(query).mappings().all()
            ids = [row["run_id"] for row in found]
            shown = _slots_of(connection, ids)
            counting = counting_rewards(connection, ids)
        return [_outcome_row(row, shown.get(row["run_id"], ()), counting.get(row["run_id"])) for row in found]

    def support(self, namespace: str, case_id: str) -> int:
        """How many runs made or repeated the case."""
        query = select(func.count()).where(runs.c.namespace == namespace, runs.c.case_id == case_id)
        with self.home.reader.connect() as connection:
            return int(connection.execute(query).scalar_one())


_slots = select(
    *(retrievals.c[name] for name in ("run_id", "case_id", "rank", "similarity", "q", "q_std")),
    retrievals.c.propensity,
    retrievals.c.dissent,
    retrievals.c.used,
)
# Statements are built once: to build one takes SQLAlchemy longer than SQLite takes to carry it out.
_NEXT_REVISION = select(func.coalesce(func.max(runs.c.revision), 0) + 1).scalar_subquery()
_NEW_RUN = insert(runs).values(revision=_NEXT_REVISION).on_conflict_do_nothing()
_NEW_SLOTS = insert(retrievals)
_NEW_REWARD = insert(rewards)
PURGES = "purges"
"""The fact that counts them."""
_PURGES = as_text(select(facts.c.value).where(facts.c.name == bindparam("name")))
_RUN_CHANGED = update(runs).where(runs.c.run_id == bindparam("this")).values(revision=_NEXT_REVISION)
_WRITTEN_APART = {"vector", "task", "candidates", "shown", "plan", "trajectory", "answer"}
_PLAIN_COLUMNS = tuple(f.name for f in fields(RunRecord) if f.name not in _WRITTEN_APART)


def no_such_run(run_id: str) -> UsageError:
    return UsageError(f"there is no run {run_id!r}: see `memento runs list`")


def vector_bytes(vector: Vector) -> bytes:
    return np.asarray(vector, dtype=np.float32).tobytes()


def _run_row(run: RunRecord) -> dict[str, Any]:
    """All of a run's row but its revision."""
    return {
        **{name: getattr(run, name) for name in _PLAIN_COLUMNS},
        "task": redact_text(run.task),
        "vector": vector_bytes(run.vector),
        "candidates": [list(candidate) for candidate in run.candidates],
        "plan": redact(run.plan),
        "trajectory": redact(run.trajectory),
        "answer": redact_text(run.answer),
    }


def _slot_rows(connection: Connection, run: RunRecord) -> list[dict[str, Any]]:
    """Each shown slot, with what its case looks like to a model: what was learned must not change with it."""
    ids = [slot.case_id for slot in run.shown]
    marks = {} if run.shared is None else read_marks(connection, run.shared, ids)
    marks |= read_marks(connection, run.namespace, ids)
    rows = []
    for slot in run.shown:
        case = marks.get(slot.case_id)
        looks: dict[str, Any] = {"direction": None, "did": "", "form": "", "doubt": None}
        if case is not None:
            direction = directions(components(unit(case.vector)[None, :]))[0].astype(np.float16)
            looks = {
                "direction": direction.tobytes(),
                "did": case.did,
                "form": case.form,
                "doubt": case.doubt,
            }
        rows.append({"run_id": run.run_id, **slot, **looks})
    return rows


def _already_said(connection: Connection, run_id: str, reward: Reward) -> bool:
    """Whether this very reward is there: a node that runs again after a crash must not add it twice."""
    same = select(rewards.c.id).where(
        rewards.c.run_id == run_id, rewards.c.reward == reward.reward, rewards.c.source == reward.source
    )
    return connection.execute(same).first() is not None


def _first_reward(connection: Connection, run: RunRecord, reward: Reward) -> None:
    """The reward of a run that was written in this transaction, and so made no case yet."""
    connection.execute(_NEW_REWARD, _reward_row(run.run_id, reward))
    case_ids = [slot.case_id for slot in run.shown]
    about = Judged(run.namespace, run.number, run.learn, run.without, run.without_std, case_ids)
    judge(connection, about, None, reward.reward)


def _append_reward(connection: Connection, run_id: str, reward: Reward) -> None:
    before, _weight = counting_rewards(connection, [run_id]).get(run_id, (None, 0.0))
    connection.execute(_NEW_REWARD, _reward_row(run_id, reward))
    connection.execute(_RUN_CHANGED, {"this": run_id})
    value, _weight = counting_rewards(connection, [run_id])[run_id]
    set_outcome(connection, run_id, value, outcome_of(value))
    judge(connection, read_judged(connection, run_id), before, value)
    sort_anew(connection, run_id)


def _reward_row(run_id: str, reward: Reward) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "reward": reward.reward,
        "source": reward.source,
        "weight": reward.weight,
        "comment": redact_text(reward.comment),
        "created_at": utc_now(),
    }


def _slots_of(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[Shown, ...]]:
    slots: dict[str, list[Shown]] = {}
    query = _slots.where(among(retrievals.c.run_id, run_ids)).order_by(retrievals.c.rank)
    for row in connection.execute(query).mappings():
        slots.setdefault(row["run_id"], []).append(Shown(**_without_run(row)))
    return {run_id: tuple(shown) for run_id, shown in slots.items()}


def _without_run(row: RowMapping) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "run_id"}


def _run_dict(row: RowMapping, counting: tuple[float, float] | None) -> dict[str, Any]:
    hidden = {"vector", "revision"}
    return {
        **{key: value for key, value in row.items() if key not in hidden},
        "reward": counting[0] if counting else None,
    }


def _outcome_row(row: RowMapping, shown: Sequence[Shown], counting: tuple[float, float] | None) -> OutcomeRow:
    similarities = [candidate[1] for candidate in row["candidates"]]
    reward, weight = counting or (None, 0.0)
    return OutcomeRow(
        revision=row["revision"],
        number=row["number"],
        run_id=row["run_id"],
        vector=np.frombuffer(row["vector"], dtype=np.float32),
        candidate_cosine=float(np.mean(similarities)) if similarities else None,
        shown=tuple(shown),
        use_is=row["use_is"],
        reward=reward,
        weight=weight,
    )
