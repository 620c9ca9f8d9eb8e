"""The files of Chroma's search index, which its native code reads and writes without much care.

Where they are not whole, it may take the process down with it when it opens them, so they are looked at
first. And a new index is written with room for 100 elements as that was found in memory: whatever the
process has had there, texts and secrets too, reaches the disk, so the room is wiped.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<iQQQQ")  # version, offset, room, elements, bytes of an element
_HEADER_SIZE = 100
_LENGTH = 4
_VERSION = 1
_FILES = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin")


@dataclass(frozen=True)
class _Header:
    version: int
    elements: int
    size: int
    """Bytes of an element."""

    @property
    def used(self) -> dict[str, int]:
        """How many bytes at the beginning of a file are in use."""
        return {"data_level0.bin": self.elements * self.size, "length.bin": self.elements * _LENGTH}


def torn(chroma: Path) -> str:
    """What is wrong with the first index that cannot be whole; empty where all can. An index of a format that
    is not known here is passed.
    """
    for segment in _segments(chroma):
        missing = [name for name in _FILES if not (segment / name).is_file()]
        if missing:
            return f"{missing[0]} of its index is not there"
        header = _header(segment)
        if header is None:
            return "header.bin of its index is cut"
        sizes = {name: (segment / name).stat().st_size for name in header.used}
        if header.version == _VERSION and any(sizes[name] < used for name, used in header.used.items()):
            return "files of its index are cut"
    return ""


def wipe_unused(chroma: Path) -> None:
    """Fill the room for elements that are not there yet with zeros. Nothing else may write the files
    meanwhile: Chroma does so while it is told of changes and at the first use of a collection, never later.
    """
    for segment in _segments(chroma):
        header = _header(segment)
        if header is not None and header.version == _VERSION:
            for name, used in header.used.items():
                _fill_with_zeros(segment / name, used)


def _fill_with_zeros(file: Path, start: int) -> None:
    if not file.is_file():
        return
    with file.open("r+b") as stream:
        stream.seek(start)
        rest = stream.read()
        if any(rest):
            stream.seek(start)
            stream.write(bytes(len(rest)))


def _segments(chroma: Path) -> Iterator[Path]:
    return (path for path in sorted(chroma.glob("*")) if path.is_dir() and any(path.iterdir()))


def _header(segment: Path) -> _Header | None:
    """None where there is none, or not all of it."""
    file = segment / "header.bin"
    written = file.read_bytes() if file.is_file() else b""
    if len(written) < _HEADER_SIZE:
        return None
    version, _offset, _room, elements, size = _HEADER.unpack_from(written)
    return _Header(version, elements, size)
