"""Arms in simulated worlds, one cell (world, arm, seed) after another or side by side."""

import hashlib
import json
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import memento.bench
import memento.memory
from memento.bench.arms import PLACEBO, Arm, Predicting, WithFloor, make_arm, placebo
from memento.bench.worlds import World, make_world
from memento.errors import UsageError

_FILE = "cells.jsonl"
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Cell:
    """What one arm did in one world: one entry a step. `success` is expected success, so no luck is in it;
    `oracle` that of the best slate; `poison` how many poisoned cases were shown; `floor` whether the arm
    showed nothing whatever it knew; `predicted` has [mean, standard deviation, truth] of success for each
    shown case alone, where the arm predicts it; `code` says which version of the worlds and the memory it
    was.
    """

    world: str
    arm: str
    seed: int
    code: str
    success: list[float]
    oracle: list[float]
    shown: list[int]
    poison: list[int]
    floor: list[bool]
    predicted: list[list[list[float]]]

    @property
    def key(self) -> Key:
        return self.world, self.arm, self.seed


def run_cell(world_name: str, arm_name: str, seed: int, steps: int) -> Cell:
    """Let one arm meet every task of one world, in order, learning as it goes."""
    world = make_world(world_name, seed, steps)
    cell = Cell(world_name, arm_name, seed, code_version(), [], [], [], [], [], [])
    with ExitStack() as stack:
        arm = make_arm(arm_name, world, stack)
        for step in range(steps):
            chosen = arm.choose(step)
            shown = placebo(world, step, 0, chosen) if arm_name.endswith(PLACEBO) else chosen
            _note(cell, world, arm, step, shown)
            reward = world.reward(step, shown)
            arm.learn(step, chosen, reward, world.cited(step, chosen, reward))
    return cell


def _note(cell: Cell, world: World, arm: Arm, step: int, shown: list[int]) -> None:
    """Write down what was shown in place of the arm's choice, before the arm is told."""
    cell.success.append(round(world.success(step, shown), 4))
    cell.oracle.append(round(world.success(step, world.best(step)), 4))
    cell.shown.append(len(shown))
    cell.poison.append(world.poisoned(step, shown))
    cell.floor.append(isinstance(arm, WithFloor) and arm.on_floor(step))
    found = arm.predictions(step) if isinstance(arm, Predicting) else None
    rows = [] if found is None else zip(*found, shown, strict=True)
    cell.predicted.append(
        [[round(float(n), 4) for n in (mean, std, world.success(step, [case]))] for mean, std, case in rows]
    )


def run_cells(
    folder: Path, worlds: Sequence[str], arms: Sequence[str], seeds: Sequence[int], steps: int
) -> Iterator[Cell]:
    """Every cell as it is finished, those first that `folder`, which is there, has from before. It is read at
    once.

    Raises:
        UsageError: it holds cells of another number of steps or another version, or a line that is none.
    """
    done = {cell.key: cell for cell in _read_cells(folder / _FILE, steps)}
    wanted = list(product(worlds, arms, seeds))
    missing = [key for key in wanted if key not in done]
    return _go_on(folder / _FILE, [done[key] for key in wanted if key in done], missing, steps)


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
    """What the outcome of a cell depends on, as a short hash."""
    digest = hashlib.sha256()
    for package in (memento.bench, memento.memory):
        for file in sorted(Path(package.__path__[0]).iterdir()):
            if file.suffix in {".py", ".npy"}:
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _go_on(log_file: Path, done: list[Cell], missing: list[Key], steps: int) -> Iterator[Cell]:
    yield from done
    if not missing:
        return
    workers = min(os.cpu_count() or 1, len(missing))
    # Left early, the pool ends its workers.
    with (
        log_file.open("a", encoding="utf-8") as log,
        get_context("spawn").Pool(workers, _ignore_interrupt) as pool,
    ):
        for cell in pool.imap_unordered(partial(_run_key, steps), missing):
            log.write(json.dumps(asdict(cell)) + "\n")
            log.flush()
            yield cell


def _read_cells(file: Path, steps: int) -> list[Cell]:
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    cells = [_read_cell(line, f"{file}, line {n}", steps) for n, line in enumerate(whole.splitlines(), 1)]
    if whole != text:  # a kill cut the last line off
        file.write_text(whole, encoding="utf-8")
    return cells


def _read_cell(line: str, place: str, steps: int) -> Cell:
    other = "give another folder with --out"
    try:
        cell = Cell(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{place}, is no finished cell: remove it, or {other}") from error
    if len(cell.success) != steps:
        raise UsageError(f"{place}, is of {len(cell.success)} tasks: {other}")
    if cell.code != code_version():
        raise UsageError(f"{place}, was made by another version: {other}")
    return cell


def _run_key(steps: int, key: Key) -> Cell:
    return run_cell(*key, steps)


def _ignore_interrupt() -> None:
    """Ctrl-C is for the process that shows the progress."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
