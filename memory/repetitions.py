"""Which runs stand behind a case: those with its task, its tools and its outcome, whenever rewards came."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, RowMapping, select, update

from memento.memory.case import Case, outcome_of
from memento.memory.journal import add_case, read_one, remove, saying_the_same
from memento.memory.rewards import counting_rewards
from memento.memory.schema import changes, retrievals, runs


def sort_anew(connection: Connection, run_id: str) -> None:
    """After a run's reward changed: runs that ended otherwise than their case get another, and cases that say
    the same now become one.
    """
    run = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().one()
    case = read_one(connection, run["namespace"], run["case_id"]) if run["case_id"] else None
    if case is None:
        return
    if case.source_run != run_id:
        _part(connection, case, [run])
        return
    behind = (runs.c.namespace == run["namespace"], runs.c.case_id == case.id, runs.c.run_id != run_id)
    others = connection.execute(select(runs).where(*behind).order_by(runs.c.number)).mappings().all()
    _part(connection, case, others)
    _join(connection, case)


def _part(connection: Connection, case: Case, repeating: Sequence[RowMapping]) -> None:
    """Give those runs that ended otherwise than their case one of their own, or one that says the same."""
    said = counting_rewards(connection, [run["run_id"] for run in repeating])
    for run in repeating:
        reward, _weight = said.get(run["run_id"], (None, 0.0))
        if outcome_of(reward) == case.outcome:
            continue
        shown = select(retrievals.c.case_id).where(retrievals.c.run_id == run["run_id"])
        parents = list(connection.execute(shown.order_by(retrievals.c.rank)).scalars())
        own = Case.from_run(
            run["run_id"],
            **{name: run[name] for name in ("namespace", "task", "plan", "trajectory", "answer")},
            reward=reward,
            parents=parents,
            untrusted=case.untrusted or _any_untrusted(connection, run, parents),
        )
        vector = np.frombuffer(run["vector"], dtype=np.float32)
        case_id = add_case(connection, own, vector, merge_repetitions=True)
        this = runs.c.run_id == run["run_id"]
        connection.execute(update(runs).where(this).values(case_id=case_id))


def _join(connection: Connection, case: Case) -> None:
    """Make the newer ones of the cases that say what this one says repetitions of the oldest. What was shown
    or corrected meanwhile stays a case of its own.
    """
    oldest, *newer = saying_the_same(connection, case)
    for other in newer:
        if not _is_known(connection, case.namespace, other):
            behind = (runs.c.namespace == case.namespace, runs.c.case_id == other)
            connection.execute(update(runs).where(*behind).values(case_id=oldest))
            remove(connection, case.namespace, other)


def _is_known(connection: Connection, namespace: str, case_id: str) -> bool:
    """Whether a case was shown to a run, or is in the audit."""
    shown = select(retrievals.c.run_id).where(retrievals.c.case_id == case_id)
    corrected = select(changes.c.id).where(changes.c.namespace == namespace, changes.c.case_id == case_id)
    return any(connection.execute(query.limit(1)).first() for query in (shown, corrected))


def _any_untrusted(connection: Connection, run: RowMapping, case_ids: Sequence[str]) -> bool:
    layers = [layer for layer in (run["namespace"], run["shared"]) if layer is not None]
    found = (read_one(connection, layer, case_id) for case_id in case_ids for layer in layers)
    return any(case is not None and case.untrusted for case in found)
