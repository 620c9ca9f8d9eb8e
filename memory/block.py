"""Runs that are taken at once: what they tell beside what the model of advantage learns from them."""

from collections.abc import Sequence
from typing import NamedTuple

from memento.memory.accounts import Accounts, accounts_of
from memento.memory.advantage_terms import Trials
from memento.memory.credit import citations_follow_success
from memento.memory.earlier import Earlier, earlier_of
from memento.memory.hubs import hubs_among
from memento.memory.runs import Run
from memento.memory.trials import NO_MARKS, Marks, trials_of


class Known(NamedTuple):
    """Those in the window that have a reward, and how many of those before it have one; whether citations are
    doubted, what is known of each case besides, what is left of the runs before, and the accounts of those in
    the window.
    """

    taught: list[Run]
    before: int
    guarded: bool
    marks: Marks
    earlier: Earlier
    accounts: Accounts

    def trials(self, runs: Sequence[Run]) -> Trials:
        """Runs with a reward as trials, in the light of that."""
        return trials_of(runs, self.marks, guarded=self.guarded)

    def all_trials(self) -> Trials:
        """The window's runs, and before them those that showed nothing earlier, as one trial."""
        trials = self.trials(self.taught)
        return trials if self.earlier.without is None else self.earlier.without.followed_by(trials)


def known_of(before: Sequence[Run], runs: Sequence[Run]) -> Known:
    """What is known by the runs in the window and those before it."""
    earlier_taught, taught = ([run for run in some if run.reward is not None] for some in (before, runs))
    guarded = citations_follow_success(
        (run.use_is, run.reward, [slot.used for slot in run.slots]) for run in taught
    )
    earlier = earlier_of(earlier_taught, trials_of(earlier_taught, NO_MARKS, guarded=guarded))
    marks = Marks(hubs_among(run.nearest for run in taught), earlier.records)
    return Known(taught, len(earlier_taught), guarded, marks, earlier, accounts_of(runs))
