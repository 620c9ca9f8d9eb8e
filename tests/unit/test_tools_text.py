from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from memento.tools import ToolConfig, basic_tools
from memento.tools.limits import OUTPUT_CHARACTERS
from memento.tools.text import MAX_TEXT, Measure

TOOLS = {tool.name: tool for tool in basic_tools(ToolConfig())}
SAMPLE = "Hello world. Dr. Smith isn't here! Is 3.5 enough?\nHello, state-of-the-art"


def measure(text: str, what: str) -> str:
    result = TOOLS["text_measure"].invoke({"text": text, "measure": what})
    assert isinstance(result, str)
    return result


EXPECTED = {
    "characters": "73",
    "characters_without_spaces": "63",
    "letters": "51",
    "uppercase_letters": "5",
    "vowels": "18",
    "consonants": "33",
    "digits": "2",
    "words": "11",
    "unique_words": "10",
    "sentences": "4",
    "lines": "2",
    "longest_word": "state-of-the-art",
    "shortest_word": "Dr",
    "first_word": "Hello",
    "last_word": "state-of-the-art",
    "most_common_word": "hello",
    "reversed": SAMPLE[::-1],
    "reversed_words": "state-of-the-art Hello, enough? 3.5 Is here! isn't Smith Dr. world. Hello",
    "sorted_words": "3.5 Dr enough Hello Hello here Is isn't Smith state-of-the-art world",
    "uppercase": SAMPLE.upper(),
    "lowercase": SAMPLE.lower(),
    "initials": "HWDSIHI3EHS",
    "is_palindrome": "no",
}


@pytest.mark.parametrize("what", get_args(Measure))
def test_every_measure(what: str) -> None:
    assert measure(SAMPLE, what) == EXPECTED[what]


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("hello world", "vowels", "3"),
        ("", "words", "0"),
        ("café über", "vowels", "4"),
        ("cafe\u0301", "characters", "4"),
        ("A man, a plan, a canal: Panama", "is_palindrome", "yes"),
        ("one two", "Longest Word", "one"),
    ],
)
def test_details(text: str, what: str, expected: str) -> None:
    assert measure(text, what) == expected


@pytest.mark.parametrize(
    ("text", "what"), [("", "longest_word"), ("a", "beauty"), ("x" * (MAX_TEXT + 1), "words")]
)
def test_refused_with_advice(text: str, what: str) -> None:
    with pytest.raises(ToolException, match=r"^text_measure: ") as refused:
        measure(text, what)
    assert len(str(refused.value)) < 1_000


def test_long_output_is_shortened_and_says_so() -> None:
    result = measure("ab" * 100_000, "reversed")
    assert len(result) <= OUTPUT_CHARACTERS
    assert result.endswith("[shortened: 200000 characters in all]")


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [("strawberry", "r", "3"), ("Banana", "AN", "2"), ("the cat, The dog", "the", "2"), ("abc", "z", "0")],
)
def test_count_occurrences(text: str, target: str, expected: str) -> None:
    assert TOOLS["count_occurrences"].invoke({"text": text, "target": target}) == expected


def test_count_occurrences_of_nothing() -> None:
    with pytest.raises(ToolException, match="target is empty"):
        TOOLS["count_occurrences"].invoke({"text": "abc", "target": ""})


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=200))
def test_the_parts_add_up(text: str) -> None:
    assert int(measure(text, "vowels")) + int(measure(text, "consonants")) == int(measure(text, "letters"))
    assert measure(measure(text, "reversed"), "reversed") == text
    assert int(measure(text, "unique_words")) <= int(measure(text, "words"))
