"""Why this case: what a policy would do on a task, and what that is made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory import auto, soft
from memento.memory.advantage_q import AdvantageQ, Before
from memento.memory.case_bank import Candidate
from memento.memory.embeddings import unit
from memento.memory.outcomes import Outcomes
from memento.memory.policy import Policy
from memento.memory.pool import Pool, pool_of
from memento.memory.q_function import QValues
from memento.memory.slate import CANDIDATES, FLOOR
from memento.memory.slates import slates_of

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]

TERMS = ("cases in general", "similarity", "match", "doubt", "hubness", "record", "dissent", "outcomes")
_REDRAWS = 256
_Z = 1.96


@dataclass(frozen=True)
class Reason:
    """One candidate: the cosine of the tasks, Q with its 95 % interval in units of reward, what Q adds to
    doing without cases and from where, how many outcomes bear on it, how likely it is to be shown, and what
    speaks against it, if anything.
    """

    case_id: str
    similarity: float
    q: float
    low: float
    high: float
    made_of: dict[str, float]
    outcomes: float
    chance: float
    against: str = ""


@dataclass(frozen=True)
class Explanation:
    """What a policy would do on a task. `chances` are those of each kind of choice; `without` is the reward
    expected without cases; `candidates` come with the most likely first; `withheld` holds (case id, cosine,
    status) of near cases that may not be shown.
    """

    policy: str
    namespace: str
    without: float
    without_low: float
    without_high: float
    outcomes: int
    chances: dict[str, float]
    candidates: list[Reason]
    withheld: list[tuple[str, float, str]]


def explain(
    policy: Policy, task_vector: Vector, namespace: str | None = None, exclude: Collection[str] = ()
) -> Explanation:
    """What the policy would do on the task with this vector if it came next. Nothing is written, and no run
    number is used up.
    """
    space = namespace or policy.bank.namespace
    vector = unit(policy.bank.checked_vector(task_vector))
    found = _Found(
        policy, space, {"nothing": 1.0}, [], None, np.zeros(0), np.zeros((0, 0), bool), np.zeros((0, 0)), 0
    )
    if isinstance(policy.q_function, AdvantageQ):
        before = policy.q_function.before(space, policy.ledger.last_number(space) + 1, vector)
        pool = pool_of(policy.bank, vector, space, before, exclude)
        found = _by_advantage(policy, space, before, pool) if pool.candidates else found
    elif policy.name != "none":
        nearest = policy.bank.search(vector, CANDIDATES, space, exclude)
        found = _by_q(policy, vector, space, nearest) if nearest else found
    return found.told(policy.bank.withheld(vector, CANDIDATES, space))


def explain_run(policy: Policy, run: Mapping[str, Any]) -> Explanation | None:
    """What the runs before a past one of `auto`, a row of the ledger, teach of the candidates that it had, as
    far as that is known now; its `withheld` are those that may not be shown any more. None for runs of other
    policies, and where no candidate is left: of these there is what the row says.
    """
    if run["policy"] != "auto" or not isinstance(policy.q_function, AdvantageQ):
        return None
    space, vector = run["namespace"], unit(policy.ledger.task_vector(run["run_id"]))
    similarity = {case_id: cosine for case_id, cosine, _ in run["candidates"]}
    candidates = policy.bank.candidates(vector, list(similarity), space)
    if not candidates:
        return None
    before = policy.q_function.before(space, run["number"], vector)
    pool = Pool(candidates, len(candidates), run["usual_cosine"])
    left = similarity.keys() - {candidate.case_id for candidate in candidates}
    held = policy.bank.get_many(sorted(left), space)
    withheld = [(i, similarity[i], held[i].status if i in held else "deleted") for i in sorted(left)]
    return _by_advantage(policy, space, before, pool).told(withheld)


@dataclass(frozen=True)
class _Found:
    policy: Policy
    namespace: str
    chances: dict[str, float]
    candidates: Sequence[Candidate]
    values: QValues | None
    shown: Floats
    duplicates: NDArray[np.bool_]
    made_of: Floats
    outcomes: int

    def told(self, withheld: Sequence[tuple[str, float, str]]) -> Explanation:
        values = self.values
        void, std = (0.0, 0.0) if values is None else (values.void, values.void_std)
        reasons = [] if values is None else [self._reason(place, values) for place in range(len(self.shown))]
        reasons.sort(key=lambda reason: (-reason.chance, -reason.q, reason.case_id))
        return Explanation(
            policy=self.policy.name,
            namespace=self.namespace,
            without=void,
            without_low=void - _Z * std,
            without_high=void + _Z * std,
            outcomes=self.outcomes,
            chances=self.chances,
            candidates=reasons,
            withheld=list(withheld),
        )

    def _reason(self, place: int, values: QValues) -> Reason:
        candidate, q, std = self.candidates[place], float(values.q[place]), float(values.std[place])
        terms = self.made_of[place] if len(self.made_of) else np.zeros(0)
        return Reason(
            case_id=candidate.case_id,
            similarity=candidate.similarity,
            q=q,
            low=q - _Z * std,
            high=q + _Z * std,
            made_of={name: float(term) for name, term in zip(TERMS, terms, strict=False)},
            outcomes=float(values.outcomes[place]),
            chance=float(self.shown[place]),
            against=self._against(place, values),
        )

    def _against(self, place: int, values: QValues) -> str:
        candidate = self.candidates[place]
        rivals = np.flatnonzero(self.duplicates[place] & (self.shown > self.shown[place]))
        if len(rivals):
            return f"near-duplicate of {self.candidates[int(rivals[0])].case_id}"
        if candidate.outcome == "failure":
            return "it failed itself"
        if values.q[place] < values.void:
            return "expected to do harm"
        return "on probation" if candidate.probation else ""


def _by_advantage(policy: Policy, namespace: str, before: Before, pool: Pool) -> _Found:
    candidates, near, usual = pool
    believed = before.belief(candidates, usual)
    slates = slates_of(candidates, near, believed, before.hyper, max(policy.k, 1))
    chances, shown = auto.chances(slates, before.state, np.random.default_rng(policy.seed))
    made_of = before.state.posterior.made_of(believed.belief, believed.features)
    outcomes = before.state.outcomes
    same = slates.likeness.duplicates
    return _Found(policy, namespace, chances, candidates, believed.values, shown, same, made_of, outcomes)


def _by_q(policy: Policy, vector: Vector, namespace: str, candidates: list[Candidate]) -> _Found:
    outcomes = Outcomes(policy.ledger, namespace)
    outcomes.refresh()
    values = policy.q_function.evaluate(vector, candidates, outcomes)
    places = {candidate.case_id: place for place, candidate in enumerate(candidates)}
    shown, rng = np.zeros(len(candidates)), np.random.default_rng(policy.seed)
    draw = soft.SoftDraw(candidates, values, policy.k, rng)
    sure = policy.name == "similarity"
    drawn = [draw.nearest()] if sure else [draw.slate() for _ in range(_REDRAWS)]
    for one in drawn:
        for slot in one["cases"]:
            shown[places[slot.case_id]] += 1.0 / len(drawn)
    empty = float(np.mean([not one["cases"] for one in drawn]))
    if sure:
        chances = {"similarity": 1.0 - empty, "nothing": empty}
    else:
        shown *= 1.0 - FLOOR
        left = 1.0 - FLOOR
        chances = {"floor": FLOOR, "nothing": left * empty, "learned": left * (1.0 - empty)}
    same, made_of = draw.likeness.duplicates, np.zeros((0, 0))
    return _Found(policy, namespace, chances, candidates, values, shown, same, made_of, outcomes.total())
