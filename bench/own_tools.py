"""A small frozen model with tools and tasks of one's own: without memory, and with it.

Nothing in the graph, the prompts or the memory knows these tools; they reach it through `build_graph` and
`Case.from_demonstration`, as a user's would. Run: python bench/own_tools.py [--tasks 60] [--seed 0]
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from langchain_core.tools import tool

from memento import RunView, Settings, build_graph
from memento.memory import Case, CaseBank

_STOCK = {
    "bolt": 120,
    "nut": 75,
    "washer": 310,
    "hinge": 48,
    "screw": 940,
    "bracket": 66,
    "rivet": 205,
    "clamp": 31,
}
_NUMERALS = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"))
_NUMERALS += ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
_WORDS = "apple river table green stone bread cloud light house tiger piano lemon".split()
_COLORS = {"red": "#ff0000", "teal": "#008080", "gold": "#ffd700", "navy": "#000080", "pink": "#ffc0cb"}


@tool
def to_roman(number: int) -> str:
    """Write a number as a Roman numeral. Example: to_roman(number=14)"""
    return roman(number)


@tool
def stock_of(item: str) -> str:
    """How many of an item are in stock. Example: stock_of(item="bolt")"""
    return str(_STOCK.get(item.strip().lower(), "unknown item"))


@tool
def color_code(color: str) -> str:
    """The web code of a color. Example: color_code(color="teal")"""
    return _COLORS.get(color.strip().lower(), "unknown color")


@tool
def to_binary(number: int) -> str:
    """Write a number in binary. Example: to_binary(number=5)"""
    return f"{number:b}"


@tool
def sort_letters(word: str) -> str:
    """The letters of a word in alphabetical order. Example: sort_letters(word="lemon")"""
    return "".join(sorted(word))


TOOLS = [to_roman, stock_of, color_code, to_binary, sort_letters]


@dataclass(frozen=True)
class Kind:
    """A kind of task: its wording, the tool with its argument, values to draw, and the right answer."""

    wording: str
    subtask: str
    tool: str
    argument: str
    values: list[Any]
    answer: Callable[[Any], str]


def roman(number: int) -> str:
    text = ""
    for value, numeral in _NUMERALS:
        text += numeral * (number // value)
        number %= value
    return text


KINDS = (
    Kind(
        "Write {} in Roman numerals.",
        "Write {} as a Roman numeral.",
        "to_roman",
        "number",
        list(range(4, 400)),
        roman,
    ),
    Kind(
        "How many pieces of {} do we have?",
        "Look up the stock of {}.",
        "stock_of",
        "item",
        list(_STOCK),
        lambda v: str(_STOCK[v]),
    ),
    Kind(
        "Which web code has the color {}?",
        "Look up the code of {}.",
        "color_code",
        "color",
        list(_COLORS),
        _COLORS.__getitem__,
    ),
    Kind(
        "What is {} in the binary system?",
        "Write {} in binary.",
        "to_binary",
        "number",
        list(range(4, 400)),
        lambda v: f"{v:b}",
    ),
    Kind(
        "Put the letters of '{}' in order.",
        "Sort the letters of {}.",
        "sort_letters",
        "word",
        _WORDS,
        lambda v: "".join(sorted(v)),
    ),
)


def evaluator(run: RunView) -> float:
    """Right or wrong, to the letter."""
    return float(run.answer.strip() == run.reference)


def demonstration(kind: Kind, value: Any) -> Case:
    step = {
        "subtask": kind.subtask.format(value),
        "tool_calls": [{"name": kind.tool, "args": {kind.argument: value}, "result": kind.answer(value)}],
    }
    return Case.from_demonstration(
        task=kind.wording.format(value), trajectory=[step], answer=kind.answer(value)
    )


def measure(tasks: int, seed: int, home: Path) -> dict[str, float]:
    """The success rate of each arm over the same tasks, none of which was demonstrated."""
    rng = random.Random(seed)
    shown = {kind.tool: rng.sample(kind.values, 2) for kind in KINDS}
    drawn = []
    for number in range(tasks):
        kind = KINDS[number % len(KINDS)]
        value = rng.choice([value for value in kind.values if value not in shown[kind.tool]])
        drawn.append((kind.wording.format(value), kind.answer(value)))
    rng.shuffle(drawn)
    rates = {}
    for arm, how in {"no memory": {"policy": "none", "learn": False}, "memory": {}}.items():
        with CaseBank(home / arm.replace(" ", "-")) as bank:
            bank.add_many(demonstration(kind, value) for kind in KINDS for value in shown[kind.tool])
            settings = Settings(
                planner="local", executor="local", max_cycles=1, max_subtasks=3, max_model_calls=4, **how
            )
            graph = build_graph(settings=settings, tools=TOOLS, evaluator=evaluator, bank=bank)
            rewards = []
            for number, (task, reference) in enumerate(drawn, start=1):
                rewards.append(graph.invoke({"task": task, "reference": reference})["reward"])
                print(f"\r{arm}: {number}/{tasks}", end="", file=sys.stderr)
            print(file=sys.stderr)
            rates[arm] = fmean(rewards)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(options.tasks, options.seed, Path(folder))
    for arm, rate in rates.items():
        print(f"{arm}: {rate:.0%} of {options.tasks}")


if __name__ == "__main__":
    main()
