"""Texts and JSON values from outside, made fit for every store and every service."""

import math
import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_CUT = re.compile(r"… \(\d+ more characters\)\Z")
_DEEPEST = 40
_INT64 = 2**63


def clean(text: str, limit: int = 20_000) -> str:
    """A text without control characters and lone surrogates, at most `limit` characters of it. Cleaning it
    again changes nothing.
    """
    text = _CONTROL.sub("", text).encode("utf-8", "ignore").decode()
    cut = _CUT.search(text, limit)
    if len(text) <= limit or (cut and cut.start() == limit):
        return text
    return f"{text[:limit]}… ({len(text) - limit} more characters)"


def identifier(name: str) -> str:
    """A tool's name as every model's service takes it."""
    return _NO_NAME.sub("_", name)[:64] or "unknown"


def clean_json(value: Any, *, depth: int = 0) -> Any:
    """A JSON value with every text in it clean, and nothing nested so deep that a reader gives up."""
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {clean(str(key)): clean_json(item, depth=depth + 1) for key, item in value.items()}
    return [clean_json(item, depth=depth + 1) for item in value]


def storable(value: Any) -> Any:
    """A JSON value with the numbers that a checkpoint or strict JSON cannot hold as texts."""
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    too_big = isinstance(value, int) and not -_INT64 <= value < _INT64
    no_number = isinstance(value, float) and not math.isfinite(value)
    return str(value) if too_big or no_number else value
