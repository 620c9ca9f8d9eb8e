"""Banks a quarter of which is misleading: cases that look like the others, and are marked as successes, but
called the wrong tool, or the right one with the wrong arguments.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from langchain_core.tools import BaseTool

from memento.demo import families, families_second
from memento.demo.experiment import DEMO_FILES, worked_case
from memento.demo.families import DemoStep, DemoTask, Family, new_task
from memento.memory import Case
from memento.tools import basic_tools

GOOD = 3
"""Good cases a family, beside one that misleads."""

Args = dict[str, Any]


@dataclass(frozen=True)
class Lure:
    """How a family's misleading case goes about a task: `wrong` makes the step from the right arguments."""

    family: Family
    wrong: Callable[[Args], DemoStep]

    def mislead(self, task: DemoTask) -> DemoTask:
        """The task with the wrong step as its solution; every task of the family fails so."""
        return replace(task, steps=(self.wrong(task.steps[0].args),))


@dataclass(frozen=True)
class TaskSet:
    """Families of one-step tasks, each with its lure, and the tools that solve them."""

    name: str
    lures: tuple[Lure, ...]
    tools: Callable[[], list[BaseTool]]

    @property
    def families(self) -> tuple[Family, ...]:
        return tuple(lure.family for lure in self.lures)


@dataclass(frozen=True)
class Bank:
    """What a bank begins with, and the tasks that no run may repeat."""

    good: tuple[Case, ...]
    misleading: tuple[Case, ...]
    tasks: tuple[DemoTask, ...]


def make_bank(tasks: TaskSet, seed: int) -> Bank:
    """`GOOD` good cases and a misleading one for each family, each with a task of its own."""
    rng = random.Random(f"bank {tasks.name} {seed}")
    tools = tasks.tools()
    seen: set[str] = set()
    good: list[DemoTask] = []
    bad: list[DemoTask] = []
    for lure in tasks.lures:
        good.extend(new_task(lure.family, rng, seen) for _ in range(GOOD))
        bad.append(new_task(lure.family, rng, seen))
    wrong = [lure.mislead(task) for lure, task in zip(tasks.lures, bad, strict=True)]
    return Bank(
        good=tuple(worked_case(task, tools) for task in good),
        misleading=tuple(worked_case(task, tools) for task in wrong),
        tasks=(*good, *bad),
    )


def seed_case(tasks: TaskSet, seed: int) -> Bank:
    """One good case, of a family that the seed picks."""
    whole = make_bank(tasks, seed)
    place = GOOD * (seed % len(tasks.lures))
    return Bank(whole.good[place : place + 1], (), whole.tasks[place : place + 1])


def stream(of: Sequence[Family], seed: int, taken: Sequence[DemoTask]) -> Iterator[DemoTask]:
    """Tasks, round after round of one from each family in random order, none of them solved like another or
    like those taken. More of them begin like fewer.

    Raises:
        ValueError: a family has no more.
    """
    rng = random.Random(f"tasks {seed}")
    seen = {families.solution(task) for task in taken}
    for _ in count():
        for family in rng.sample(of, len(of)):
            yield new_task(family, rng, seen)


# --- the demo's families -----------------------------------------------------------------------------------


def _step(subtask: str, tool: str, **args: Any) -> DemoStep:
    return DemoStep(subtask, tool, args)


def _sum_for_product(args: Args) -> DemoStep:
    each, _, many = str(args["expression"]).partition(" * ")
    return _step(f"Add {each} and {many}.", "calculate", expression=f"{each} + {many}")


def _percent_without_whole(args: Args) -> DemoStep:
    percent, _, whole = str(args["expression"]).partition("% of ")
    return _step(f"Count the digits of {whole}.", "text_measure", text=f"{percent} {whole}", measure="digits")


def _other_way_round(args: Args) -> DemoStep:
    value, source, target = args["value"], args["from_unit"], args["to_unit"]
    subtask = f"Convert {value} {target} to {source}."
    return _step(subtask, "convert_units", value=value, from_unit=target, to_unit=source)


def _weekday_of_start(args: Args) -> DemoStep:
    return _step(f"Name the weekday of {args['start']}.", "weekday", date=args["start"])


def _weeks_to_days(args: Args) -> DemoStep:
    weeks = args["amount"]
    return _step(f"Multiply {weeks} by 7.", "calculate", expression=f"{weeks} * 7")


def _count_first_letter(args: Args) -> DemoStep:
    word = args["text"]
    return _step(f"Count the {word[0]} in '{word}'.", "count_occurrences", text=word, target=word[0])


_DEMO_LURES: Mapping[str, Callable[[Args], DemoStep]] = {
    "containers": _sum_for_product,
    "percent_of": _percent_without_whole,
    "temperature": _other_way_round,
    "days_between": _weekday_of_start,
    "loan": _weeks_to_days,
    "reverse": _count_first_letter,
}

# --- the second families -----------------------------------------------------------------------------------


def _shift_the_name(args: Args) -> DemoStep:
    name = args["element"]
    return _step(f"Shift the letters of '{name}' by 1.", "shift_letters", word=name, places=1)


def _points_of_person(args: Args) -> DemoStep:
    name = args["person"]
    return _step(f"Count the points of '{name}'.", "letter_points", word=name)


def _word_as_element(args: Args) -> DemoStep:
    return _step(f"Look up the element {args['word']}.", "atomic_number", element=args["word"])


def _points_of_word(args: Args) -> DemoStep:
    return _step(f"Count the points of '{args['word']}'.", "letter_points", word=args["word"])


def _square_floor(args: Args) -> DemoStep:
    length = args["length"]
    return _step(f"Multiply {length} by {length}.", "floor_area", length=length, width=length)


def _minutes_back(args: Args) -> DemoStep:
    time, minutes = args["time"], args["minutes"]
    return _step(f"Take {minutes} minutes from {time}.", "clock_plus", time=time, minutes=-minutes)


_SECOND_LURES: Mapping[str, Callable[[Args], DemoStep]] = {
    "element": _shift_the_name,
    "room": _points_of_person,
    "points": _word_as_element,
    "cipher": _points_of_word,
    "floor": _square_floor,
    "arrival": _minutes_back,
}


def _lures(of: Sequence[Family], wrong: Mapping[str, Callable[[Args], DemoStep]]) -> tuple[Lure, ...]:
    return tuple(Lure(family, wrong[family.name]) for family in of if family.name in wrong)


SETS: Mapping[str, TaskSet] = {
    "demo": TaskSet(
        "demo",
        _lures(families.FAMILIES, _DEMO_LURES),
        lambda: basic_tools(DEMO_FILES),
    ),
    "second": TaskSet(
        "second",
        _lures(families_second.FAMILIES, _SECOND_LURES),
        lambda: list(families_second.TOOLS),
    ),
}
