"""Whether the files of Chroma's search index can be whole: where they are not, Chroma's native code may take
the process down with it when it opens them, so they are looked at first.
"""

import struct
from pathlib import Path

_HEADER = struct.Struct("<iQQQQ")  # version, offset, room, elements, bytes of an element
_HEADER_SIZE = 100
_LENGTH = 4
_VERSION = 1
_FILES = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin")


def torn(chroma: Path) -> str:
    """What is wrong with the first index that cannot be whole; empty where all can. An index of a format that
    is not known here is passed.
    """
    for segment in sorted(path for path in chroma.glob("*") if path.is_dir() and any(path.iterdir())):
        missing = [name for name in _FILES if not (segment / name).is_file()]
        if missing:
            return f"{missing[0]} of its index is not there"
        header = (segment / "header.bin").read_bytes()
        if len(header) < _HEADER_SIZE:
            return "header.bin of its index is cut"
        version, _offset, _room, elements, size = _HEADER.unpack_from(header)
        if version == _VERSION and not _large_enough(segment, elements, size):
            return "files of its index are cut"
    return ""


def _large_enough(segment: Path, elements: int, size: int) -> bool:
    level = _bytes(segment / "data_level0.bin") >= elements * size
    return level and _bytes(segment / "length.bin") >= elements * _LENGTH


def _bytes(file: Path) -> int:
    return file.stat().st_size
