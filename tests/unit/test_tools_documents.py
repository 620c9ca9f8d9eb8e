from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException
from PIL import Image

from memento.tools import ToolConfig
from memento.tools.documents import documents_tools
from tests.documents import FACT, make_documents, make_pdf
from tests.recordings import WORDS, make_sign, needs_tesseract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tests.conftest import WordEncoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("documents")
    make_documents(made)
    (made / "latin.txt").write_bytes("Der Fischreiher nistet im März, sagt Ärger. ".encode("latin-1") * 20)
    (made / "wide.txt").write_text("breit und größer", encoding="utf-16")
    (made / "lines.json").write_text('{"a": 1}\n{"a": 2}\n')
    (made / "empty.csv").write_text("")
    (made / "empty.txt").write_text("")
    (made / "long.txt").write_text("".join(f"Line {n} is about stones.\n" for n in range(2_000)) + FACT)
    (made / "sub").mkdir()
    (made / "sub" / "deeper.md").write_text("# Deeper\n")
    return made


def reader(folder: Path, encoder: WordEncoder | None = None) -> BaseTool:
    return documents_tools(ToolConfig(files=(folder,), embed=encoder.embed if encoder else None))[0].tool


@pytest.fixture
def read(folder: Path) -> BaseTool:
    return reader(folder)


TABLE = "| bird | eggs |\n| --- | --- |\n| heron | 4 |"


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("pdf", ["## Page 1", TABLE, "## Page 2", "says page 2"]),
        ("docx", ["# Birds", TABLE]),
        ("pptx", ["## Slide 1", "Birds", TABLE, "Notes: Say it slowly"]),
        ("xlsx", ["## Sheet Nests", "| bird | eggs | note |", "| stork | 7 |"]),
        ("epub", ["# A book of birds", "## Chapter one", "## Chapter two", "The stork comes later"]),
        ("zip", ["2 entries", "| inner.zip |"]),
        ("html", ["# Birds"]),
        ("csv", ["| bird | note |", "| stork | later |"]),
        ("json", ['"bird": "heron"']),
        ("txt", []),
    ],
)
def test_each_kind_of_document_becomes_markdown(read: BaseTool, kind: str, parts: list[str]) -> None:
    text = read.invoke({"path": f"birds.{kind}"})
    assert text.startswith(f"[birds.{kind}]\n")
    for expected in [FACT, *parts]:
        assert expected in text


@needs_tesseract
def test_the_pages_of_a_scan_are_read_from_their_pictures(tmp_path: Path) -> None:
    make_sign(tmp_path / "sign.png")
    with Image.open(tmp_path / "sign.png") as sign:
        sign.save(tmp_path / "scan.pdf", save_all=True, append_images=[sign])
    said = reader(tmp_path).invoke({"path": "scan.pdf"})
    assert said == f"[scan.pdf]\n## Page 1\n\n{WORDS}\n\n## Page 2\n\n{WORDS}"


def test_encodings_that_nobody_declared(read: BaseTool) -> None:
    assert "März, sagt Ärger" in read.invoke({"path": "latin.txt"})
    assert "breit und größer" in read.invoke({"path": "wide.txt"})


def test_lines_of_json_and_what_is_empty(read: BaseTool) -> None:
    assert '{"a": 2}' in read.invoke({"path": "lines.json"})
    for name in ("empty.csv", "empty.txt"):
        assert "(empty)" in read.invoke({"path": name}).replace("it is empty", "empty")


def test_a_long_text_is_read_part_by_part(read: BaseTool) -> None:
    text, offset = "", 0
    while True:
        head, _, part = read.invoke({"path": "long.txt", "offset": offset}).partition("\n")
        assert len(part) <= 8_000
        text += part
        if "for the rest" not in head:
            break
        offset = int(head.partition("offset=")[2].rstrip("]"))
    assert text.endswith(FACT)
    assert text.count("is about stones") == 2_000


@pytest.mark.parametrize("with_encoder", [True, False])
def test_a_query_shows_the_parts_that_bear_on_it(
    folder: Path, encoder: WordEncoder, *, with_encoder: bool
) -> None:
    read = reader(folder, encoder if with_encoder else None)
    text = read.invoke({"path": "long.txt", "query": "heron nests"})
    assert FACT in text
    assert len(text) < 9_000
    at = int(text.rpartition("[at ")[2].partition("]")[0])
    assert FACT in read.invoke({"path": "long.txt", "offset": at})


def test_an_encoder_that_fails_leaves_the_words(folder: Path) -> None:
    def fails(texts: Sequence[str]) -> NDArray[np.float32]:
        raise OSError("no weights")

    read = documents_tools(ToolConfig(files=(folder,), embed=fails))[0].tool
    assert FACT in read.invoke({"path": "long.txt", "query": "heron nests"})


async def test_a_folder_lists_its_files_also_asynchronously(read: BaseTool) -> None:
    for path in (".", "", "sub"):
        listed = (await read.ainvoke({"path": path})).split("\n")
        assert {"birds.pdf", "sub/deeper.md"} <= set(listed)
    assert "# Deeper" in await read.ainvoke({"path": "sub/deeper.md"})


def test_a_document_that_changes_is_read_again(tmp_path: Path) -> None:
    read = reader(tmp_path)
    for pages in (1, 3):
        make_pdf(tmp_path / "x.pdf", pages)
        assert f"## Page {pages}" in read.invoke({"path": "x.pdf"})


@pytest.mark.parametrize("offset", [-1, 10_000_000])
def test_an_offset_beyond_the_text_says_how_long_it_is(read: BaseTool, offset: int) -> None:
    with pytest.raises(ToolException, match=r"read_document: the text has [0-9]+ characters"):
        read.invoke({"path": "long.txt", "offset": offset})


def test_a_missing_file_names_those_that_there_are(read: BaseTool, folder: Path) -> None:
    with pytest.raises(ToolException, match=r"no file 'nope.pdf': the files are .*birds.pdf") as refused:
        read.invoke({"path": "nope.pdf"})
    assert str(folder) not in str(refused.value)


def test_no_files(tmp_path: Path) -> None:
    assert reader(tmp_path).invoke({"path": "."}) == "there are no files"
    with pytest.raises(ToolException, match="there are no files"):
        reader(tmp_path).invoke({"path": "x"})
