"""The network of NeuralQ: a committee of two-layer perceptrons on frozen embeddings, and its file.

With z the first whitened principal components of the vectors that it was trained on, scaled to unit norm, one
member says of showing the case c for the task s, or nothing (the void case: z(c) = 0, v = 1)

    logit Q(s,c) = logit prior(s,c) + a·(w₂·relu(W₁ x + b₁) + b₂) + t
    x = [z(s), z(c), z(s)∘z(c), z(s)·z(c), cos(s,c), 1 − v, v]

and Q is the members' mean. The arithmetic is written once, for torch's tensors (training) and numpy's
(answers): whoever only asks a trained network never loads torch.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]
Tensors = dict[str, Vector]

_TASK_STD = 0.1
"""How far a task is from what the network can say of it by its vector, in units of reward."""


@dataclass(frozen=True)
class Pairs:
    """Tasks with what may be shown for them; one entry a pair. `states` and `cases` hold unit vectors, shape
    (pairs, dimensions), with zeros for the void case; `names` a number for each case, `cosines` those of the
    two vectors, `prior` the prior's logits.
    """

    states: Vector
    cases: Vector
    shown: NDArray[np.bool_]
    names: NDArray[np.intp]
    cosines: Floats
    prior: Floats


@dataclass(frozen=True)
class Network:
    """A trained committee. Its tensors, with the members first: w1, b1, w2, b2; and shared by all: mean and
    axes, which give the components, calibration, (a, t) and below it their covariance, and case_variance, in
    units of reward squared.
    """

    tensors: Tensors

    def predict(self, pairs: Pairs) -> tuple[Floats, Floats]:
        """Q of each pair, in units of reward, and its standard deviation; shape (pairs,)."""
        (scale, shift), *covariance = self.tensors["calibration"].astype(np.float64)
        learned = forward(self.tensors, inputs_of(self.tensors, pairs)).astype(np.float64)
        values = sigmoid(pairs.prior + scale * learned + shift)
        q = values.mean(axis=0)
        variance = (len(values) - 1) / len(values) * ((values - q) ** 2).sum(axis=0)
        columns = np.stack([learned.mean(axis=0), np.ones_like(q)])
        variance += (q * (1 - q)) ** 2 * (columns * (covariance @ columns)).sum(axis=0)
        variance += self.tensors["case_variance"] * pairs.shown + _TASK_STD**2
        return q, np.sqrt(variance)


def save(network: Network, file: Path, key: str) -> None:
    """Write a network, whole or not at all; `key` says what it was trained on."""
    from safetensors.numpy import save as serialized

    about = {"content": _digest(network.tensors), "key": key}
    # More than one entry would be written in an order that changes.
    data = serialized(network.tensors, metadata={"memento": json.dumps(about, sort_keys=True)})
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(file)


def load(file: Path, key: str) -> Network | None:
    """The network in a file; None if there is none, or a damaged one, or one with another key."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            about = json.loads((opened.metadata() or {})["memento"])
            if about["key"] != key:
                return None
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return Network(tensors) if about["content"] == _digest(tensors) else None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape} ".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def inputs_of(tensors: Tensors, pairs: Pairs) -> Vector:
    """The inputs x of each pair, shape (pairs, inputs), each about 1 in size."""

    def components(vectors: Vector) -> Vector:
        rows = (vectors - tensors["mean"]) @ tensors["axes"]
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(norms, 1e-6), dtype=np.float32)

    shown = pairs.shown[:, None].astype(np.float32)
    states, cases = components(pairs.states), components(pairs.cases) * shown
    both = states * cases
    width = np.float32(np.sqrt(states.shape[1]))
    cosines = pairs.cosines[:, None].astype(np.float32) * shown
    match = both.sum(axis=1, keepdims=True)
    return np.hstack(
        [states * width, cases * width, both * width**2, 3 * match, 3 * cosines, shown, 1 - shown]
    )


def forward(tensors: Any, inputs: Any) -> Any:
    """What each member has learned, as logits, shape (members, pairs)."""
    hidden = (inputs @ tensors["w1"] + tensors["b1"]).clip(0)
    return (hidden @ tensors["w2"] + tensors["b2"])[..., 0]


def sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))))


def logit(chances: Floats) -> Floats:
    return np.asarray(np.log(chances / (1.0 - chances)))
