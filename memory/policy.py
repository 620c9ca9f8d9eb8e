"""The case-selection policy μ(c|s,M): which past cases, if any, to show for a task."""

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memento.memory.case import Step
from memento.memory.case_bank import Candidate, CaseBank
from memento.memory.embeddings import unit
from memento.memory.errors import UsageError
from memento.memory.ledger import Ledger, Reward, RunRecord
from memento.memory.neural_q import NeuralQ
from memento.memory.outcomes import Outcomes
from memento.memory.q_function import KernelQ, QFunction, QValues, SimilarityQ
from memento.memory.shown import Shown

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]
Arm = Literal["none", "similarity", "learned"]
PolicyName = Literal["auto", "none", "similarity", "kernel", "neural"]

CANDIDATES = 64
FLOOR = 0.03
"""The share of runs in which nothing is shown, for ever: without it nobody could say what memory is worth."""
VOID_PRIOR = 0.5
"""The prior share of the void case, whatever the number of candidates."""
TEMPERATURE = 0.04
"""α of soft Q-learning, in units of reward."""
PRIOR_TEMPERATURE = 0.1
"""μ₀(c|s) ∝ exp(cos(s,c)/this)."""
COMPANY = 0.08
"""What one more case beside one that is shown is expected to add: four are better than one, in the paper
(its table of K) and more so on a small model."""
AGREEMENT = 0.2
"""What a case adds beside one that called the same tools, times the cosine of their tasks: a planner follows
a pattern that several cases share more surely than one that they contradict, and their credit is clearer."""
NEAR_DUPLICATE = 0.985
"""Cosine from which two cases that did the same count as one."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was chosen for one task, and with which probabilities.

    `arm` is "none" (the floor, or the policy of that name), "similarity" or "learned" (which may show
    nothing); `arm_propensity` its probability; `stop_propensity` that of the void draw which ended the
    slate, None where none did; on the floor, that of the learned arm's showing nothing. `candidates` holds
    (case id, similarity, Q) of all that were considered.
    """

    run_id: str
    number: int
    namespace: str
    policy: str
    arm: Arm
    arm_propensity: float
    cases: list[Shown] = field(default_factory=list)
    stop_propensity: float | None = None
    candidates: list[tuple[str, float, float]] = field(default_factory=list)
    vector: Vector


class Policy:
    """Chooses cases and records what came of it. Make one with `build_policy`."""

    def __init__(
        self, name: PolicyName, q_function: QFunction, bank: CaseBank, ledger: Ledger, k: int, seed: int
    ) -> None:
        self.name = name
        self.q_function = q_function
        self.bank = bank
        self.ledger = ledger
        self.k = k
        self.seed = seed
        self._outcomes: dict[str, Outcomes] = {}

    def select(
        self,
        task_vector: Vector,
        namespace: str | None = None,
        explore: bool = True,
        exclude: Collection[str] = (),
        k: int | None = None,
    ) -> Selection:
        """Choose up to `k` cases for a task. Nothing is written; `record` does that.

        `exclude` holds ids that must not be shown. Without `explore` the choice is the best known one, and
        top-K by similarity while no outcome bears on it.
        """
        space = namespace or self.bank.namespace
        vector = unit(self.bank.checked_vector(task_vector))
        number = self.ledger.next_number(space)
        draw = _Draw(_generator(self.seed, space, number), self.k if k is None else k)
        candidates = [] if self.name == "none" else self.bank.search(vector, CANDIDATES, space, exclude)
        considered: list[tuple[str, float, float]] = []
        arm: Arm = "none"
        arm_propensity, stop, shown = 1.0, None, list[Shown]()
        if candidates:
            values, outcomes = self._evaluate(vector, space, candidates)
            considered = [
                (c.case_id, round(c.similarity, 6), round(float(q), 6))
                for c, q in zip(candidates, values.q, strict=True)
            ]
            if self.name == "similarity" or not (explore or outcomes):
                arm, shown = "similarity", draw.nearest(candidates, values)
            elif not explore:
                arm, shown = "learned", draw.best(candidates, values)
            elif draw.floor():
                arm_propensity, stop = FLOOR, draw.void_chance(candidates, values)
            else:
                arm, arm_propensity = "learned", 1.0 - FLOOR
                shown, stop = draw.soft(candidates, values)
        elif self.name != "none":
            arm = "similarity" if self.name == "similarity" else "learned"
        return Selection(
            run_id=uuid.uuid4().hex,
            number=number,
            namespace=space,
            policy=self.name,
            arm=arm,
            arm_propensity=arm_propensity,
            cases=shown,
            stop_propensity=stop,
            candidates=considered,
            vector=vector,
        )

    def record(
        self,
        selection: Selection,
        reward: float | None = None,
        used: Collection[str] | None = None,
        *,
        source: str = "environment",
        weight: float = 1.0,
        task: str = "",
        answer: str = "",
        trajectory: Sequence[Step] = (),
    ) -> None:
        """Write what came of a selection: a reward in [0, 1] or None while it is unknown, and the ids of the
        cases that were used, None where that is not known.

        Raises:
            UsageError: the reward is outside [0, 1].
        """
        told = [s if used is None else s.told(used=s.case_id in used) for s in selection.cases]
        said = None if reward is None else Reward(reward=reward, source=source, weight=weight)
        run = run_record(selection, told, task=task, answer=answer, trajectory=trajectory)
        self.ledger.commit_run(run, said)

    def _evaluate(self, vector: Vector, namespace: str, candidates: list[Candidate]) -> tuple[QValues, bool]:
        """The candidates' Q, and whether any outcome bears on one of them."""
        outcomes = self._outcomes.setdefault(namespace, Outcomes(self.ledger, namespace))
        outcomes.refresh()
        values = self.q_function.evaluate(vector, candidates, outcomes)
        return values, bool((values.outcomes > 0).any())


def build_policy(
    name: str = "auto", *, bank: CaseBank, ledger: Ledger | None = None, k: int = 4, seed: int = 0
) -> Policy:
    """The case-selection policy of that name.

    "none" shows nothing, "similarity" the top K by cosine; "kernel" is soft Q-learning with KernelQ and
    the void case, and so, for now, is "auto"; "neural" is the same with NeuralQ.

    Raises:
        UsageError: there is no such policy, or k is not a number of cases.
    """
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= CANDIDATES:
        raise UsageError(f"k is a number of cases from 0 to {CANDIDATES}, not {k!r}")
    outcomes = ledger or bank.ledger
    known: dict[str, tuple[PolicyName, QFunction]] = {
        "none": ("none", SimilarityQ()),
        "similarity": ("similarity", SimilarityQ()),
        "kernel": ("kernel", KernelQ()),
        "neural": ("neural", NeuralQ(bank, outcomes.home.path / "neural", seed)),
        "auto": ("auto", KernelQ()),
    }
    if name not in known:
        raise UsageError(f"the policy {name!r} is not available: use one of {', '.join(sorted(known))}")
    return Policy(*known[name], bank, outcomes, k, seed)


def run_record(selection: Selection, shown: Sequence[Shown], **about: object) -> RunRecord:
    """The ledger's record of a selection, with `about` filling in the rest of the run."""
    return RunRecord(
        run_id=selection.run_id,
        namespace=selection.namespace,
        number=selection.number,
        vector=selection.vector,
        arm=selection.arm,
        arm_propensity=selection.arm_propensity,
        stop_propensity=selection.stop_propensity,
        policy=selection.policy,
        candidates=selection.candidates,
        shown=shown,
        **about,  # type: ignore[arg-type]
    )


class _Draw:
    """The draws of one run: at most `k` cases, with randomness of its own."""

    def __init__(self, rng: np.random.Generator, k: int) -> None:
        self._rng = rng
        self._k = k

    def floor(self) -> bool:
        return bool(self._rng.random() < FLOOR)

    def void_chance(self, candidates: Sequence[Candidate], values: QValues) -> float | None:
        """How likely `soft` is to show nothing; None where it has no slot to fill."""
        if self._k == 0:
            return None
        slate = _Slate(candidates)
        return _soft_chances(slate.cosines, values.q, slate.open, values.void)[1]

    def nearest(self, candidates: Sequence[Candidate], values: QValues) -> list[Shown]:
        """The top K by similarity."""
        return [_slot(rank, candidates, values, rank, 1.0) for rank in range(min(self._k, len(candidates)))]

    def best(self, candidates: Sequence[Candidate], values: QValues) -> list[Shown]:
        """The K greatest Q that are above the void case's, near-duplicates left out."""
        shown: list[Shown] = []
        slate = _Slate(candidates)
        while len(shown) < self._k and slate.open.any():
            worth = np.where(slate.open, values.q + slate.agreement, -np.inf)
            index = int(worth.argmax())
            if worth[index] <= _bar(values, shown):
                break
            shown.append(_slot(index, candidates, values, len(shown), 1.0))
            slate.take(index)
        return shown

    def soft(self, candidates: Sequence[Candidate], values: QValues) -> tuple[list[Shown], float | None]:
        """Draw one case after another from μ(c|s) ∝ μ₀(c|s)·exp(Q(s,c)/α) (Memento eq. 7, with the void
        case beside the candidates), without replacement; the void case ends the draw. From the second slot
        on, Q has what agreement with the slate adds.
        """
        shown: list[Shown] = []
        slate = _Slate(candidates)
        while len(shown) < self._k and slate.open.any():
            worth = values.q + slate.agreement
            chances, void = _soft_chances(slate.cosines, worth, slate.open, _bar(values, shown))
            drawn = int(self._rng.choice(len(candidates) + 1, p=np.append(chances, void)))
            if drawn == len(candidates):
                return shown, void
            shown.append(_slot(drawn, candidates, values, len(shown), float(chances[drawn])))
            slate.take(drawn)
        return shown, None


class _Slate:
    """Which candidates are still open while a slate is drawn, and what each would add to what is in it.

    Arrays have shape (candidates,).
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates
        self.cosines = np.asarray([candidate.similarity for candidate in candidates], dtype=np.float64)
        self.open = np.ones(len(candidates), dtype=bool)
        self.agreement = np.zeros(len(candidates))

    def take(self, index: int) -> None:
        """Close the drawn case, and those that did the same on nearly the same task."""
        drawn = self._candidates[index]
        self.open[index] = False
        for other, candidate in enumerate(self._candidates):
            if candidate.tools != drawn.tools or candidate.outcome != drawn.outcome:
                continue
            cosine = float(candidate.vector @ drawn.vector)
            if cosine >= NEAR_DUPLICATE:
                self.open[other] = False
            if drawn.tools and drawn.outcome == "success":
                self.agreement[other] = max(self.agreement[other], AGREEMENT * cosine)


def _bar(values: QValues, shown: Sequence[Shown]) -> float:
    """What a further case competes with: the void case, less what company is expected to add."""
    return values.void - (COMPANY if shown else 0.0)


def _soft_chances(
    cosines: Floats, worth: Floats, open_: NDArray[np.bool_], bar: float
) -> tuple[Floats, float]:
    """The chances of the candidates, shape (candidates,), and of the void case, whose value is `bar`; they
    sum to 1.
    """
    prior = np.where(open_, np.exp((cosines - cosines.max()) / PRIOR_TEMPERATURE), 0.0)
    prior *= (1.0 - VOID_PRIOR) / prior.sum()
    best = max(float(worth[open_].max()), bar)
    mass = prior * np.exp(np.minimum(worth - best, 0.0) / TEMPERATURE)
    void = VOID_PRIOR * float(np.exp((bar - best) / TEMPERATURE))
    total = float(mass.sum()) + void
    return mass / total, void / total


def _slot(
    index: int, candidates: Sequence[Candidate], values: QValues, rank: int, propensity: float
) -> Shown:
    return Shown(
        case_id=candidates[index].case_id,
        rank=rank,
        similarity=candidates[index].similarity,
        q=float(values.q[index]),
        q_std=float(values.std[index]),
        propensity=propensity,
    )


def _generator(seed: int, namespace: str, number: int) -> np.random.Generator:
    """Randomness keyed by seed, namespace and run number: nothing else moves the draws of a run."""
    space = int.from_bytes(hashlib.sha256(namespace.encode()).digest()[:8], "big")
    return np.random.default_rng([abs(seed), space, number])
