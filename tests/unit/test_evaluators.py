"""When an answer is as the reference, and what a judge's word is worth."""

from __future__ import annotations

import time
from typing import Any

import pytest

from memento import Context, Evaluation, RunView
from memento.evaluators import (
    default_evaluator,
    exact,
    judge,
    matching,
    normalize,
    normalized,
    numeric,
    same_number,
    token_f1,
)
from memento.graph.evaluation import checked
from memento.models import describe
from tests.agent import judged
from tests.openai_stub import OpenAIStub, Reply, chat_model


def view(answer: str, reference: Any = None, task: str = "What?") -> RunView:
    return RunView(task=task, reference=reference, answer=answer, plan=[], trajectory=[])


@pytest.mark.parametrize(
    ("answer", "reference", "reward"),
    [
        ("Paris", "Paris", 1),
        (" Paris\n", "Paris", 1),
        ("paris", "Paris", 0),
        ("Paris.", "Paris", 0),
        ("Rome", ["Paris", "Rome"], 1),
        ("Rome", ("Paris", "Rome"), 1),
        ("5", 5, 1),
        ("", "", 1),
        ("x", None, None),
        ("x", [], None),
    ],
)
def test_exact_is_to_the_letter(answer: str, reference: Any, reward: float | None) -> None:
    assert exact(view(answer, reference)).reward == reward


AGREE = [
    ("the Eiffel Tower", "Eiffel tower"),
    ("Eiffel-Tower", "eiffel-tower"),
    ("PARIS!", "paris"),
    ("“Paris”", "Paris"),
    ("a   b\n c", "b c"),
    ("1,234.50", "1234.5"),
    ("$1,234.50", "1234.5"),
    ("12.0 km", "12 km"),
    ("1e3", "1000"),
    ("+5", "5"),
    ("−5", "-5"),
    ("-0", "0"),
    ("0.10", ".1"),
    ("ＰＡＲＩＳ", "paris"),
    ("Straße", "STRASSE"),
    ("yes.", "Yes"),
    ("42.", "42"),
    ("2024-01-02", "2024-01-02"),
]
DIFFER = [
    ("Paris", "Rome"),
    ("5", "-5"),
    ("−5", "5"),
    ("1.5", "15"),
    ("12", "1.2"),
    ("1,234", "1.234"),
    ("", "0"),
    ("not Paris", "Paris"),
    ("2024-01-02", "2024-02-01"),
    ("Paris, Texas", "Paris"),
]


@pytest.mark.parametrize(("answer", "reference"), AGREE)
def test_normalized_ignores_case_articles_punctuation_and_number_formats(answer: str, reference: str) -> None:
    assert normalized(view(answer, reference)).reward == 1
    assert normalized(view(reference, answer)).reward == 1
    assert matching(view(answer, reference)).reward == 1


@pytest.mark.parametrize(("answer", "reference"), DIFFER)
def test_normalized_does_not_make_one_of_two(answer: str, reference: str) -> None:
    assert normalized(view(answer, reference)).reward == 0
    assert matching(view(answer, reference)).reward == 0


@pytest.mark.parametrize(
    ("answer", "reference", "reward"),
    [
        ("The answer is 397.8.", "397.8", 1),
        ("397.80001", "397.8", 1),
        ("397.9", "397.8", 0),
        ("about 400", "397.8", 0),
        ("397.8 km", "397.8", 1),
        ("It is -5", "-5", 1),
        ("It is −5", "-5", 1),
        ("It is −5", "5", 0),
        ("17% of 2340 is 397.8", "397.8", 0),
        ("0", "0", 1),
        ("0.001", "0", 0),
        ("no number", "5", 0),
        ("5", "five", 0),
        ("5", "5 apples", 0),
        ("1,000", "1000", 1),
    ],
)
def test_one_number_is_compared_as_a_number(answer: str, reference: str, reward: float) -> None:
    assert matching(view(answer, reference)).reward == reward
    assert numeric()(view(answer, reference)).reward == reward


@pytest.mark.parametrize(("tolerance", "same"), [(0.1, True), (0.01, True), (0.001, False), (0, False)])
def test_numbers_agree_within_the_tolerance(tolerance: float, same: bool) -> None:
    assert same_number("100.5", "100", tolerance) is same
    assert numeric(tolerance)(view("100.5", "100")).reward == same


HOSTILE = [
    "1e99999999999999999999",
    "1e999999",
    "9" * 5000,
    "1e-99999999999999999999",
    "1." + "0" * 5000 + "1",
    "," * 5000,
    "1," * 5000,
    "-" * 5000,
    "٣",
    "²",
    "½",
    "\ud800",
    "NaN",
    "Infinity",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_no_text_makes_an_evaluator_raise_or_stall(text: str) -> None:
    began = time.monotonic()
    for answer, reference in ((text, "5"), ("5", text)):
        for evaluator in (exact, normalized, numeric(), matching):
            assert evaluator(view(answer, reference)).reward == 0
    assert matching(view(text, text)).reward == 1
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("text", ["1,234.50", "The Answer: 12.", "a-b_c d", "−5", "0.10", "", "x" * 100])
def test_normalizing_twice_is_normalizing_once(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


async def test_a_judge_is_asked_with_the_reference_where_there_is_one() -> None:
    with OpenAIStub(judged(0.5, "half")) as stub:
        ask = judge(describe("openai:gpt-4.1", chat_model(stub)))
        alone = await ask(view("5", task="What is 2+3?"))
        told = await ask(view("5", reference={"value": 5}))
    assert (alone.reward, alone.weight, alone.source, alone.rationale) == (0.5, 0.5, "judge", "half")
    assert (told.reward, told.weight) == (0.5, 1.0)
    assert alone.usage == {"model_calls": 1, "input_tokens": 10, "output_tokens": 5}
    assert "right answer" not in stub.requests[0].text
    assert "The right answer is:\n{'value': 5}" in stub.requests[1].text
    assert stub.violations == []


async def test_braces_in_what_is_judged_are_only_text() -> None:
    with OpenAIStub(judged(1)) as stub:
        ask = judge(describe("openai:gpt-4.1", chat_model(stub)))
        found = await ask(view("{answer} {0}", reference="{x}", task="{task} {"))
    assert found.reward == 1
    assert "Task:\n{task} {" in stub.requests[0].text


@pytest.mark.parametrize(
    "said", ["", "{", judged(2), judged(None), Reply(status=500), Reply(drop=True)], ids=str
)
async def test_a_failing_judge_is_unknown(said: Any) -> None:
    with OpenAIStub(said) as stub:
        found = await judge(describe("openai:gpt-4.1", chat_model(stub)))(view("5"))
    assert found.reward is None
    assert found.rationale.startswith("the judge failed")


async def test_a_local_planner_is_no_judge() -> None:
    evaluate = default_evaluator(None, lambda _: pytest.fail("no model is needed"))
    found = await evaluate(view("5"), Context(planner="local"))
    assert found.reward is None
    assert "feedback" in found.rationale


async def test_the_users_evaluator_comes_before_the_reference() -> None:
    evaluate = default_evaluator(lambda _: 0.25, lambda _: pytest.fail("no model is needed"))
    assert (await evaluate(view("5", "5"), Context())).reward == 0.25


@pytest.mark.parametrize("reward", [0, 1, 0.5, True, None])
def test_a_reward_is_a_number_from_0_to_1_or_unknown(reward: Any) -> None:
    assert checked(reward).reward == reward


@pytest.mark.parametrize("reward", [-1, 1.01, float("nan"), float("inf"), "1", [1], {}, 1 + 0j])
def test_anything_else_is_unknown(reward: Any) -> None:
    found = checked(reward)
    assert found.reward is None
    assert "returned" in found.rationale


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "1", None])
def test_a_weight_that_is_none_makes_the_reward_unknown(weight: Any) -> None:
    assert checked(Evaluation(1.0, weight=weight)).reward is None


@pytest.mark.parametrize(
    ("answer", "references", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], 1.0),
        ("Tower of London", ["Eiffel Tower"], 0.4),
        ("Tower of London", ["Eiffel Tower", "London"], 0.5),
        ("Rome", ["Paris"], 0.0),
        ("", ["Paris"], 0.0),
        ("Paris", [], 0.0),
    ],
)
def test_f1_is_of_the_words_shared_with_the_nearest_reference(
    answer: str, references: list[str], f1: float
) -> None:
    assert token_f1(answer, references) == pytest.approx(f1)
