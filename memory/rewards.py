"""Which of a run's rewards counts."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from memento.memory.database import among
from memento.memory.schema import rewards


def counting_rewards(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each run's counting reward and weight: the greatest weight counts, among equals the newest."""
    best: dict[str, tuple[float, float]] = {}
    for run_id, reward, weight in connection.execute(_SAID, {"run_ids": run_ids}):
        if weight >= best.get(run_id, (0.0, 0.0))[1]:
            best[run_id] = (reward, weight)
    return best


_SAID = (
    select(rewards.c.run_id, rewards.c.reward, rewards.c.weight)
    .where(among(rewards.c.run_id, "run_ids"))
    .order_by(rewards.c.id)
)
