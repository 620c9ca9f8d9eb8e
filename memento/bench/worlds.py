"""Simulated worlds: tasks, cases, and what showing cases does to success.

The vectors are MiniLM's of real public questions; what a case is worth is drawn, so that the expected
success of every choice is known and no luck is in the score. A world is a function of its kind and seed.

A case c changes the success of task s by

    e(s,c) = bias + similar·(cos(s,c) − .3) + match·g(s)·g(c) + quality·q_c,   q_c ~ N(0, 1)

where g are soft memberships in hidden groups of questions, which similarity follows only in part. A poisoned
case costs 20 to 45 points whatever the task. In a rare world a case is worth `match` to the tasks that it
matches best, and −.04 to others. Several shown cases average by the attention each gets, or add up:

    p(s, shown) = clip(b(s) + Σ_j a_j e(s,c_j), .02, .98)

A reward is 1 where the step's luck, keyed by seed and step, is below p: arms that choose alike fare alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from memento.errors import UsageError
from memento.memory.components import components
from memento.memory.embeddings import unit

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]

MOST_SHOWN = 4
_GROUPS = 12
_COMPONENTS = 24


@dataclass(frozen=True)
class Kind:
    """What is drawn for a world. Effects are in points of success; `poison` is the share of cases that look
    like what is often asked and cost 20 to 45 points.
    """

    about: str
    cases: int = 700
    bias: float = 0.0
    similar: float = 0.0
    match: float = 0.0
    quality: float = 0.0
    unlike: float = 0.0
    """The share of cases whose groups have nothing to do with their questions: what a case did decides."""
    harms: bool = False
    """No case helps anywhere."""
    poison: float = 0.0
    rare: float = 0.0
    """Where above 0, only so large a share of the cases, those that match best, helps a task."""
    adds: bool = False
    cites: bool = False
    later: "Kind | None" = None
    """What the effects are drawn from again, half way."""


_MISLEADING = Kind(
    "similarity misleads: groups that it does not see decide, and 15 % of the cases are poison",
    bias=-0.18,
    match=0.5,
    quality=0.05,
    unlike=0.5,
    poison=0.15,
)
KINDS: dict[str, Kind] = {
    "misleading": _MISLEADING,
    "quality": Kind("only a case's own quality matters", bias=0.12, quality=0.13),
    "similar": Kind("similarity is already right", similar=0.9),
    "harmful": Kind("every case hurts", bias=-0.16, quality=0.04, harms=True),
    "change": replace(
        _MISLEADING,
        about="as misleading; half way, what helps is drawn anew, and most of what helped then hurts",
        later=replace(_MISLEADING, bias=-0.26, poison=0.3),
    ),
    "additive": Kind(
        "what several cases do adds up", bias=-0.03, match=0.11, quality=0.04, unlike=0.3, adds=True
    ),
    "cited": replace(
        _MISLEADING, about="as misleading; cases are cited at random, more after success", cites=True
    ),
    "rare": Kind("3,000 cases, of which 5 % help a given task", cases=3000, match=0.4, unlike=0.9, rare=0.05),
}


@dataclass(frozen=True)
class World:
    """One world. `tasks` has shape (steps, dimensions), `cases` (cases, dimensions), of unit length;
    `effects` (steps, cases), in points of success; `base` and `luck` (steps,); `poison` (eras, cases), where
    the eras are equally long; `sources` (steps,) says which public question each task is near.
    """

    kind: str
    seed: int
    tasks: Vectors
    cases: Vectors
    base: Floats
    effects: Vectors
    luck: Floats
    poison: NDArray[np.bool_]
    attention: Floats
    adds: bool
    cites: bool
    sources: NDArray[np.intp]

    def success(self, step: int, shown: Sequence[int]) -> float:
        """The expected success of a step with these cases shown, in the order of the slate."""
        if not shown:
            return float(np.clip(self.base[step], 0.02, 0.98))
        effect = float(self.weights(len(shown)) @ self.effects[step, list(shown)])
        return float(np.clip(self.base[step] + effect, 0.02, 0.98))

    def weights(self, count: int) -> Floats:
        """What the effect of each case counts for in a slate of so many, shape (count,)."""
        attention = self.attention[:count]
        return attention if self.adds else attention / attention.sum()

    def nearest(self, step: int, count: int) -> tuple[NDArray[np.intp], Floats]:
        """The cases most similar to a step's task, nearest first, and their cosines."""
        cosines = np.asarray(self.cases @ self.tasks[step], dtype=np.float64)
        near = np.argsort(-cosines, kind="stable")[:count]
        return near, cosines[near]

    def poisoned(self, step: int, shown: Sequence[int]) -> int:
        """How many of the shown cases are poison."""
        era = step * len(self.poison) // len(self.tasks)
        return int(self.poison[era, list(shown)].sum())

    def reward(self, step: int, shown: Sequence[int]) -> float:
        return float(self.luck[step] < self.success(step, shown))

    def cited(self, step: int, shown: Sequence[int], reward: float) -> list[int] | None:
        """The cases that the planner says it used: at random, five times as often after success; None in
        worlds where it says nothing.
        """
        if not self.cites:
            return None
        rng = np.random.default_rng([self.seed, step, 7])
        chance = 0.5 if reward else 0.1
        return [case for case in shown if rng.random() < chance]

    def best(self, step: int) -> list[int]:
        """The oracle's slate: what helps most, as many as help, of all cases."""
        order = [int(case) for case in np.argsort(-self.effects[step], kind="stable")[:MOST_SHOWN]]
        slates = [order[:size] for size in range(MOST_SHOWN + 1)]
        # Of a whole slate the ends count most.
        slates.append([order[place] for place in (0, 2, 3, 1)])
        return max(slates, key=lambda slate: self.success(step, slate))


def make_world(kind: str, seed: int, steps: int = 2000) -> World:
    """The world of that kind and seed.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no world {kind!r}: use one of {', '.join(KINDS)}")
    how = KINDS[kind]
    rng = np.random.default_rng([seed, *kind.encode()])
    pool = question_vectors()
    order = rng.permutation(len(pool))
    # A large bank holds many cases of nearly the same question, as large banks do.
    case_rows = order[: min(how.cases, len(pool) // 3)]
    task_rows = order[len(case_rows) :]
    cases = _near(pool[rng.choice(case_rows, how.cases, replace=how.cases > len(case_rows))], rng)
    sources = rng.choice(task_rows, steps)
    tasks = _near(pool[sources], rng)
    cosines = tasks @ cases.T
    eras = [_hubs(cosines, era.poison, rng) for era in (how, how.later) if era is not None]
    effects = _effects(how, tasks, cases, cosines, eras[0], rng)
    if how.later is not None:
        half = (steps + 1) // 2
        effects[half:] = _effects(how.later, tasks, cases, cosines, eras[1], rng)[half:]
    return World(
        kind=kind,
        seed=seed,
        tasks=tasks,
        cases=cases,
        base=_base(tasks, rng),
        effects=effects,
        luck=rng.random(steps),
        poison=np.stack(eras),
        attention=_attention(rng, adds=how.adds),
        adds=how.adds,
        cites=how.cites,
        sources=sources,
    )


@cache
def question_vectors() -> Vectors:
    """MiniLM's vectors of public questions, of unit length, shape (questions, 384)."""
    with files("memento.bench").joinpath("questions.npy").open("rb") as file:
        return unit(np.load(file).astype(np.float32))


def _near(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    """The questions worded a little otherwise: cosine about .95 to the original."""
    noise = rng.standard_normal(vectors.shape).astype(np.float32)
    return unit(vectors + 0.33 * unit(noise))


def _groups(vectors: Vectors, prototypes: Floats) -> Floats:
    """Soft memberships in the hidden groups, of unit length, shape (vectors, groups)."""
    logits = 1.2 * components(vectors)[:, :_COMPONENTS] @ prototypes
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / np.linalg.norm(shares, axis=1, keepdims=True))


def _effects(
    how: Kind,
    tasks: Vectors,
    cases: Vectors,
    cosines: Vectors,
    poison: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Vectors:
    """e(s,c), shape (steps, cases)."""
    prototypes = rng.standard_normal((_COMPONENTS, _GROUPS)) / np.sqrt(_COMPONENTS) * 2.0
    own = _groups(cases, prototypes)
    unlike = rng.random(how.cases) < how.unlike
    own[unlike] = rng.permutation(own[unlike])
    match = _groups(tasks, prototypes) @ own.T
    effects = how.bias + how.similar * (cosines - 0.3) + how.quality * rng.standard_normal(how.cases)
    if how.rare:
        bar = np.quantile(match, 1.0 - how.rare, axis=1, keepdims=True)
        effects = effects + np.where(match >= bar, how.match, -0.04)
    else:
        effects = effects + how.match * match
    if how.harms:
        effects = np.minimum(effects, -0.02)
    costs = -rng.uniform(0.2, 0.45, how.cases)
    return np.asarray(np.where(poison[None, :], costs[None, :], effects), dtype=np.float32)


def _hubs(cosines: Vectors, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """So many of the cases, drawn from the twice as many that are most often among a task's nearest four."""
    nearest = np.argpartition(-cosines, MOST_SHOWN, axis=1)[:, :MOST_SHOWN]
    counts = np.bincount(nearest.ravel(), minlength=cosines.shape[1])
    poison = np.zeros(cosines.shape[1], dtype=bool)
    wanted = round(share * cosines.shape[1])
    poison[rng.choice(np.argsort(-counts, kind="stable")[: 2 * wanted], wanted, replace=False)] = True
    return poison


def _base(tasks: Vectors, rng: np.random.Generator) -> Floats:
    """b(s): some kinds of question are harder than others."""
    slope = rng.standard_normal(_COMPONENTS) / np.sqrt(_COMPONENTS)
    return np.asarray(np.clip(0.4 + 0.12 * components(tasks)[:, :_COMPONENTS] @ slope, 0.05, 0.9))


def _attention(rng: np.random.Generator, *, adds: bool) -> Floats:
    """What each place in a slate of four counts: more at both ends, and how much more is drawn."""
    ends = rng.uniform(1.0, 1.6)
    weights = np.asarray([ends, 1.0, 1.0, ends])
    return weights * 0.8 / ends if adds else weights
