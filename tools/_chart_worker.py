"""Draws a chart, in a process of its own.

Reads {"kind", "title", "columns", "rows", "cache"} from stdin and writes {"picture": base64 of a PNG} to
stdout, or {"error"}: a sentence. It imports nothing of the package, so that it starts quickly.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import sys
from typing import Any

MAX_TICKS = 40
_LABEL = 30


class Refused(Exception):  # noqa: N818
    """Why there is no chart, as a sentence."""


def draw(job: dict[str, Any]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    kind, columns = job["kind"], [plain(name) for name in job["columns"]]
    series = [numbers(column) for column in list(zip(*job["rows"], strict=True))]
    if kind == "histogram":
        axes.hist([value for value in needed(series[0], columns[0]) if not math.isnan(value)], bins=30)
        axes.set_xlabel(columns[0])
    elif kind == "pie":
        axes.pie(needed(series[1], columns[1]), labels=labels(job["rows"]))
    else:
        _against_first(axes, kind, columns, series, labels(job["rows"]))
    axes.set_title(plain(job["title"]))
    stream = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _against_first(
    axes: Any, kind: str, columns: list[str], series: list[list[float] | None], names: list[str]
) -> None:
    """Each further column against the first, which may be of numbers or of names."""
    positions = (
        series[0] if kind != "bar" and series[0] is not None else [float(n) for n in range(len(names))]
    )
    width = 0.8 / max(1, len(columns) - 1)
    for number, (column, values) in enumerate(zip(columns[1:], series[1:], strict=True)):
        heights = needed(values, column)
        if kind == "bar":
            axes.bar([place + number * width for place in positions], heights, width, label=column)
        elif kind == "line":
            axes.plot(positions, heights, marker=".", label=column)
        else:
            axes.scatter(positions, heights, s=12, label=column)
    if kind == "bar" or series[0] is None:
        step = max(1, len(names) // MAX_TICKS)
        middle = width * (len(columns) - 2) / 2 if kind == "bar" else 0
        axes.set_xticks(
            [place + middle for place in positions][::step], names[::step], rotation=45, ha="right"
        )
    axes.set_xlabel(columns[0])
    axes.legend()


def labels(rows: list[list[Any]]) -> list[str]:
    return [plain(row[0])[:_LABEL] for row in rows]


def plain(text: Any) -> str:
    """A text as it is: to matplotlib, dollars would begin a formula."""
    return str(text).replace("$", r"\$")[:200]


def numbers(column: Any) -> list[float] | None:
    """The column's numbers, a gap for NULL; None where it holds others than numbers."""
    try:
        return [float("nan") if value is None else float(value) for value in column]
    except ValueError:
        return None


def needed(values: list[float] | None, column: str) -> list[float]:
    if values is None:
        raise Refused(f"column {column} is not of numbers: select a name first and then columns of numbers")
    return values


def main() -> None:
    job = json.loads(sys.stdin.read())
    os.environ["MPLCONFIGDIR"] = job["cache"]  # else it looks for this machine's fonts anew each time
    try:
        reply = {"picture": base64.b64encode(draw(job)).decode()}
    except Refused as refused:
        reply = {"error": str(refused)}
    except Exception as error:  # noqa: BLE001  (what matplotlib says of odd numbers)
        reply = {"error": f"this cannot be drawn ({type(error).__name__}): select other columns"}
    sys.stdout.write(json.dumps(reply))


if __name__ == "__main__":
    main()
