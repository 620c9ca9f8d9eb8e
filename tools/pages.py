"""A long text, shown a part at a time: the part that was asked for, or the passages that bear on a query."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from langchain_core.tools import ToolException

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], "NDArray[np.float32]"]
"""From texts to rows of unit length; the frozen encoder."""

Key = TypeVar("Key")
Value = TypeVar("Value")

PAGE = 8_000  # characters of text in one answer
_PASSAGE = 800
_EMBEDDED = 48  # of the passages, those that share most with the query in words
_MAX_QUERY = 400


@dataclass(frozen=True)
class Passage:
    start: int  # characters from the beginning of the text
    text: str


def part(text: str, source: str, offset: int, *, size: int = PAGE) -> str:
    """The text from `offset` on, under a line that says where it is from and how to get the rest.

    Raises:
        ToolException: there is nothing so far on.
    """
    if offset < 0 or (offset and offset >= len(text)):
        raise ToolException(f"the text has {len(text)} characters: give an offset from 0 to {len(text) - 1}")
    end = _end(text, offset, size)
    if offset == 0 and end == len(text):
        return f"[{source}]\n{text}"
    rest = f"; for the rest give offset={end}" if end < len(text) else ""
    return f"[{source}; characters {offset} to {end} of {len(text)}{rest}]\n{text[offset:end]}"


def focused(text: str, source: str, query: str, embed: Embed | None, *, size: int = PAGE) -> str:
    """The passages of a long text that bear most on the query, in the text's order; a short text whole."""
    if len(text) <= size or not query.strip():
        return part(text, source, 0, size=size)
    ranked = _ranked(passages(text), query[:_MAX_QUERY], embed)
    chosen: list[Passage] = []
    left = size
    for passage in ranked:
        left -= len(passage.text) + 30
        if left < 0:
            break
        chosen.append(passage)
    shown = [f"[at {passage.start}] {passage.text}" for passage in sorted(chosen, key=lambda one: one.start)]
    about = f"the parts of {len(text)} characters that bear most on {query[:80]!r}"
    return f"[{source}; {about}; to read on somewhere give its number as offset]\n" + "\n…\n".join(shown)


def passages(text: str, size: int = _PASSAGE) -> list[Passage]:
    """The text cut at paragraphs, lines, or failing those anywhere, into passages of at most `size`."""
    found: list[Passage] = []
    start = 0
    while start < len(text):
        end = _end(text, start, size)
        piece = text[start:end]
        if piece.strip():
            found.append(Passage(start, piece.strip()))
        start = end
    return found


def _end(text: str, start: int, size: int) -> int:
    """Where a part of at most `size` characters from `start` is best ended."""
    if len(text) - start <= size:
        return len(text)
    for mark in ("\n\n", "\n", ". ", " "):
        at = text.rfind(mark, start + size // 2, start + size)
        if at > 0:
            return at + len(mark)
    return start + size


def _ranked(parts: list[Passage], query: str, embed: Embed | None) -> list[Passage]:
    by_words = _by_words(parts, query)
    if embed is None:
        return by_words
    near = by_words[:_EMBEDDED]
    try:
        vectors = embed([query, *(passage.text for passage in near)])
    except Exception:  # noqa: BLE001  (an encoder that cannot be had: the words are there)
        return by_words
    similarity = (vectors[1:] @ vectors[0]).tolist()
    order = sorted(range(len(near)), key=lambda number: -similarity[number])
    return [*(near[number] for number in order), *by_words[_EMBEDDED:]]


def _by_words(parts: list[Passage], query: str) -> list[Passage]:
    """Those first that share the query's rarer words; among equals the text's order."""
    wanted = set(_words(query))
    bags = [Counter(word for word in _words(passage.text) if word in wanted) for passage in parts]
    rarity = {word: math.log(1 + len(parts) / (1 + sum(word in bag for bag in bags))) for word in wanted}

    def score(bag: Counter[str]) -> float:
        return sum(rarity[word] * count / (count + 1) for word, count in bag.items())

    return [passage for _, passage in sorted(zip(bags, parts, strict=True), key=lambda one: -score(one[0]))]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def one_line(value: Any, limit: int = 200) -> str:
    """A title or a name as it can stand in the line above a text."""
    return " ".join(str(value or "").split())[:limit]


class Recent(Generic[Key, Value]):
    """The newest few of what took long to get, so that a text is not fetched anew for each of its parts."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[Key, Value] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        with self._lock:
            return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            while len(self._values) > self._size:
                del self._values[next(iter(self._values))]
