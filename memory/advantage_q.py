"""AdvantageQ: Q(s,c) = b(s) + f(s,c), from the Bayesian model of what cases add (memory/advantage.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import Belief
from memento.memory.advantage_terms import TASK_PARTS, Cases, Hyper, same_places
from memento.memory.case_bank import Candidate
from memento.memory.components import components, directions
from memento.memory.dissent import dissents
from memento.memory.fold import Fold, State
from memento.memory.form import hash_of_tools
from memento.memory.ledger import Ledger
from memento.memory.outcomes import Outcomes
from memento.memory.q_function import QValues
from memento.memory.runs import code
from memento.memory.trials import features

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Believed:
    """What is believed of some candidates on one task: φ, shape (candidates, 7), and the form of what each
    did, 0 where that is not known.
    """

    belief: Belief
    features: Floats
    form: NDArray[np.int64]
    values: QValues


@dataclass(frozen=True)
class Before:
    """What was known before a run on one task."""

    state: State
    direction: Vector
    parts: Floats

    @property
    def hyper(self) -> Hyper:
        return self.state.posterior.hyper

    def promising(self, count: int) -> list[str]:
        """The cases that did best, on tasks like this one above all."""
        codes = self.state.posterior.promising(self.direction, count)
        return [self.state.names[int(found)] for found in codes]

    def belief(self, candidates: Sequence[Candidate], usual: float) -> Believed:
        """What is believed of the candidates, whose mean cosine to the task is `usual`."""
        cases, posterior = self._cases(candidates, usual), self.state.posterior
        belief = posterior.belief(self.direction, self.parts, cases)
        shown, which = same_places(posterior.trials.slots.codes, cases.codes)
        shares = posterior.trials.slot_shares[shown]
        counts = np.bincount(which, weights=shares, minlength=len(candidates))
        return Believed(
            belief,
            cases.features,
            cases.form,
            QValues(
                q=belief.baseline + belief.mean,
                std=np.sqrt(belief.variance),
                void=belief.baseline,
                void_std=float(np.sqrt(belief.baseline_variance)),
                outcomes=np.asarray(counts, np.float64),
            ),
        )

    def _cases(self, candidates: Sequence[Candidate], usual: float) -> Cases:
        vectors = np.stack([candidate.vector for candidate in candidates])
        looks = directions(components(vectors)).astype(np.float32)
        similarities = np.asarray([candidate.similarity for candidate in candidates], np.float64)
        doubts = np.asarray([candidate.doubt for candidate in candidates], np.float64)
        match = np.asarray(looks @ self.direction, np.float64)
        codes = np.asarray([code(candidate.case_id) for candidate in candidates], np.int64)
        did = np.asarray([code(hash_of_tools(candidate.tools)) for candidate in candidates], np.int64)
        form = np.asarray([code(candidate.form) for candidate in candidates], np.int64)
        succeeded = np.asarray([candidate.outcome == "success" for candidate in candidates])
        dissent = dissents(vectors, succeeded, form)
        phi = features(similarities - usual, match, doubts, dissent, codes, self.state.marks)
        return Cases(codes, did, form, looks, phi)


class AdvantageQ:
    """Q as what is expected without cases, b(s), and what the case adds to it, f(s,c)."""

    name = "advantage"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._folds: dict[str, Fold] = {}

    def before(self, namespace: str, number: int, task: Vector) -> Before:
        """What the runs before this one teach of a task."""
        fold = self._folds.setdefault(namespace, Fold(self._ledger, namespace))
        parts = components(task[None, :])
        direction = directions(parts)[0].astype(np.float32)
        return Before(fold.at(number), direction, parts[0, :TASK_PARTS])

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues:
        number = self._ledger.last_number(outcomes.namespace) + 1
        usual = float(np.mean([candidate.similarity for candidate in candidates]))
        return self.before(outcomes.namespace, number, task).belief(candidates, usual).values
