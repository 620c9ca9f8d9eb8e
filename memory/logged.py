"""The ledger's runs as the estimators of memory's effect read them (memory/effect.py)."""

import numpy as np
from sqlalchemy import func, select

from memento.memory.effect import Effect, Modelled, Runs, effects
from memento.memory.fold import Fold
from memento.memory.ledger import Ledger
from memento.memory.rewards import counting_rewards
from memento.memory.schema import retrievals, runs
from memento.memory.slate import FLOOR


def effect_of_memory(ledger: Ledger, namespace: str) -> list[Effect]:
    """What showing cases does to success in a namespace, by every estimate that its runs allow."""
    return effects(logged_runs(ledger, namespace), modelled(ledger, namespace))


def modelled(ledger: Ledger, namespace: str) -> Modelled:
    """What the model of advantage makes of the newest runs that showed cases, whatever policy chose them."""
    state = Fold(ledger, namespace).at(ledger.last_number(namespace) + 1)
    return state.posterior.added()


def logged_runs(ledger: Ledger, namespace: str) -> Runs:
    """The namespace's runs that have a reward and that could have been shown nothing, in run order."""
    sizes = (
        select(func.count())
        .select_from(retrievals)
        .where(retrievals.c.run_id == runs.c.run_id)
        .scalar_subquery()
    )
    names = ("run_id", "arm", "empty_propensity", "without")
    query = (
        select(*(runs.c[name] for name in names), sizes.label("size"))
        .where(runs.c.namespace == namespace, runs.c.learn, runs.c.policy != "none")
        .where(runs.c.empty_propensity > 0)
        .order_by(runs.c.number, runs.c.run_id)
    )
    with ledger.home.reader.connect() as connection:
        rows = connection.execute(query).all()
        said = counting_rewards(connection, [row.run_id for row in rows])
    rows = [row for row in rows if row.run_id in said]
    foretold = bool(rows) and all(row.without is not None for row in rows)
    return Runs(
        reward=np.asarray([said[row.run_id][0] for row in rows], np.float64),
        weight=np.asarray([said[row.run_id][1] for row in rows], np.float64),
        showed=np.asarray([row.size > 0 for row in rows], bool),
        chance=np.asarray([row.empty_propensity for row in rows], np.float64),
        floor=np.asarray([FLOOR for _ in rows], np.float64),
        floored=np.asarray([row.arm == "none" for row in rows], bool),
        baseline=np.asarray([row.without for row in rows], np.float64) if foretold else None,
    )
