"""Which of a run's rewards counts."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from memento.memory.journal import chunks
from memento.memory.schema import rewards


def counting_rewards(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each run's counting reward and weight: the greatest weight counts, among equals the newest."""
    columns = (rewards.c.run_id, rewards.c.reward, rewards.c.weight)
    best: dict[str, tuple[float, float]] = {}
    for chunk in chunks(run_ids):
        query = select(*columns).where(rewards.c.run_id.in_(chunk)).order_by(rewards.c.id)
        for run_id, reward, weight in connection.execute(query):
            if weight >= best.get(run_id, (0.0, 0.0))[1]:
                best[run_id] = (reward, weight)
    return best
