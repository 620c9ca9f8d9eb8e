"""Which of a run's rewards counts."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from memento.memory.journal import chunks
from memento.memory.schema import rewards


def counting_rewards(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each run's counting reward and weight: the greatest weight counts, among equals the newest."""
    best: dict[str, tuple[float, float]] = {}
    for chunk in chunks(run_ids):
        for run_id, reward, weight in connection.execute(_SAID, {"run_ids": chunk}):
            if weight >= best.get(run_id, (0.0, 0.0))[1]:
                best[run_id] = (reward, weight)
    return best


_SAID = (
    select(rewards.c.run_id, rewards.c.reward, rewards.c.weight)
    .where(rewards.c.run_id.in_(bindparam("run_ids", expanding=True)))
    .order_by(rewards.c.id)
)
