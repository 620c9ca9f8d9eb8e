"""The form of what was done: what came from the task is a blank, what the plan brought along stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.memory import Case
from memento.memory.credit import followed
from memento.memory.form import form_of
from memento.memory.trajectory import Step


def called(name: str, result: str = "", error: str | None = None, /, **args: Any) -> Step:
    call = {"name": name, "args": args, "result": result, "error": error}
    return Step(subtask="", tool_calls=[call], result=result)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("task", "args", "form"),
    [
        ("A box holds 24. How many are in 93?", {"x": "24 * 93"}, "f(x=#1 * #2)"),
        ("A box holds 24. How many are in 93?", {"x": "93*24"}, "f(x=#1 * #2)"),
        ("A box holds 24. How many are in 93?", {"x": "24 + 93"}, "f(x=#1 + #2)"),
        ("A square of 12 m.", {"width": 12, "length": 12}, "f(length=#1, width=#1)"),
        ("What is 1,390 in euros?", {"x": 1390.0, "rate": 1.17}, "f(rate=1.17, x=#1)"),
        ("What is 40 celsius in fahrenheit?", {"of": "Celsius", "x": -40}, "f(of=celsius, x=- #1)"),
        ("Due 3 weeks after 2024-05-01?", {"date": "2024-05-01", "in": {"w": 3}}, "f(date=#1, in={w=#2})"),
        ("Spell 'Blue whale'.", {"text": "blue whale"}, "f(text=#1)"),
        (
            "Sales of Ann?",
            {"sql": "SELECT sum(n) WHERE who = 'Ann'"},
            "f(sql=select sum ( n ) where who = #1)",
        ),
        ("Sales of Ann?", {"sql": "SELECT n WHERE state='open'"}, "f(sql=select n where state = 'open')"),
        ("Sort 3, 1.", {"of": [3, 1, 2], "up": True}, "f(of=[#1, #2, 2], up=true)"),
        ("Read it.", {"code": "x" * 201}, "f(code=…)"),
        ("Ann's age is Bob's?", {"q": "Ann's and Bob's"}, "f(q=ann ' s and bob ' s)"),
    ],
)
def test_what_the_task_says_is_a_blank(task: str, args: dict[str, Any], form: str) -> None:
    assert form_of(task, [called("f", **args)]) == form


def test_what_an_earlier_call_returned_is_a_blank_and_what_failed_is_left_out() -> None:
    trajectory = [called("look", "17 pots"), called("look", "no", "no"), called("times", x=17, y=4)]
    assert form_of("Pots?", trajectory) == "look(); times(x=#1, y=4)"
    assert form_of("Pots?", [called("look", "", "no")]) == form_of("Pots?", []) == ""


@given(st.integers(2, 9999), st.integers(2, 9999), st.integers(2, 9999), st.integers(2, 9999))
def test_tasks_that_differ_in_their_numbers_alone_are_solved_in_one_form(
    a: int, b: int, c: int, d: int
) -> None:
    def form(one: int, other: int, sign: str = "*") -> str:
        return form_of(f"{one} rows of {other} plants?", [called("calculate", x=f"{one} {sign} {other}")])

    if (a == b) == (c == d):
        assert form(a, b) == form(c, d)
    assert form(a, b) != form(c, d, "+")


WORDS = st.text(max_size=30)
VALUES = st.recursive(
    WORDS | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


@given(WORDS, WORDS, st.dictionaries(WORDS, VALUES, max_size=3))
def test_whatever_was_called_has_a_form(task: str, result: str, args: dict[str, Any]) -> None:
    form = form_of(task, [called("f", result), called("g", **args)])
    assert form.startswith("f(); g(")


def case(task: str, name: str, **args: Any) -> Case:
    return Case.from_demonstration(task=task, trajectory=[called(name, **args)])


RIGHT = case("What is 3 celsius in fahrenheit?", "convert", x=3, to="fahrenheit")
WRONG = case("What is 4 celsius in fahrenheit?", "convert", x=4, to="celsius")
ANOTHER = case("What is 5 plus 6?", "calculate", x="5 + 6")
SILENT = Case.from_demonstration(task="Say hello.", answer="hello")


@pytest.mark.parametrize(
    ("did", "used"),
    [
        (called("convert", x=9, to="fahrenheit"), [True, False, False, None]),
        (called("convert", x=9, to="celsius"), [False, True, False, None]),
        (called("convert", x=9, to="kelvin"), [True, True, False, None]),
        (called("search", x=9), [False, False, False, None]),
        (called("convert", "", "no", x=9, to="celsius"), [None, None, None, None]),
    ],
)
def test_a_run_followed_the_cases_in_whose_form_it_called_their_tools(
    did: Step, used: list[bool | None]
) -> None:
    cases = [RIGHT, WRONG, ANOTHER, SILENT]
    assert list(followed(cases, "What is 9 celsius in fahrenheit?", [did]).values()) == used
