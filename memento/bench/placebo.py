"""A placebo for the real agent: what it is shown is not what was chosen."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from memento.memory import Case, CaseBank
from memento.memory.journal import live_ids


class PlaceboBank(CaseBank):
    """A case bank whose chosen cases reach the agent with the contents of others, drawn anew for each run.

    An arm that learns still sees the cases that it chose and real rewards, but which case it chose makes no
    difference: what it gains over no memory comes of any cases being shown, and of how many. Runs come one
    after another, as a bench makes them.
    """

    def get_many(self, case_ids: Sequence[str], namespace: str | None = None) -> dict[str, Case]:
        """Some other case under the id of each of the cases that are there."""
        space = namespace or self.namespace
        with self.home.reader.connect() as connection:
            known = sorted(live_ids(connection, space))
        order = np.random.default_rng([self.ledger.last_number(space), 23]).permutation(len(known))
        others = {known[place]: known[other] for place, other in enumerate(order.tolist())}
        wanted = {case_id: others[case_id] for case_id in case_ids if case_id in others}
        found = super().get_many(list(wanted.values()), namespace)
        return {case_id: replace(found[other], id=case_id) for case_id, other in wanted.items()}
