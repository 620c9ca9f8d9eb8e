"""Which of a run's rewards counts."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select

from memento.memory.database import among, as_text, quick_rows
from memento.memory.schema import rewards


def counting_rewards(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each run's counting reward and weight: the greatest weight counts, among equals the newest."""
    best: dict[str, tuple[float, float]] = {}
    for run_id, reward, weight in quick_rows(connection, _SAID, {"run_ids": json.dumps(list(run_ids))}):
        if weight >= best.get(run_id, (0.0, 0.0))[1]:
            best[run_id] = (reward, weight)
    return best


_SAID = as_text(
    select(rewards.c.run_id, rewards.c.reward, rewards.c.weight)
    .where(among(rewards.c.run_id, "run_ids"))
    .order_by(rewards.c.id)
)
