"""A world of one's own, from an .npz file.

    tasks      (tasks, 384)    the tasks' vectors under the default encoder, in the order of time
    cases      (cases, 384)    the cases' vectors, at least 4 of them
    base       (tasks,)        each task's chance of success without cases
    effects    (tasks, cases)  what showing a case adds to that chance, from −1 to 1
    luck       (tasks,)        from 0 to 1: a task succeeds where it is below the chance of success
    poison     (cases,)        optional: the cases whose showing is counted as harm; none if left out
    attention  (4,)            optional: what each place in a slate counts, above 0; all the same if left out
    sources    (tasks,)        optional: whole numbers, the same for near-duplicates, which --mode held-out
                               keeps on one side; if left out, only equal vectors are near-duplicates

Several shown cases average by their attention. Vectors are scaled to unit length.

    np.savez("mine.npz", tasks=tasks, cases=cases, base=base, effects=effects, luck=rng.random(len(tasks)))
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.bench.worlds import MOST_SHOWN, World
from memento.errors import UsageError
from memento.memory.embeddings import unit

Array = NDArray[Any]

_DIMENSIONS = 384
_NEEDED = ("tasks", "cases", "base", "effects", "luck")
_OPTIONAL = ("poison", "attention", "sources")


def read_world(file: Path, seed: int, steps: int) -> World:
    """The world of a file, of at most its first `steps` tasks. Seed 0 has the file's luck; another seed has
    the same values in an order of its own.

    Raises:
        UsageError: the file cannot be read, or an array is not what it should be; the message names it.
    """
    arrays = _load(file)
    tasks, cases = (_vectors(file, name, arrays[name]) for name in ("tasks", "cases"))
    if len(cases) < MOST_SHOWN:
        raise _wrong(file, "cases", f"has {len(cases)} cases: a world has at least {MOST_SHOWN}")
    count = (len(tasks),)
    luck = _numbers(file, "luck", arrays["luck"], count, (0.0, 1.0))
    poison = _numbers(file, "poison", arrays.get("poison", np.zeros(len(cases))), (len(cases),), (0.0, 1.0))
    attention = _numbers(
        file, "attention", arrays.get("attention", np.ones(MOST_SHOWN)), (MOST_SHOWN,), (1e-6, 1e6)
    )
    effects = _numbers(file, "effects", arrays["effects"], (*count, len(cases)), (-1.0, 1.0))
    base = _numbers(file, "base", arrays["base"], count, (0.0, 1.0))
    sources = _sources(file, arrays, tasks)
    rng = np.random.default_rng([seed, 31])
    return World(
        kind=str(file),
        seed=seed,
        tasks=tasks[:steps],
        cases=cases,
        base=base[:steps],
        effects=effects[:steps].astype(np.float32),
        luck=(rng.permutation(luck) if seed else luck)[:steps],
        poison=poison[None, :] > 0.5,  # noqa: PLR2004
        attention=attention,
        adds=False,
        cites=False,
        sources=sources[:steps],
    )


def _load(file: Path) -> dict[str, Array]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in stored}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no .npz of numbers"
        raise UsageError(f"{file} cannot be read as a world: {why}") from None
    for name in _NEEDED:
        if name not in arrays:
            raise _wrong(file, name, f"is missing: a world has {', '.join(_NEEDED)}")
    for name in arrays:
        if name not in (*_NEEDED, *_OPTIONAL):
            raise _wrong(file, name, f"is unknown: beside {', '.join(_NEEDED)} use {', '.join(_OPTIONAL)}")
    return arrays


def _vectors(file: Path, name: str, array: Array) -> NDArray[np.float32]:
    if array.ndim != 2 or not len(array) or array.shape[1] != _DIMENSIONS:  # noqa: PLR2004
        raise _wrong(file, name, f"has shape {array.shape}, not ({name}, {_DIMENSIONS})")
    rows = _numbers(file, name, array, array.shape, (-1e6, 1e6)).astype(np.float32)
    empty = np.flatnonzero(~rows.any(axis=1))
    if len(empty):
        raise _wrong(file, name, f"has a row of zeros: {empty[0]}")
    return unit(rows)


def _numbers(
    file: Path, name: str, array: Array, shape: tuple[int, ...], within: tuple[float, float]
) -> NDArray[np.float64]:
    if array.shape != shape:
        raise _wrong(file, name, f"has shape {array.shape}, not {shape}")
    if array.dtype.kind not in "fiub":
        raise _wrong(file, name, "holds no numbers")
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise _wrong(file, name, "holds a number that is not finite")
    low, high = within
    if values.min() < low or values.max() > high:
        found = f"goes from {values.min():g} to {values.max():g}"
        raise _wrong(file, name, f"{found}: it should stay within {low:g} and {high:g}")
    return values


def _sources(file: Path, arrays: dict[str, Array], tasks: NDArray[np.float32]) -> NDArray[np.intp]:
    given = arrays.get("sources")
    if given is None:
        return np.unique(tasks, axis=0, return_inverse=True)[1].reshape(-1).astype(np.intp)
    if given.shape != (len(tasks),) or given.dtype.kind not in "iu":
        raise _wrong(file, "sources", f"should be {len(tasks)} whole numbers, one a task")
    return given.astype(np.intp)


def _wrong(file: Path, name: str, what: str) -> UsageError:
    return UsageError(f"{file}: array {name!r} {what}")
