"""The case-selection policy μ(c|s,M): which past cases, if any, to show for a task."""

import hashlib
import uuid
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memento.memory import auto, soft
from memento.memory.advantage_q import AdvantageQ, Before
from memento.memory.case_bank import Candidate, CaseBank
from memento.memory.credit import SAID
from memento.memory.embeddings import unit
from memento.memory.errors import UsageError
from memento.memory.kernel_q import KernelQ
from memento.memory.ledger import Ledger, Reward
from memento.memory.neural_q import NeuralQ
from memento.memory.outcomes import Outcomes
from memento.memory.pool import Pool, pool_of
from memento.memory.q_function import QFunction, QValues, SimilarityQ
from memento.memory.selection import Selection, run_record
from memento.memory.slate import CANDIDATES, usual_cosine
from memento.memory.slates import slates_of
from memento.memory.trajectory import Step

Vector = NDArray[np.float32]
PolicyName = Literal["auto", "none", "similarity", "kernel", "neural"]


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
        space = self.bank.writable(namespace)
        vector = unit(self.bank.checked_vector(task_vector))
        number = self.ledger.next_number(space)
        rng, most = _generator(self.seed, space, number), self.k if k is None else k
        chosen: dict[str, Any] = {"arm": "none", "arm_propensity": 1.0}
        if isinstance(self.q_function, AdvantageQ):
            before = self.q_function.before(space, number, vector)
            pool = pool_of(self.bank, vector, space, before, exclude)
            chosen |= self._by_advantage(before, pool, rng, most, explore=explore)
        elif self.name != "none":
            candidates = self.bank.search(vector, CANDIDATES, space, exclude)
            chosen |= self._by_q(vector, space, candidates, rng, most, explore=explore)
        return Selection(
            run_id=uuid.uuid4().hex,
            number=number,
            namespace=space,
            shared=self.bank.shared_under(space),
            policy=self.name,
            vector=vector,
            **chosen,
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
        cases that are said to have been used, None where that is not known.

        Raises:
            UsageError: the reward is outside [0, 1], or a used case was not shown.
        """
        strange = set(used or ()) - {slot.case_id for slot in selection.cases}
        if strange:
            raise UsageError(f"{min(strange)!r} was not shown in this run: used is some of its cases' ids")
        told = [s if used is None else s.told(used=s.case_id in used) for s in selection.cases]
        said = None if reward is None else Reward(reward=reward, source=source, weight=weight)
        use_is = None if used is None else SAID
        run = run_record(selection, told, task=task, answer=answer, trajectory=trajectory, use_is=use_is)
        self.ledger.commit_run(run, said)

    def _by_q(
        self,
        vector: Vector,
        namespace: str,
        candidates: list[Candidate],
        rng: np.random.Generator,
        k: int,
        *,
        explore: bool,
    ) -> dict[str, Any]:
        """The choice of soft Q-learning, or of similarity."""
        if not candidates:
            return {"arm": "similarity" if self.name == "similarity" else "learned"}
        outcomes = self._outcomes.setdefault(namespace, Outcomes(self.ledger, namespace))
        outcomes.refresh()
        values = self.q_function.evaluate(vector, candidates, outcomes)
        draw = soft.SoftDraw(candidates, values, k, rng)
        if self.name == "similarity" or not (explore or (values.outcomes > 0).any()):
            chosen = draw.nearest()
        else:
            chosen = draw.drawn() if explore else draw.best()
        if self.name != "similarity":
            known = {"without": values.void, "without_std": values.void_std}
            chosen |= {**known, "usual_cosine": usual_cosine(candidates)}
        return {**chosen, "candidates": considered(candidates, values)}

    def _by_advantage(
        self, seen: Before, pool: Pool, rng: np.random.Generator, k: int, *, explore: bool
    ) -> dict[str, Any]:
        """The choice of `auto`."""
        candidates, near, usual = pool
        if not candidates:
            return {"arm": "learned"}
        belief = seen.belief(candidates, usual)
        values = belief.values
        known = {
            "candidates": considered(candidates, values),
            "usual_cosine": usual,
            "without": values.void,
            "without_std": values.void_std,
        }
        if k == 0:
            return {"arm": "learned", "arm_propensity": 1.0, **known}
        if not (explore or seen.state.outcomes):
            return {**soft.SoftDraw(candidates, values, k, rng).nearest(), **known}
        slates = slates_of(candidates, near, belief, seen.hyper, k)
        choice = auto.choose(slates, seen.state, rng) if explore else auto.best_known(slates, seen.state)
        return {**choice.told(candidates, belief), **known}


def build_policy(
    name: str = "auto", *, bank: CaseBank, ledger: Ledger | None = None, k: int = 4, seed: int = 0
) -> Policy:
    """The case-selection policy of that name.

    "none" shows nothing, "similarity" the top K by cosine; "kernel" is soft Q-learning with KernelQ and
    the void case, "neural" the same with NeuralQ; "auto" models what cases add to showing nothing.

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
        "auto": ("auto", AdvantageQ(outcomes)),
    }
    if name not in known:
        raise UsageError(f"the policy {name!r} is not available: use one of {', '.join(sorted(known))}")
    return Policy(*known[name], bank, outcomes, k, seed)


def considered(candidates: Sequence[Candidate], values: QValues) -> list[tuple[str, float, float]]:
    """(case id, similarity, Q) of the candidates."""
    similarities = np.round([candidate.similarity for candidate in candidates], 6).tolist()
    ids = [candidate.case_id for candidate in candidates]
    return list(zip(ids, similarities, np.round(values.q, 6).tolist(), strict=True))


def _generator(seed: int, namespace: str, number: int) -> np.random.Generator:
    """Randomness keyed by seed, namespace and run number: nothing else moves the draws of a run."""
    space = int.from_bytes(hashlib.sha256(namespace.encode()).digest()[:8], "big")
    return np.random.default_rng([abs(seed), space, number])
