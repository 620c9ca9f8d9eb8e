"""Text from bytes of an encoding that nobody was sure of."""

from __future__ import annotations

import codecs
import re

_SAMPLE = 50_000
_GUESSABLE = 200  # bytes; fewer tell nothing
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_IN_HTML = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)


def decode(body: bytes, declared: str = "") -> str:
    """The text, by its mark, by what is declared, as UTF-8, or as what it looks like; it never fails."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace")
    in_page = _IN_HTML.search(body[:4096])
    for name in (declared, in_page[1].decode("ascii") if in_page else "", "utf-8"):
        try:
            return body.decode(codecs.lookup(name).name) if name else _none()
        except (LookupError, UnicodeError, ValueError):
            continue
    if len(body) < _GUESSABLE:
        return body.decode("cp1252", "replace")
    from charset_normalizer import from_bytes

    best = from_bytes(body[:_SAMPLE]).best()
    return body.decode(best.encoding if best else "cp1252", "replace")


def is_text(body: bytes) -> bool:
    """Whether these can be the bytes of a text; a picture's or an archive's cannot."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return True
    return b"\0" not in body[:_SAMPLE]


def _none() -> str:
    raise LookupError
