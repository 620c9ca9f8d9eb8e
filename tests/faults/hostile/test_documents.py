"""Documents that are made to fill the memory, to take for ever or to lead elsewhere, and broken ones."""

from __future__ import annotations

import os
import resource
import struct
import time
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException

from memento.tools import ToolConfig
from memento.tools.documents import documents_tools
from tests.documents import make_docx, make_epub, make_xlsx, word_document, write_docx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "hunter2"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BILLION_LAUGHS = f'<!DOCTYPE w [<!ENTITY l0 "ha">{LAUGHS}]>'
QUADRATIC = f'<!DOCTYPE w [<!ENTITY l11 "{"a" * 100_000}">]>'
OUTSIDE = '<!DOCTYPE w [<!ENTITY l11 SYSTEM "file:///etc/passwd">]>'


def reader(*folders: Path) -> BaseTool:
    return documents_tools(ToolConfig(files=folders))[0].tool


def word(entities: str) -> Callable[[Path], None]:
    return lambda path: write_docx(path, word_document(f"<w:p><w:t>{'&l11;' * 50}</w:t></w:p>", entities))


def word_in_utf16(path: Path) -> None:
    text = word_document("<w:p><w:t>&l11;</w:t></w:p>", BILLION_LAUGHS).replace(
        '<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>'
    )
    write_docx(path, text.encode("utf-16"))


def zip_bomb(path: Path) -> None:
    make_docx(path)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("word/media.bin", "w", force_zip64=True) as part,
    ):
        for _ in range(301):
            part.write(bytes(1_000_000))


def zip_that_lies(path: Path) -> None:
    """What it unpacks to is far larger than it says."""
    make_xlsx(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", bytes(20_000_000))
    body = path.read_bytes()
    path.write_bytes(body.replace(struct.pack("<I", 20_000_000), struct.pack("<I", 10)))


def many_entries(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}", b"")


def encrypted_office(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000))


def encrypted_zip(path: Path) -> None:
    make_xlsx(path)
    body = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = body.find(mark)
        while start >= 0:
            body[start + at] |= 1
            start = body.find(mark, start + 4)
    path.write_bytes(bytes(body))


def encrypted_pdf(path: Path) -> None:
    locked = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >>"
    write_pdf(path, [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>", locked],
              b" /Encrypt 3 0 R /ID [<00><00>]")  # fmt: skip


def pdf_bomb(path: Path) -> None:
    """A page whose content unpacks to 600 MB."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b"q " * 500_000) for _ in range(600)) + packer.flush()
    content = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    write_pdf(path, [b"<< /Type /Catalog /Pages 2 0 R >>", pages, page, content])


def pdf_that_turns_in_circles(path: Path) -> None:
    pages = b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 1000000 >>"
    write_pdf(path, [b"<< /Type /Catalog /Pages 2 0 R >>", pages])


def write_pdf(path: Path, objects: list[bytes], trailer: bytes = b"") -> None:
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    body += (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF"
        % (*(size, table, size, trailer, body.rindex(b"endobj") + 7),)
    )
    path.write_bytes(body)


def cut(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        make(path)
        path.write_bytes(path.read_bytes()[:-600])

    return made


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


HOSTILE = {
    "billion-laughs.docx": (word(BILLION_LAUGHS), "declares entities"),
    "quadratic.docx": (word(QUADRATIC), "declares entities"),
    "outside.docx": (word(OUTSIDE), "declares entities"),
    "utf16-laughs.docx": (word_in_utf16, "declares entities"),
    "bomb.docx": (zip_bomb, "unpacks to far more"),
    "many.pptx": (many_entries, "unpacks to far more"),
    "lies.xlsx": (zip_that_lies, "damaged"),
    "locked.xlsx": (encrypted_office, "password or of an old format"),
    "locked-parts.xlsx": (encrypted_zip, "protected by a password"),
    "locked.pdf": (encrypted_pdf, "password|damaged"),
    "cut.docx": (cut(make_docx), "damaged"),
    "cut.xlsx": (cut(make_xlsx), "damaged"),
    "cut.epub": (cut(make_epub), "damaged"),
    "nothing.pdf": (nothing, "damaged"),
    "nothing.docx": (nothing, "damaged"),
    "noise.pdf": (noise, "damaged"),
    "noise.pptx": (noise, "damaged"),
    "noise.zip": (noise, "damaged"),
    "noise.txt": (noise, "no kind of document"),
    "noise.csv": (noise, "no kind of document"),
    "text.docx": (lambda path: path.write_text("no Word document"), "damaged"),
    "book.epub": (many_entries, "damaged|unpacks"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    make, message = HOSTILE[name]
    make(tmp_path / name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ToolException, match=f"read_document: .*({message})") as refused:
        reader(tmp_path).invoke({"path": name})
    assert "\n" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes


@pytest.mark.parametrize("make", [pdf_bomb, pdf_that_turns_in_circles])
def test_a_pdf_that_explodes_ends_in_time(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Whatever comes of it, it comes soon, and this process has not grown by it."""
    make(tmp_path / "x.pdf")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    try:
        said = reader(tmp_path).invoke({"path": "x.pdf"})
    except ToolException as refused:
        said = str(refused)
    assert len(said) < 10_000
    assert time.monotonic() - began < 55
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_an_archive_in_an_archive_is_listed_and_not_unpacked(tmp_path: Path) -> None:
    zip_bomb(tmp_path / "inner.docx")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.docx", "inner.zip")
        archive.writestr("../../etc/evil", "x")
    listed = reader(tmp_path).invoke({"path": "outer.zip"})
    assert "inner.zip" in listed
    assert "nothing was unpacked" in listed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner.docx", "outer.zip"]


def test_what_an_epub_declares_is_not_followed(tmp_path: Path) -> None:
    make_epub(tmp_path / "x.epub")
    with zipfile.ZipFile(tmp_path / "x.epub") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "x.epub", "w") as archive:
        for name, body in parts.items():
            outside = OUTSIDE.encode() if name.endswith(".opf") else b""
            archive.writestr(name, outside + body.replace(b"A book of birds", b"[&l11;]"))
    said = reader(tmp_path).invoke({"path": "x.epub"})
    assert "root:" not in said


def test_deep_and_large_texts(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "deep.html").write_text("<div>" * 50_000 + "deep")
    (tmp_path / "wide.csv").write_text(",".join("x" * 10 for _ in range(50_000)))
    for name in ("deep.json", "deep.html", "wide.csv"):
        try:
            assert len(reader(tmp_path).invoke({"path": name})) < 9_000
        except ToolException as refused:
            assert "\n" not in str(refused)  # noqa: PT017
    with (tmp_path / "huge.txt").open("wb") as stream:
        stream.truncate(10_000_000_000)  # 10 GB, of which the disk holds none
    with pytest.raises(ToolException, match="too large"):
        reader(tmp_path).invoke({"path": "huge.txt"})


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that may be read, and one beside it that may not."""
    allowed, outside = tmp_path / "allowed", tmp_path / "allowed-not"
    for folder in (allowed, outside, allowed / ".git", allowed / "sub"):
        folder.mkdir()
    (allowed / "x.txt").write_text("fine")
    (outside / "secret.txt").write_text(SECRET)
    (allowed / ".env").write_text(f"KEY={SECRET}")
    (allowed / ".git" / "config").write_text(SECRET)
    (allowed / "link.txt").symlink_to(outside / "secret.txt")
    (allowed / "folder").symlink_to(outside)
    (allowed / "chain.txt").symlink_to(allowed / "link.txt")
    (allowed / "loop").symlink_to(allowed / "loop")
    (allowed / "env.txt").symlink_to(allowed / ".env")
    os.mkfifo(allowed / "pipe.txt")
    return allowed, outside


@pytest.mark.parametrize(
    "path",
    [
        "../allowed-not/secret.txt",
        "sub/../../allowed-not/secret.txt",
        "{outside}/secret.txt",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "file:///etc/passwd",
        "~/.ssh/id_rsa",
        "link.txt",
        "chain.txt",
        "folder/secret.txt",
        "loop",
        ".env",
        ".git/config",
        "sub/../.env",
        "env.txt",
        "pipe.txt",
        "x.txt\0.pdf",
        "x.txt/",
        "..",
        "x" * 10_000,
        "nul\ud800.txt",
    ],
)
def test_no_path_leads_out_of_the_folders(folders: tuple[Path, Path], path: str) -> None:
    allowed, outside = folders
    given = path.format(outside=outside)
    try:
        said = reader(allowed).invoke({"path": given})
    except ToolException as refused:
        said = str(refused)
    assert SECRET not in said
    assert "root:" not in said
    assert len(said) < 2_000
    assert said == "[x.txt]\nfine" or "there is no file" in said
    assert str(allowed) not in said.replace(given, "")
