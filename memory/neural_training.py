"""The training of NeuralQ's network.

By binary cross-entropy against the reward (Memento, eq. 14-15: a single step, so y = r), with weights that
decay to where they began, so that it starts at the prior and moves away where the rewards insist. Each member
leaves out one fold of the tasks. What it says of those gives a and t (Platt's scaling, of the learned part
alone), and how much the members differ is what the outcomes leave open: the delete-a-group jackknife. What
no member can say, how a case differs from others that look like it, is a variance of its own, from how the
residuals of one case agree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory.neural_net import Floats, Network, Pairs, Tensors, Vector, forward, inputs_of, sigmoid

VERSION = 1
"""Of everything here that a trained network depends on: raise it with any change to that."""
MEMBERS = 5
COMPONENTS = 48
HIDDEN = 32
STEPS = 200
BATCH = 256
RATE = 0.01
DECAY = 15.0
"""The precision of the prior of w₂, in pairs; that of W₁ around its start is inputs/hidden times as great."""
SAME_TASK = 0.95
"""Cosine from which two tasks are the same one, and stay in one fold."""

_CASE_STD, _PSEUDO_PRODUCTS = 0.15, 100


def train(pairs: Pairs, rewards: Floats, weights: Floats, seed: int) -> Network:
    """The network of these outcomes: the same for the same ones and the same seed, to the last bit.

    `rewards` in [0, 1] and `weights` have shape (pairs,).
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order are other sums
    try:
        generator = torch.Generator().manual_seed(abs(seed) % 2**63)
        tensors = _components(pairs, generator)
        inputs = inputs_of(tensors, pairs)
        folds = _folds(pairs.states)
        taught = weights * (folds[None, :] != np.arange(MEMBERS)[:, None])
        tensors |= _fit(inputs, pairs.prior, rewards, taught, generator)
    finally:
        torch.set_num_threads(threads)
    learned = forward(tensors, inputs).astype(np.float64)
    held_out = learned[np.maximum(folds, 0), np.arange(len(folds))] * (folds >= 0)
    calibration = calibration_of(held_out, pairs.prior, rewards, weights * (folds >= 0))
    residuals = rewards - sigmoid(pairs.prior + calibration[0, 0] * held_out + calibration[0, 1])
    tensors["calibration"] = calibration.astype(np.float32)
    tensors["case_variance"] = np.asarray([case_variance(residuals, weights, pairs)], np.float32)
    return Network(tensors)


def _components(pairs: Pairs, generator: Any) -> Tensors:
    """The mean of the tasks and cases, and the map to their whitened principal components, found by subspace
    iteration; shapes (dimensions,) and (dimensions, components).
    """
    import torch

    _, one_each = np.unique(pairs.names[pairs.shown], return_index=True)
    tasks, cases = pairs.states[_first_of_run(pairs.states)], pairs.cases[pairs.shown][one_each]
    vectors = torch.tensor(np.vstack([tasks, cases]))
    mean = vectors.mean(dim=0)
    centred = (vectors - mean).double()
    size = min(COMPONENTS, vectors.shape[1])
    axes = torch.randn((vectors.shape[1], size), generator=generator, dtype=torch.float64)
    for _ in range(6):
        axes = torch.linalg.qr(centred.T @ (centred @ axes))[0]
    variances = (centred @ axes).square().mean(dim=0)
    # With few vectors the last components are noise: they are not blown up.
    scaled = axes / (variances + 0.1 * variances.mean() + 1e-9).sqrt()
    return {"mean": mean.numpy(), "axes": np.ascontiguousarray(scaled.float().numpy())}


def _fit(inputs: Vector, prior: Floats, rewards: Floats, taught: Floats, generator: Any) -> Tensors:
    """The members' weights, by Adam on the cross-entropy; `taught` has shape (members, pairs)."""
    import torch

    size, width = inputs.shape
    x = torch.tensor(inputs)
    offset, y, weight = (torch.tensor(a, dtype=torch.float32) for a in (prior, rewards, taught))

    def normal(*shape: int, scale: float) -> torch.Tensor:
        return torch.randn(shape, generator=generator).mul_(scale)

    made = {
        "w1": normal(MEMBERS, width, HIDDEN, scale=width**-0.5),
        "b1": torch.zeros(MEMBERS, 1, HIDDEN),
        "w2": normal(MEMBERS, HIDDEN, 1, scale=0.1 * HIDDEN**-0.5),
        "b2": torch.zeros(MEMBERS, 1, 1),
    }
    start = made["w1"].clone()
    weights = list(made.values())
    for tensor in weights:
        tensor.requires_grad_()
    moments = [(torch.zeros_like(tensor), torch.zeros_like(tensor)) for tensor in weights]
    order = torch.cat([torch.randperm(size, generator=generator) for _ in range(STEPS * BATCH // size + 1)])
    for step in range(STEPS):
        batch = order[step * BATCH : (step + 1) * BATCH] if size > BATCH else slice(None)
        said = forward(made, x[batch]) + offset[batch]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            said, y[batch].expand_as(said), weight=weight[:, batch], reduction="sum"
        )
        moved = width / HIDDEN * (made["w1"] - start).square().sum() + made["w2"].square().sum()
        gradients = torch.autograd.grad(loss / said.shape[1] + DECAY / 2 * moved / size, weights)
        rate = RATE * (1.0 - 0.95 * step / STEPS)
        with torch.no_grad():
            for tensor, gradient, (first, second) in zip(weights, gradients, moments, strict=True):
                # Adam (arXiv 1412.6980), by hand: torch.optim takes 1.5 s to load.
                first.lerp_(gradient, 0.1)
                second.lerp_(gradient.square(), 0.001)
                unbiased = (second / (1.0 - 0.999 ** (step + 1))).sqrt() + 1e-8
                tensor.sub_(rate / (1.0 - 0.9 ** (step + 1)) * first / unbiased)
    return {name: tensor.detach().numpy() for name, tensor in made.items()}


def _folds(states: Vector) -> NDArray[np.intp]:
    """Which member leaves which pair out, shape (pairs,): the pairs of a task, and of those that are nearly
    the same, are in one fold. All −1 where there are too few tasks to leave one out.
    """
    first = _first_of_run(states)
    tasks = states[first]
    groups = np.full(len(tasks), -1)
    found = 0
    for row in range(len(tasks)):
        if groups[row] < 0:
            alike = (tasks[row:] @ tasks[row] >= SAME_TASK) & (groups[row:] < 0)
            alike[0] = True
            groups[row:][alike] = found
            found += 1
    if found < MEMBERS:
        return np.full(len(states), -1)
    folds, filled = np.zeros(found, dtype=np.intp), np.zeros(MEMBERS)
    sizes = np.bincount(groups)
    for group in np.argsort(-sizes, kind="stable"):
        folds[group] = int(filled.argmin())
        filled[folds[group]] += sizes[group]
    return np.asarray(folds[groups][np.cumsum(first) - 1])


def _first_of_run(states: Vector) -> NDArray[np.bool_]:
    """Where a task is not that of the pair before: the pairs of a run stand together."""
    return np.asarray([True, *(states[1:] != states[:-1]).any(axis=1)])


def calibration_of(learned: Floats, prior: Floats, rewards: Floats, weights: Floats) -> Floats:
    """(a, t) that maximise the likelihood of what was held out, with a ~ N(.5, .5²) and t ~ N(0, .5²), and
    below it their covariance; shape (3, 2). The learned part counts for as much as it foretold.
    """
    columns = np.stack([learned, np.ones_like(learned)], axis=1)
    mean, precision = np.asarray([0.5, 0.0]), 4.0 * np.eye(2)
    found, curve = mean, precision
    for _ in range(20):  # Newton's steps
        chances = sigmoid(prior + columns @ found)
        slope = columns.T @ (weights * (rewards - chances)) - precision @ (found - mean)
        curve = (columns * (weights * chances * (1 - chances))[:, None]).T @ columns + precision
        found = found + np.linalg.solve(curve, slope)
    return np.vstack([np.clip(found, [0.0, -10.0], [1.5, 10.0]), np.linalg.inv(curve)])


def case_variance(residuals: Floats, weights: Floats, pairs: Pairs) -> float:
    """τ², the variance of a case's own effect, of which a run shows as much as its share: for two residuals
    of one case E[e_i e_j] = τ² w_i w_j. By least squares, with .15² as if seen in 100 such products: a few
    hundred of them may come out at nothing by luck.
    """
    names, weight = pairs.names[pairs.shown], weights[pairs.shown]
    if not names.size:
        return _CASE_STD**2
    own = weight * residuals[pairs.shown]
    products = np.bincount(names, own) ** 2 - np.bincount(names, own**2)
    squares = np.bincount(names, weight**2) ** 2 - np.bincount(names, weight**4)
    found = (products.sum() + _PSEUDO_PRODUCTS * _CASE_STD**2) / (squares.sum() + _PSEUDO_PRODUCTS)
    return float(np.clip(found, 0.25 * _CASE_STD**2, 0.25))
