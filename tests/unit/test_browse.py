"""Looking through the cases: pages, words in any writing, and what is found by meaning and by words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memento.memory import Case
from memento.memory.browse import has_word, list_cases, words_of
from memento.memory.case_filter import Filter, Order
from memento.memory.find import find_cases
from tests.memory_tools import add_run, axis, demonstration

if TYPE_CHECKING:
    from memento.memory import CaseBank

TEXTS = [
    "Straße nach Köln",
    "STRASSE",
    "a strand of pearls",
    "ﬁne print",
    "fine weather",
    "three kelvin: 3 \u212a",
    'a "quoted\\path" with % and _under_score',
    "line\nbreaks\tand\u2028more",
    "東京から大阪まで",
    "eine Straßenbahn",
]


ORDERS: tuple[Order, ...] = ("age", "shown", "value")


def tasks(bank: CaseBank, text: str) -> list[str]:
    return [row.case.task for row in list_cases(bank.ledger, bank.namespace, Filter(text=text)).rows]


@pytest.fixture
def bank(quick_bank: CaseBank) -> CaseBank:
    cases = [Case(task=text, note=f"number {place}") for place, text in enumerate(TEXTS)]
    quick_bank.add_many(cases, [axis(place) for place in range(len(TEXTS))])
    return quick_bank


WORDS = [
    "strasse",
    "STRASSE",
    "straße",
    "fine",
    "k",
    "breaks",
    "under_score",
    "_under_score",
    "大阪",
    "a",
    "%",
]


@pytest.mark.parametrize("text", WORDS)
def test_a_word_is_found_however_it_is_written(bank: CaseBank, text: str) -> None:
    said = {task: task.casefold() for task in TEXTS}
    assert tasks(bank, text) == [
        task for task in TEXTS if all(has_word(said[task], word) for word in words_of(text))
    ]


def test_the_last_page_is_the_end_of_the_whole_list(bank: CaseBank) -> None:
    bank.set_status(bank.all()[3].id, "quarantined")
    for number in range(2):
        add_run(bank.ledger, f"r{number}", demonstration(f"case of run {number}"), axis(20 + number))
    for wanted in (Filter(), Filter(status="active"), Filter(text="number"), Filter(source="run")):
        for order in ORDERS:
            whole = list_cases(bank.ledger, bank.namespace, wanted, order)
            assert whole.total == len(whole.rows)
            for last in (0, 1, 3, 100):
                page = list_cases(bank.ledger, bank.namespace, wanted, order, last)
                assert page.rows == (whole.rows[-last:] if last else [])
                assert page.total == whole.total


def test_by_meaning_the_nearest_come_first_and_by_words_those_that_have_rare_ones(bank: CaseBank) -> None:
    by_meaning = find_cases(bank.ledger, bank.namespace, vector=axis(4, 0.5, towards=2), n=2)
    assert [found.listed.case.task for found in by_meaning] == [TEXTS[4], TEXTS[2]]
    assert [found.words for found in by_meaning] == [0, 0]
    by_words = find_cases(bank.ledger, bank.namespace, words="number strasse")
    assert {found.listed.case.task for found in by_words[:3]} == {TEXTS[0], TEXTS[1], TEXTS[9]}
    assert [found.similarity for found in by_words] == [None] * len(TEXTS)
    both = find_cases(bank.ledger, bank.namespace, words="weather", vector=axis(4), n=3)
    assert (both[0].listed.case.task, both[0].words) == (TEXTS[4], 1)
    assert both[0].similarity == pytest.approx(1)


def test_a_search_can_be_held_to_some_cases(bank: CaseBank) -> None:
    bank.set_status(bank.all()[4].id, "quarantined")
    active = Filter(status="active")
    assert TEXTS[4] not in {
        found.listed.case.task
        for found in find_cases(bank.ledger, bank.namespace, vector=axis(4), wanted=active)
    }
    with_text = Filter(text="fine")
    found = find_cases(bank.ledger, bank.namespace, words="weather print", vector=axis(0), wanted=with_text)
    assert {one.listed.case.task for one in found} == {TEXTS[3], TEXTS[4]}
    assert find_cases(bank.ledger, bank.namespace, words="%%%") == []
