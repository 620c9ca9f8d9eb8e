"""Turns one document into Markdown, in a process of its own.

Reads {"kind", "path", "tesseract"} from stdin (the program, for scanned pages, or null), or {"kind", "text"}
for kinds that are text, and writes {"text"} to stdout, or {"error"}: a sentence without a name. It has a
process because a document may be made to fill the memory or to take for ever. It imports nothing of the
package, so that it starts quickly.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import time
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_TEXT = 2_000_000
MAX_UNPACKED = 300_000_000
MAX_ENTRIES = 10_000
MAX_ROWS = 5_000  # of one sheet
MAX_COLUMNS = 100
MAX_LISTED = 2_000
MAX_SCANS = 10  # pages without text, of which the picture is read
SIDE = 3_000  # pixels, of such a picture
_SECONDS = 20.0  # less than the process has
_SECONDS_FOR_TABLES = 8.0
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_RULES = 4  # so many lines and boxes on a page may be a table's


class Refused(Exception):  # noqa: N818
    """Why there is no text, as a sentence."""


PROTECTED = "it is protected by a password: use a copy without one"
BROKEN = "it is damaged, or not what its name says: use another copy"


def pdf(job: dict[str, Any]) -> Iterator[str]:
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(job["path"])
    except pdfium.PdfiumError as error:
        raise Refused(PROTECTED if "password" in str(error).lower() else BROKEN) from None
    tables = _PdfTables(job["path"])
    began = time.monotonic()
    scans = 0
    for number in range(len(document)):
        if time.monotonic() - began > _SECONDS:
            yield f"… [pages {number + 1} to {len(document)} were not read for want of time]"
            return
        page = document[number]
        rules = sum(1 for _ in page.get_objects(filter=[pdfium.raw.FPDF_PAGEOBJ_PATH], max_depth=2))
        text = tables.page(number) if rules >= _RULES else None
        if text is None:
            text = page.get_textpage().get_text_bounded().replace("\r\n", "\n").strip()
        if not text and scans < MAX_SCANS and job.get("tesseract"):
            scans += 1
            text = _scanned(page, job["tesseract"], _SECONDS - (time.monotonic() - began))
        page.close()
        yield f"## Page {number + 1}\n\n{text.strip() or '(no text on this page: it may be a scan)'}"


def _scanned(page: Any, program: str, seconds: float) -> str:
    """The text on the picture of a page, as far as tesseract can read it in so long."""
    scale = min(200 / 72, SIDE / max(*page.get_size(), 1.0))
    stream = io.BytesIO()
    page.render(scale=scale).to_pil().convert("L").save(stream, "PNG")
    try:
        done = subprocess.run(  # noqa: S603  (the program that the caller found; the picture is its stdin)
            [program, "stdin", "stdout"],
            input=stream.getvalue(),
            capture_output=True,
            env={"OMP_THREAD_LIMIT": "1"},
            timeout=max(seconds, 1.0),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


class _PdfTables:
    """Pages with ruled tables, for so long as there is time for them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left = _SECONDS_FOR_TABLES
        self._document: Any = None

    def page(self, number: int) -> str | None:
        """The page's text with its tables as Markdown; None where there is no table, or no time."""
        if self._left <= 0:
            return None
        began = time.monotonic()
        try:
            return self._read(number)
        except Exception:  # noqa: BLE001  (pdfminer raises many kinds; the plain text is there)
            return None
        finally:
            self._left -= time.monotonic() - began

    def _read(self, number: int) -> str | None:
        import pdfplumber

        if self._document is None:
            self._document = pdfplumber.open(self._path)
        page = self._document.pages[number]
        tables = [table for table in page.find_tables() if len(table.rows) > 1 and len(table.columns) > 1]
        if not tables:
            return None
        rest = page
        for table in tables:
            rest = rest.outside_bbox(table.bbox)
        return "\n\n".join([rest.extract_text() or "", *(grid(table.extract()) for table in tables)])


def docx(job: dict[str, Any]) -> Iterator[str]:
    import mammoth

    with _archive(job["path"]) as archive, archive.open("word/document.xml"):
        pass
    with open(job["path"], "rb") as stream:  # noqa: PTH123
        html = mammoth.convert_to_html(
            stream, convert_image=mammoth.images.img_element(lambda _image: {"src": ""})
        ).value
    yield _markdown(html)


def pptx(job: dict[str, Any]) -> Iterator[str]:
    from pptx import Presentation

    _archive(job["path"]).close()
    for number, slide in enumerate(Presentation(job["path"]).slides, start=1):
        parts = [f"## Slide {number}", *_shapes(slide.shapes)]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame:
            notes = slide.notes_slide.notes_text_frame.text.strip()
            parts += [f"Notes: {notes}"] if notes else []
        yield "\n\n".join(parts)


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        elif getattr(shape, "has_table", False):
            yield grid([[cell.text for cell in row.cells] for row in shape.table.rows])
        elif getattr(shape, "has_text_frame", False) and shape.text_frame.text.strip():
            yield shape.text_frame.text.strip()


def xlsx(job: dict[str, Any]) -> Iterator[str]:
    import openpyxl

    _archive(job["path"]).close()
    book = openpyxl.load_workbook(job["path"], read_only=True, data_only=True)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what a file says of its size need not be so
        rows = [
            ["" if cell is None else str(cell) for cell in row]
            for row in sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=MAX_COLUMNS, values_only=True)
        ]
        more = [f"… [only the first {MAX_ROWS} rows]"] if len(rows) > MAX_ROWS else []
        yield "\n\n".join([f"## Sheet {sheet.title}", grid(rows[:MAX_ROWS]) or "(empty)", *more])


def epub(job: dict[str, Any]) -> Iterator[str]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    with _archive(job["path"], dtd=True) as archive:
        container = etree.fromstring(archive.read("META-INF/container.xml"), parser)
        opf = PurePosixPath(container.xpath("string(//*[local-name()='rootfile']/@full-path)"))
        package = etree.fromstring(archive.read(str(opf)), parser)
        title = package.xpath("string(//*[local-name()='title'])").strip()
        if title:
            yield f"# {title}"
        files = {item.get("id"): item.get("href") for item in package.xpath("//*[local-name()='item']")}
        for reference in package.xpath("//*[local-name()='itemref']/@idref"):
            name = str(opf.parent / (files.get(reference) or ""))
            if name in archive.NameToInfo:
                yield _markdown(archive.read(name).decode("utf-8", "replace"))


def archive_listing(job: dict[str, Any]) -> Iterator[str]:
    with _opened(job["path"]) as archive:
        entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    yield f"{len(entries)} entries, {total} bytes unpacked (nothing was unpacked)"
    rows = [[_line(entry.filename), str(entry.file_size)] for entry in entries[:MAX_LISTED]]
    yield grid([["name", "bytes"], *rows])


def table(job: dict[str, Any]) -> Iterator[str]:
    csv.field_size_limit(10_000_000)
    try:
        dialect: Any = csv.Sniffer().sniff(job["text"][:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = []
    try:
        for row in csv.reader(io.StringIO(job["text"]), dialect):
            rows.append(row[:MAX_COLUMNS])
            if len(rows) > MAX_ROWS:
                break
    except csv.Error:
        yield job["text"]
        return
    yield grid(rows[:MAX_ROWS]) or "(empty)"
    if len(rows) > MAX_ROWS:
        yield f"… [only the first {MAX_ROWS} rows]"


def data(job: dict[str, Any]) -> Iterator[str]:
    try:
        yield json.dumps(json.loads(job["text"]), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):  # lines of JSON, or no JSON at all: a text in any case
        yield job["text"]


def _archive(path: str, *, dtd: bool = False) -> zipfile.ZipFile:
    """The archive that an Office file is, once it is known to be no bomb."""
    with open(path, "rb") as stream:  # noqa: PTH123
        if stream.read(4) == _OLD_OFFICE:
            raise Refused(
                "it is protected by a password or of an old format: use a copy saved anew without one"
            )
    archive = _opened(path)
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise Refused("it unpacks to far more than a document has: it is not opened")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Refused(PROTECTED)
    for entry in () if dtd else entries:
        if entry.filename.endswith((".xml", ".rels")):
            with archive.open(entry) as part:
                if b"<!DOCTYPE" in part.read(4_000).replace(b"\0", b""):  # in UTF-16 too
                    raise Refused(
                        "it declares entities, which no document of this kind does: it is not opened"
                    )
    return archive


def _opened(path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise Refused(BROKEN) from None


def _markdown(html: str) -> str:
    from markdownify import markdownify

    text = markdownify(html[: 4 * MAX_TEXT], heading_style="ATX", strip=["img"], table_infer_header=True)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def grid(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as a Markdown table, the first as its head; empty rows are left out."""
    lines = [[_line(str(cell or "")).replace("|", "\\|") for cell in row] for row in rows]
    lines = [line for line in lines if any(line)]
    width = max((max(i for i, cell in enumerate(line) if cell) + 1 for line in lines), default=0)
    if not width:
        return ""
    padded = [(line + [""] * width)[:width] for line in lines]
    shown = ["| " + " | ".join(line) + " |" for line in padded]
    return "\n".join([shown[0], "|" + " --- |" * width, *shown[1:]])


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


READERS: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "pdf": pdf, "docx": docx, "pptx": pptx, "xlsx": xlsx, "epub": epub, "zip": archive_listing,
    "csv": table, "json": data,
}  # fmt: skip


def convert(job: dict[str, Any]) -> str:
    parts: list[str] = []
    size = 0
    for part in READERS[job["kind"]](job):
        parts.append(part)
        size += len(part)
        if size > MAX_TEXT:
            parts = ["\n\n".join(parts)[:MAX_TEXT], "… [the rest was not read: it is too long]"]
            break
    return "\n\n".join(parts)


def main() -> None:
    job = json.loads(sys.stdin.read())
    try:
        reply = {"text": convert(job)}
    except Refused as refused:
        reply = {"error": str(refused)}
    except MemoryError:
        reply = {"error": "it needs too much memory: it is not opened"}
    except Exception:  # noqa: BLE001  (what a broken document makes these libraries raise)
        reply = {"error": BROKEN}
    sys.stdout.write(json.dumps(reply))


if __name__ == "__main__":
    main()
