"""Counting and rearranging text, which language models are bad at."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from langchain_core.tools import ToolException
from pydantic import BaseModel, BeforeValidator, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import make_tool, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT = 500_000
_WORD = re.compile(r"\w+(?:['’-]\w+|(?<=\d)[.,](?=\d)\w+)*")
_SENTENCE_END = re.compile(r"[.!?…][.!?…\"'”’)\]]*(?=\s|$)")
_ABBREVIATION = re.compile(r"\b(?:dr|mr|mrs|ms|prof|st|vs|etc|e\.g|i\.e|no|[a-z])\.$", re.IGNORECASE)

Measure = Literal[
    "characters",
    "characters_without_spaces",
    "letters",
    "uppercase_letters",
    "vowels",
    "consonants",
    "digits",
    "words",
    "unique_words",
    "sentences",
    "lines",
    "longest_word",
    "shortest_word",
    "first_word",
    "last_word",
    "most_common_word",
    "reversed",
    "reversed_words",
    "sorted_words",
    "uppercase",
    "lowercase",
    "initials",
    "is_palindrome",
]


def _measure_name(value: Any) -> Any:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else value


class TextMeasureArgs(BaseModel):
    text: str = Field(description="The text to measure, exactly as it is", max_length=MAX_TEXT)
    measure: Annotated[Measure, BeforeValidator(_measure_name)] = Field(
        description="What to count or make of it"
    )


class CountOccurrencesArgs(BaseModel):
    text: str = Field(description="The text to search, exactly as it is", max_length=MAX_TEXT)
    target: str = Field(description="The letter, word or phrase to count; upper and lower case are the same")


def text_measure(text: str, measure: Measure) -> str:
    """Count the letters, words, vowels, … of a text, find its longest or most common word, or reverse it.

    Example: text_measure(text="hello world", measure="vowels") gives 3
    """
    return shorten(str(_MEASURES[measure](unicodedata.normalize("NFC", text))))


def count_occurrences(text: str, target: str) -> str:
    """Count how often a letter, word or phrase occurs in a text.

    Example: count_occurrences(text="strawberry", target="r") gives 3
    """
    wanted = unicodedata.normalize("NFC", target).casefold()
    if not wanted:
        raise ToolException("count_occurrences: target is empty: give the letter or word to count")
    return str(unicodedata.normalize("NFC", text).casefold().count(wanted))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.replace("_", " "))


def _some_words(text: str) -> list[str]:
    words = _words(text)
    if not words:
        raise ToolException("text_measure: there is no word in the text: pass the whole text as text")
    return words


def _letters(text: str) -> list[str]:
    return [character for character in text if character.isalpha()]


def _is_vowel(letter: str) -> bool:
    return unicodedata.normalize("NFD", letter)[0].lower() in "aeiou"


def _sentences(text: str) -> int:
    count, start = 0, 0
    for end in _SENTENCE_END.finditer(text):
        if _ABBREVIATION.search(text[max(start, end.end() - 8) : end.end()]) and text[end.end() :].strip():
            continue
        count, start = count + bool(text[start : end.start()].strip()), end.end()
    return count + bool(_WORD.search(text, start))


def _most_common(text: str) -> str:
    return Counter(word.casefold() for word in _some_words(text)).most_common(1)[0][0]


def _is_palindrome(text: str) -> str:
    kept = [character.casefold() for character in text if character.isalnum()]
    return "yes" if kept == kept[::-1] else "no"


_MEASURES: dict[str, Callable[[str], int | str]] = {
    "characters": len,
    "characters_without_spaces": lambda text: sum(not character.isspace() for character in text),
    "letters": lambda text: len(_letters(text)),
    "uppercase_letters": lambda text: sum(character.isupper() for character in text),
    "vowels": lambda text: sum(_is_vowel(letter) for letter in _letters(text)),
    "consonants": lambda text: sum(not _is_vowel(letter) for letter in _letters(text)),
    "digits": lambda text: sum(character.isdigit() for character in text),
    "words": lambda text: len(_words(text)),
    "unique_words": lambda text: len({word.casefold() for word in _words(text)}),
    "sentences": _sentences,
    "lines": lambda text: len(text.splitlines()),
    "longest_word": lambda text: max(_some_words(text), key=len),
    "shortest_word": lambda text: min(_some_words(text), key=len),
    "first_word": lambda text: _some_words(text)[0],
    "last_word": lambda text: _some_words(text)[-1],
    "most_common_word": _most_common,
    "reversed": lambda text: text[::-1],
    "reversed_words": lambda text: " ".join(reversed(text.split())),
    "sorted_words": lambda text: " ".join(sorted(_words(text), key=str.casefold)),
    "uppercase": str.upper,
    "lowercase": str.lower,
    "initials": lambda text: "".join(word[0].upper() for word in _words(text)),
    "is_palindrome": _is_palindrome,
}


def text_tools(_config: ToolConfig) -> list[Offer]:
    return [
        Offer(make_tool(text_measure, TextMeasureArgs)),
        Offer(make_tool(count_occurrences, CountOccurrencesArgs)),
    ]
