"""The plots of memento bench: a file a world, and one of a dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memento.bench.calibration import calibration
from memento.bench.simulation import Cell

_SMOOTH = 100


def draw(world: str, cells: Sequence[Cell], folder: Path) -> Path:
    """Success, regret and exposure to poison over the tasks, means over the seeds, and how far the arms'
    predictions come true, as a PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(18, 4.2), dpi=110)
    axes = figure.subplots(1, 4)
    mine = [cell for cell in cells if cell.world == world]
    for arm in dict.fromkeys(cell.arm for cell in mine):
        _draw_arm(arm, [cell for cell in mine if cell.arm == arm], axes)
    _label(axes)
    if mine[0].mode == "held-out":
        for axis in axes[:3]:
            axis.axvline(np.mean([cell.taught for cell in mine]), color="#999999", linestyle=":")
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="lower center", ncols=min(len(labels), 12), frameon=False)
    figure.suptitle(f"world: {world}, {len({cell.seed for cell in mine})} seeds")
    figure.tight_layout(rect=(0, 0.1 if len(labels) > 12 else 0.06, 1, 1))  # noqa: PLR2004
    file = folder / f"{Path(world).name}.png"
    figure.savefig(file)
    return file


def draw_rewards(rewards: Mapping[str, Sequence[float]], file: Path) -> Path:
    """The arms' success over the tasks of a dataset, each the mean of the last hundred, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=110)
    axis = figure.subplots()
    for arm, curve in rewards.items():
        axis.plot(np.arange(1, len(curve) + 1), _smooth(curve), label=arm, linewidth=1.6)
    axis.set(xlabel="tasks so far", ylabel=f"success in the last {_SMOOTH}", ylim=(-0.03, 1.03))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file)
    return file


def _draw_arm(arm: str, rows: Sequence[Cell], axes: Any) -> None:
    success = np.mean([cell.success for cell in rows], axis=0)
    oracle = np.mean([cell.oracle for cell in rows], axis=0)
    poison = np.mean([cell.poison for cell in rows], axis=0)
    curves = (_smooth(success), np.cumsum(oracle - success), _smooth(poison))
    for axis, curve in zip(axes[:3], curves, strict=True):
        line = axis.plot(np.arange(1, len(curve) + 1), curve, label=arm, linewidth=1.6)[0]
    found = calibration([row for cell in rows for step in cell.predicted for row in step])
    if found is not None:
        predicted, true, _counts = np.asarray(found["curve"]).T
        axes[3].plot(predicted, true, marker="o", markersize=3, color=line.get_color(), linewidth=1.6)


def _label(axes: Any) -> None:
    names = ("expected success", "regret against the oracle, summed", "poisoned cases shown a task")
    for axis, name in zip(axes, names, strict=False):
        axis.set(title=name, xlabel="tasks so far")
    title = "success with one shown case alone, by tenths"
    axes[3].set(title=title, xlabel="predicted (Q)", ylabel="true")
    axes[3].axline((0.5, 0.5), slope=1.0, color="#999999", linewidth=1, linestyle="--")
    for axis in axes:
        axis.grid(alpha=0.3)


def _smooth(curve: Any) -> Any:
    """The mean of the last hundred values at each place."""
    sums = np.cumsum(np.concatenate([[0.0], curve]))
    ends = np.arange(1, len(curve) + 1)
    starts = np.maximum(0, ends - _SMOOTH)
    return (sums[ends] - sums[starts]) / (ends - starts)
