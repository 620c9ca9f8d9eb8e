"""What the model of advantage sees of a vector: its leading principal components, whitened.

They are a property of the encoder and not of the bank, so that nothing learned depends on when they were
computed: for MiniLM those of a few thousand public questions (scripts/components.py), for another encoder
fixed random directions, of vectors without what all have in common (memory/centre.py). These keep the cosine
of two texts to ±.14, which is nearly as good: the nearest of public questions has a cosine of .70 on average
under MiniLM, .75 with the components. Another encoder of 384 dimensions is seen through MiniLM's.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]

COMPONENTS = 48
_MINILM_DIMENSIONS = 384


def components(vectors: Vectors) -> Floats:
    """The first 48 whitened components of unit vectors, shape (vectors, 48)."""
    mean, axes = _basis(vectors.shape[1])
    return np.asarray((vectors - mean) @ axes, dtype=np.float64)


def directions(parts: Floats) -> Floats:
    """Components scaled to unit length, of the same shape."""
    return np.asarray(parts / np.maximum(np.linalg.norm(parts, axis=1, keepdims=True), 1e-12))


@cache
def _basis(dimensions: int) -> tuple[Vectors, Vectors]:
    """The mean, and the map to the components, shape (dimensions, 48)."""
    if dimensions == _MINILM_DIMENSIONS:
        with files("memento.memory").joinpath("minilm_components.npz").open("rb") as file:
            stored = np.load(file)
            return stored["mean"], stored["axes"]
    axes = np.random.default_rng(dimensions).standard_normal((dimensions, COMPONENTS))
    return np.zeros(dimensions, np.float32), axes.astype(np.float32)
