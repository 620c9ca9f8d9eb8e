"""Ways to choose cases, ours and published ones, behind one shape."""

import tempfile
from collections.abc import Callable, Container, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memento.bench.advantage import AdvantageArm
from memento.bench.informed import InformedArm
from memento.bench.released import ReleasedArm
from memento.bench.worlds import MOST_SHOWN, World
from memento.errors import UsageError
from memento.memory import Case, CaseBank, Selection, build_policy
from memento.memory.effect import Effect
from memento.memory.logged import effect_of_memory
from memento.memory.slate import CANDIDATES

Floats = NDArray[np.float64]

PLACEBO = ":placebo"
_RECALLED = 16  # by MemRL's first phase
_POLICIES = ("kernel", "neural", "auto")


class Arm(Protocol):
    """Chooses cases, by number, for one step after another, and is told what came of it."""

    def choose(self, step: int) -> list[int]: ...

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None: ...


@runtime_checkable
class WithFloor(Protocol):
    """An arm that shows nothing in a share of the runs, whatever it knows, so that memory can be measured."""

    def on_floor(self, step: int) -> bool: ...


@runtime_checkable
class Exploring(Protocol):
    """An arm that explores, and can also make the best choice that it knows, of which it learns nothing."""

    def choose_known(self, step: int) -> list[int]: ...


@runtime_checkable
class Predicting(Protocol):
    """An arm that says what to expect when one of the cases that it chose is shown alone: the means and
    standard deviations of success, in the order of the choice; None where it does not know.
    """

    def predictions(self, step: int) -> tuple[Floats, Floats] | None: ...


@runtime_checkable
class Accounting(Protocol):
    """An arm that can say from its own log what memory did to success."""

    def effects(self) -> list[Effect]: ...


class PolicyArm:
    """One of the product's own policies, on a real bank and ledger in a folder of its own."""

    def __init__(self, name: str, world: World, stack: ExitStack) -> None:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        bank = stack.enter_context(CaseBank(home))
        cases = [Case.from_demonstration(task=f"case {number}") for number in range(len(world.cases))]
        ids = bank.add_many(cases, world.cases)
        self._world = world
        self._numbers = {case_id: number for number, case_id in enumerate(ids)}
        self._ids = ids
        self._policy = build_policy(name, bank=bank, k=MOST_SHOWN, seed=world.seed)
        self._open: dict[int, Selection] = {}

    def choose(self, step: int) -> list[int]:
        return self._choose(step, explore=True)

    def choose_known(self, step: int) -> list[int]:
        return self._choose(step, explore=False)

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None:
        del shown
        used = None if cited is None else [self._ids[number] for number in cited]
        self._policy.record(self._open.pop(step), reward=reward, used=used)

    def _choose(self, step: int, *, explore: bool) -> list[int]:
        selection = self._open[step] = self._policy.select(self._world.tasks[step], explore=explore)
        return [self._numbers[shown.case_id] for shown in selection.cases]

    def on_floor(self, step: int) -> bool:
        """Both policies explore, so their arm "none" is the floor."""
        return self._open[step].arm == "none"

    def predictions(self, step: int) -> tuple[Floats, Floats] | None:
        """Q and its standard deviation."""
        selection = self._open[step]
        columns = [[shown.q for shown in selection.cases], [shown.q_std for shown in selection.cases]]
        return np.asarray(columns[0]), np.asarray(columns[1])

    def effects(self) -> list[Effect]:
        """What the ledger says of the effect of memory."""
        return effect_of_memory(self._policy.ledger, self._policy.bank.namespace)


class FixedArm:
    """An arm that learns nothing: `choice(world, step)` is all of it."""

    def __init__(self, choice: Callable[[World, int], list[int]], world: World) -> None:
        self._choice = choice
        self._world = world

    def choose(self, step: int) -> list[int]:
        return self._choice(self._world, step)

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None:
        """Nothing is learned."""


class MeanArm:
    """Cosine plus the mean reward of the case, shrunk to the mean of all: four of the nearest 64."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sums = np.zeros(len(world.cases))
        self._counts = np.zeros(len(world.cases))

    def choose(self, step: int) -> list[int]:
        near, cosines = self._world.nearest(step, CANDIDATES)
        usual = self._sums.sum() / max(self._counts.sum(), 1.0)
        means = (self._sums[near] + 3.0 * usual) / (self._counts[near] + 3.0)
        return _top(near, cosines + means)

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None:
        del step, cited
        self._sums[list(shown)] += reward
        self._counts[list(shown)] += 1


class MemRLArm:
    """After MemRL (arXiv 2601.03192): of what similarity recalls, the greatest z(cosine) + z(Q), with
    Q ← Q + .3·(r − Q) and r = −1 after failure, as its authors set them. Here the 16 nearest are recalled, in
    place of a threshold of cosine that suits their data.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._q = np.zeros(len(world.cases))

    def choose(self, step: int) -> list[int]:
        recalled, cosines = self._world.nearest(step, _RECALLED)
        return _top(recalled, _standard(cosines) + _standard(self._q[recalled]))

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None:
        del step, cited
        self._q[list(shown)] += 0.3 * (2.0 * reward - 1.0 - self._q[list(shown)])


def show_nothing(world: World, step: int) -> list[int]:
    del world, step
    return []


def show_nearest(world: World, step: int) -> list[int]:
    """The K nearest cases."""
    return _top(*world.nearest(step, MOST_SHOWN))


def show_random(world: World, step: int) -> list[int]:
    """K cases at random."""
    rng = np.random.default_rng([world.seed, step, 1])
    return [int(case) for case in rng.choice(len(world.cases), MOST_SHOWN, replace=False)]


def choose_known(arm: Arm, step: int) -> list[int]:
    """The arm's best known choice; what it always chooses where it has no other, as the arms that never
    explore, and "advantage", whose draws are all that it is.
    """
    return arm.choose_known(step) if isinstance(arm, Exploring) else arm.choose(step)


def placebo(world: World, step: int, attempt: int, chosen: Sequence[int]) -> list[int]:
    """What a placebo's world shows in place of the chosen cases: as many others, drawn anew each time.

    An arm that learns still sees the cases that it chose and real rewards, but which case it chose makes no
    difference: what it gains over showing cases at random is an artefact, but for how many it shows.
    """
    order = np.random.default_rng([world.seed, step, attempt, 23]).permutation(len(world.cases))
    return [int(order[case]) for case in chosen]


def compared_with(arm: str, known: Container[str], plain: Sequence[str]) -> list[tuple[str, str]]:
    """The arms that this one is compared with, of those that are known: some plain ones and its own placebo,
    each with what it is called in the figures.
    """
    pairs = [*((name, name) for name in plain), ("placebo", arm + PLACEBO)]
    return [(label, other) for label, other in pairs if other in known and other != arm]


_OTHERS: dict[str, Callable[[World], Arm]] = {
    "none": partial(FixedArm, show_nothing),
    "random": partial(FixedArm, show_random),
    "similarity": partial(FixedArm, show_nearest),
    "case-mean": MeanArm,
    "memrl": MemRLArm,
    "released": ReleasedArm,
    "advantage": AdvantageArm,
    "informed": partial(InformedArm, likeness="true"),
    "informed-texts": partial(InformedArm, likeness="texts"),
    "oracle": partial(FixedArm, World.best),
}
ARMS = (*_OTHERS, *_POLICIES)


def make_arm(name: str, world: World, stack: ExitStack) -> Arm:
    """The arm of that name, with or without ":placebo" behind it; `stack` closes what it opened.

    Raises:
        UsageError: there is no such arm.
    """
    name = name.removesuffix(PLACEBO)
    if name in _POLICIES:
        return PolicyArm(name, world, stack)
    if name not in _OTHERS:
        raise UsageError(f"there is no arm {name!r}: use some of {', '.join(ARMS)}")
    return _OTHERS[name](world)


def _top(cases: NDArray[np.intp], scores: Floats) -> list[int]:
    return [int(case) for case in cases[np.argsort(-scores, kind="stable")[:MOST_SHOWN]]]


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / (values.std() + 1e-9))
