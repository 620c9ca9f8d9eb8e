"""Real documents of every kind that the tools read, made with the formats' own libraries."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FACT = "The heron nests in March"


def make_documents(folder: Path) -> dict[str, Path]:
    """One document of each kind, each with FACT in it; by the ending of its name."""
    makers = {
        "pdf": make_pdf, "docx": make_docx, "pptx": make_pptx, "xlsx": make_xlsx, "epub": make_epub,
        "zip": make_zip, "html": make_html, "csv": make_csv, "json": make_json, "txt": make_text,
    }  # fmt: skip
    made = {}
    for kind, make in makers.items():
        made[kind] = folder / f"birds.{kind}"
        make(made[kind])
    return made


def make_pdf(path: Path, pages: int = 2) -> None:
    """Text on each page, and on the first a ruled table."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    with rc_context({"pdf.fonttype": 42}), PdfPages(path) as pdf:
        for number in range(1, pages + 1):
            figure = Figure(figsize=(6, 4))
            figure.text(0.1, 0.9, f"{FACT}, says page {number}.")
            if number == 1:
                axes = figure.add_axes((0.1, 0.2, 0.8, 0.5))
                axes.axis("off")
                axes.table([["heron", "4"], ["stork", "7"]], colLabels=["bird", "eggs"], loc="center")
            pdf.savefig(figure)


def make_docx(path: Path) -> None:
    """A Word document of a heading, a paragraph and a table, written part by part."""
    cells = "".join(
        "<w:tr>" + "".join(f"<w:tc><w:p><w:r><w:t>{t}</w:t></w:r></w:p></w:tc>" for t in row) + "</w:tr>"
        for row in (("bird", "eggs"), ("heron", "4"))
    )
    body = (
        '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Birds</w:t></w:r></w:p>'
        f"<w:p><w:r><w:t>{FACT}.</w:t></w:r></w:p><w:tbl>{cells}</w:tbl>"
    )
    write_docx(path, word_document(body))


def word_document(body: str, before: str = "") -> str:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return (
        f'<?xml version="1.0"?>{before}<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>'
    )


def write_docx(path: Path, document: str | bytes) -> None:
    office = "http://schemas.openxmlformats.org"
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    package = "application/vnd.openxmlformats-package"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{office}/package/2006/content-types">'
            f'<Default Extension="rels" ContentType="{package}.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{word}.document.main+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{office}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
            "</Relationships>",
        )
        archive.writestr("word/document.xml", document)


def make_pptx(path: Path) -> None:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Birds"
    slide.shapes.add_textbox(Inches(1), Inches(2), Inches(5), Inches(1)).text_frame.text = f"{FACT}."
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for row, cells in enumerate((("bird", "eggs"), ("heron", "4"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    slide.notes_slide.notes_text_frame.text = "Say it slowly"
    show.save(str(path))


def make_xlsx(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Nests"
    for row in (["bird", "eggs", "note"], ["heron", 4, FACT], ["stork", 7, None]):
        sheet.append(row)
    book.save(path)


def make_epub(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/content.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "OEBPS/content.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            "<metadata><dc:title>A book of birds</dc:title></metadata>"
            '<manifest><item id="one" href="one.xhtml"/><item id="two" href="two.xhtml"/></manifest>'
            '<spine><itemref idref="one"/><itemref idref="two"/></spine></package>',
        )
        for name, text in (("one", f"{FACT}."), ("two", "The stork comes later.")):
            archive.writestr(
                f"OEBPS/{name}.xhtml",
                f"<!DOCTYPE html><html><body><h2>Chapter {name}</h2><p>{text}</p></body></html>",
            )


def make_zip(path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.txt", "x" * 1000)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{FACT}.txt", FACT)
        archive.writestr("inner.zip", inner.getvalue())


def make_html(path: Path) -> None:
    path.write_text(
        f"<html><head><title>Birds</title></head><body><h1>Birds</h1><p>{FACT}.</p></body></html>"
    )


def make_csv(path: Path) -> None:
    path.write_text(f"bird;note\nheron;{FACT}\nstork;later\n")


def make_json(path: Path) -> None:
    path.write_text(json.dumps({"bird": "heron", "note": FACT}))


def make_text(path: Path) -> None:
    path.write_text(f"{FACT}.\n")
