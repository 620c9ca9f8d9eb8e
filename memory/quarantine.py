"""Harm control: which cases are kept from being shown, by what came of showing them.

A verdict is a function of the ledger: it is worked out anew, from all of a case's outcomes in run order,
whenever a reward of a run that showed the case comes or changes. So a late reward leads to what it would have
led to at once, and a corrected one restores.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, String, func, select, update

from memento.memory.case import Case
from memento.memory.harm import bounds, helps_near
from memento.memory.journal import rewrite
from memento.memory.rewards import counting_rewards
from memento.memory.schema import cases, retrievals, runs

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

_NEWEST = 1000
"""So many of a case's outcomes are looked at."""
_SURE = 2.0
"""Standard deviations by which what is expected without cases is lowered, before a case is blamed: bounds of
harm are only as right as that is."""
_TRUSTED_AFTER = 2


def judge(connection: Connection, run_id: str) -> None:
    """Look again at the cases that the run showed: quarantine those that harm beyond doubt, restore those of
    which that is no longer so, and end the probation of those that did well.
    """
    run = connection.execute(select(runs.c.namespace, runs.c.learn).where(runs.c.run_id == run_id)).one()
    if not run.learn:
        return
    shown = select(retrievals.c.case_id).where(retrievals.c.run_id == run_id).order_by(retrievals.c.rank)
    for case_id in connection.execute(shown).scalars().all():
        _judge_case(connection, run.namespace, case_id)


def _judge_case(connection: Connection, namespace: str, case_id: str) -> None:
    this = (cases.c.namespace == namespace, cases.c.id == case_id, ~cases.c.deleted)
    row = connection.execute(select(cases).where(*this)).mappings().first()
    by_a_person = row is not None and row["status"] != "active" and not row["harmful"]
    if row is None or by_a_person or Case.from_dict(row["body"]).pinned:
        return
    surplus, shares, ids = _outcomes(connection, namespace, case_id, row["judged_after"] or 0)
    harmful = bool(len(surplus)) and bounds(surplus, shares)[1] < 0
    if harmful:
        states = _states(connection, ids)
        harmful = not helps_near(np.frombuffer(row["vector"], np.float32), states, surplus, shares)
    if harmful != bool(row["harmful"]):
        case = replace(Case.from_dict(row["body"]), status="quarantined" if harmful else "active")
        rewrite(connection, namespace, case_id, case)
        connection.execute(update(cases).where(*this).values(harmful=harmful))
        _suspect_children(connection, namespace, case_id, suspect=harmful)
    did_well = len(surplus) >= _TRUSTED_AFTER and float(surplus @ shares) >= 0
    if row["probation"] and did_well and not harmful:
        connection.execute(update(cases).where(*this).values(probation=False))


def _outcomes(
    connection: Connection, namespace: str, case_id: str, after: int
) -> tuple[Floats, Floats, list[str]]:
    """Of the runs that showed the case, in run order: the reward less what was expected without cases at the
    least, the case's share of what was shown, and the run.
    """
    slate = retrievals.alias()
    sizes = select(func.count()).select_from(slate).where(slate.c.run_id == runs.c.run_id).scalar_subquery()
    query = (
        select(runs.c.run_id, runs.c.without, runs.c.without_std, sizes)
        .join(retrievals, retrievals.c.run_id == runs.c.run_id)
        .where(runs.c.namespace == namespace, retrievals.c.case_id == case_id, runs.c.learn)
        .where(runs.c.without.is_not(None), runs.c.number > after)
        .order_by(runs.c.number.desc(), runs.c.run_id.desc())
        .limit(_NEWEST)
    )
    found = connection.execute(query).all()[::-1]
    rewards = counting_rewards(connection, [row[0] for row in found])
    rows = [
        (rewards[run_id][0] - min(max(without - _SURE * (std or 0.0), 0.0), 1.0), 1.0 / size, run_id)
        for run_id, without, std, size in found
        if run_id in rewards
    ]
    surplus, shares = ([row[place] for row in rows] for place in (0, 1))
    return np.asarray(surplus, np.float64), np.asarray(shares, np.float64), [row[2] for row in rows]


def _states(connection: Connection, run_ids: Sequence[str]) -> Vectors:
    """The tasks' vectors, shape (runs, dimensions)."""
    found = connection.execute(select(runs.c.run_id, runs.c.vector).where(runs.c.run_id.in_(run_ids)))
    vectors = {run_id: np.frombuffer(vector, np.float32) for run_id, vector in found}
    return np.stack([vectors[run_id] for run_id in run_ids])


def _suspect_children(connection: Connection, namespace: str, case_id: str, *, suspect: bool) -> None:
    """Put the cases that were made with this one in view back on probation, or take them off it."""
    about = (cases.c.namespace == namespace, ~cases.c.deleted, cases.c.body.cast(String).contains(case_id))
    for child, body in connection.execute(select(cases.c.id, cases.c.body).where(*about)).all():
        if case_id in body.get("parents", ()):
            this = (cases.c.namespace == namespace, cases.c.id == child)
            connection.execute(update(cases).where(*this).values(probation=suspect))
