"""Arms in simulated worlds, one cell (world, arm, seed) after another or side by side."""

import hashlib
import json
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np

import memento.bench
import memento.memory
from memento.bench.arms import (
    PLACEBO,
    Accounting,
    Arm,
    Predicting,
    WithFloor,
    choose_known,
    make_arm,
    placebo,
)
from memento.bench.split import held_out
from memento.bench.world_file import read_world
from memento.bench.worlds import World, make_world
from memento.errors import UsageError

_FILE = "cells.jsonl"
Key = tuple[str, str, int]
Mode = Literal["prequential", "held-out"]


@dataclass(frozen=True)
class How:
    """How each cell is run. `steps` is the number of tasks. In mode "prequential" an arm learns from every
    task after it was scored on it; in "held-out" it learns from the first three quarters, and then makes its
    best known choice on tasks whose like it has not met. Each task is tried `attempts` times in sequence,
    with learning in between, and after a success too.
    """

    steps: int
    mode: Mode = "prequential"
    attempts: int = 1


@dataclass(frozen=True)
class Cell:
    """What one arm did in one world: one entry a task, in the order in which it met them, of which the first
    `taught` taught it something. `success` is expected success, so no luck is in it; `best_of` the chance
    that one of the attempts succeeds, 1 − Π(1 − p), where all other entries are of the first attempt;
    `oracle` the success of the best slate; `poison` how many poisoned cases were shown; `floor` whether the
    arm showed nothing whatever it knew; `predicted` has [mean, standard deviation, truth] of success for each
    shown case alone, where the arm predicts it; `without` the success without cases; `effects` what the arm's
    own log says of the effect of memory; `code` says which version of the worlds and the memory it
    was.
    """

    world: str
    arm: str
    seed: int
    code: str
    mode: Mode
    attempts: int
    taught: int
    success: list[float] = field(default_factory=list)
    best_of: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    poison: list[int] = field(default_factory=list)
    floor: list[bool] = field(default_factory=list)
    predicted: list[list[list[float]]] = field(default_factory=list)
    without: list[float] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.world, self.arm, self.seed


def run_cell(
    world_name: str, arm_name: str, seed: int, steps: int, mode: Mode = "prequential", attempts: int = 1
) -> Cell:
    """Let one arm meet every task of one world, learning as it goes."""
    world = open_world(world_name, seed, steps)
    teach, test = held_out(world.sources.tolist()) if mode == "held-out" else (list(range(steps)), [])
    cell = Cell(world_name, arm_name, seed, _version(world_name), mode, attempts, len(teach))
    tries = [world, *(_other_luck(world, attempt) for attempt in range(1, attempts))]
    with ExitStack() as stack:
        arm = make_arm(arm_name, world, stack)
        for place, step in enumerate([*teach, *test]):
            _meet(cell, tries, arm, step, teaches=place < len(teach))
        if isinstance(arm, Accounting):
            cell.effects.extend(asdict(effect) for effect in arm.effects())
    return cell


def open_world(name: str, seed: int, steps: int) -> World:
    """The world of that kind, or that of a file."""
    return read_world(Path(name), seed, steps) if name.endswith(".npz") else make_world(name, seed, steps)


def _other_luck(world: World, attempt: int) -> World:
    """The same world with the luck of another attempt, the same for every arm."""
    luck = np.random.default_rng([world.seed, attempt, 29]).random(len(world.luck))
    return replace(world, luck=luck)


def _meet(cell: Cell, tries: Sequence[World], arm: Arm, step: int, *, teaches: bool) -> None:
    """All attempts at one task."""
    misses = 1.0
    for attempt, world in enumerate(tries):
        chosen = arm.choose(step) if teaches else choose_known(arm, step)
        shown = placebo(world, step, attempt, chosen) if cell.arm.endswith(PLACEBO) else chosen
        misses *= 1.0 - world.success(step, shown)
        if attempt == 0:
            _note(cell, world, arm, step, shown)
        if teaches:
            reward = world.reward(step, shown)
            arm.learn(step, chosen, reward, world.cited(step, chosen, reward))
    cell.best_of.append(round(1.0 - misses, 4))


def _note(cell: Cell, world: World, arm: Arm, step: int, shown: list[int]) -> None:
    """Write down what was shown in place of the arm's choice, before the arm is told."""
    cell.success.append(round(world.success(step, shown), 4))
    cell.oracle.append(round(world.success(step, world.best(step)), 4))
    cell.without.append(round(world.success(step, []), 4))
    cell.shown.append(len(shown))
    cell.poison.append(world.poisoned(step, shown))
    cell.floor.append(isinstance(arm, WithFloor) and arm.on_floor(step))
    found = arm.predictions(step) if isinstance(arm, Predicting) else None
    rows = [] if found is None else zip(*found, shown, strict=True)
    cell.predicted.append(
        [[round(float(n), 4) for n in (mean, std, world.success(step, [case]))] for mean, std, case in rows]
    )


def run_cells(
    folder: Path, worlds: Sequence[str], arms: Sequence[str], seeds: Sequence[int], how: How
) -> Iterator[Cell]:
    """Every cell as it is finished, those first that `folder`, which is there, has from before. It is read at
    once.

    Raises:
        UsageError: it holds cells that were run otherwise or of another version, or a line that is none.
    """
    done = {cell.key: cell for cell in _read_cells(folder / _FILE, how)}
    wanted = list(product(worlds, arms, seeds))
    missing = [key for key in wanted if key not in done]
    return _go_on(folder / _FILE, [done[key] for key in wanted if key in done], missing, how)


def whole_seeds(cells: Iterable[Cell], arms: Sequence[str]) -> list[Cell]:
    """Those cells of worlds and seeds that every arm has finished, so that the arms stay comparable; by
    world, arm and seed.
    """
    finished: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        finished.setdefault((cell.world, cell.seed), []).append(cell)
    kept = [cell for group in finished.values() if len(group) == len(arms) for cell in group]
    worlds = list(dict.fromkeys(cell.world for cell in kept))
    return sorted(kept, key=lambda cell: (worlds.index(cell.world), arms.index(cell.arm), cell.seed))


@cache
def code_version() -> str:
    """What the outcomes of all cells depend on, as a short hash."""
    digest = hashlib.sha256()
    for package in (memento.bench, memento.memory):
        for file in sorted(Path(package.__path__[0]).iterdir()):
            if file.suffix in {".py", ".npy"}:
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _go_on(log_file: Path, done: list[Cell], missing: list[Key], how: How) -> Iterator[Cell]:
    yield from done
    if not missing:
        return
    workers = min(os.cpu_count() or 1, len(missing))
    # Left early, the pool ends its workers.
    with (
        log_file.open("a", encoding="utf-8") as log,
        get_context("spawn").Pool(workers, _ignore_interrupt) as pool,
    ):
        for cell in pool.imap_unordered(partial(_run_key, how), missing):
            log.write(json.dumps(asdict(cell)) + "\n")
            log.flush()
            yield cell


def _read_cells(file: Path, how: How) -> list[Cell]:
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    cells = [_read_cell(line, f"{file}, line {n}", how) for n, line in enumerate(whole.splitlines(), 1)]
    if whole != text:  # a kill cut the last line off
        file.write_text(whole, encoding="utf-8")
    return cells


def _read_cell(line: str, place: str, how: How) -> Cell:
    other = "give another folder with --out"
    try:
        cell = Cell(**json.loads(line))
        code = _version(cell.world)
    except OSError:
        raise UsageError(f"{place}, is of a world whose file cannot be read: {other}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{place}, is no finished cell: remove it, or {other}") from error
    was = How(len(cell.success), cell.mode, cell.attempts)
    if was != how:
        raise UsageError(f"{place}, is of {_told(was)}: {other}")
    if cell.code != code:
        raise UsageError(f"{place}, was made by another version: {other}")
    return cell


def _told(how: How) -> str:
    return f"{how.steps} tasks, {how.mode}, {how.attempts} attempt{'s' if how.attempts > 1 else ''} each"


def _version(world: str) -> str:
    """What the outcome of a cell depends on beside its key, as a short hash."""
    if not world.endswith(".npz"):
        return code_version()
    return f"{code_version()}-{hashlib.sha256(Path(world).read_bytes()).hexdigest()[:12]}"


def _run_key(how: How, key: Key) -> Cell:
    return run_cell(*key, how.steps, how.mode, how.attempts)


def _ignore_interrupt() -> None:
    """Ctrl-C is for the process that shows the progress."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
