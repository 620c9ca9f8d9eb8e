"""What arms' own logs say of the effect of memory, beside the truth that a world knows."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from memento.bench.simulation import Cell
from memento.memory.effect import size_in_words


def accounts(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """For each estimator, over the cells of one arm in one world: in how many it is known, and there the
    means of the estimate, of its 95 % interval's ends and of the truth, in points, and how often the
    interval holds the truth.
    """
    names = list(dict.fromkeys(effect["name"] for cell in cells for effect in cell.effects))
    return [_account(name, cells) for name in names]


def told(account: dict[str, Any]) -> str:
    """One estimator's account in words."""
    if not account["known"]:
        return f"{account['name']}: not known yet"
    points = f"{account['points']:+.1f} points ({account['low']:+.1f} to {account['high']:+.1f})"
    held = f"within the interval in {account['held']} of {account['known']}"
    size = size_in_words(account["name"], account["effective"])
    return f"{account['name']}: {points}, {size}; {account['truth']:+.1f} in truth, {held}"


def _account(name: str, cells: Sequence[Cell]) -> dict[str, Any]:
    pairs = [(effect, cell) for cell in cells for effect in cell.effects if effect["name"] == name]
    known = [(effect, truth_of(effect, cell)) for effect, cell in pairs if effect["known"]]
    found: dict[str, Any] = {"name": name, "known": len(known), "seeds": len(pairs)}
    if known:
        found |= {key: fmean(effect[key] for effect, _ in known) for key in ("points", "low", "high")}
        found["effective"] = fmean(effect["effective"] for effect, _ in known)
        found["truth"] = fmean(truth for _, truth in known)
        found["held"] = sum(effect["low"] <= truth <= effect["high"] for effect, truth in known)
    return found


def truth_of(effect: dict[str, Any], cell: Cell) -> float:
    """What memory did to expected success, in points, in the runs that the estimator speaks of."""
    spoken_of = [run for run in range(cell.taught) if effect["name"] != "floor" or not cell.floor[run]]
    if effect["name"] == "model":
        with_cases = [run for run in spoken_of if cell.shown[run]]
        spoken_of = with_cases[-round(effect["effective"]) :]
    return 100 * fmean([cell.success[run] - cell.without[run] for run in spoken_of] or [0.0])
