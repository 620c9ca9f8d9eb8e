"""Reading documents in the folders that tools may read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig  # noqa: TC002  (LangChain reads the annotations)
from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig, missing_packages
from memento.tools.encodings import decode, is_text
from memento.tools.limits import make_tool, run_worker
from memento.tools.pages import Recent, focused, part
from memento.tools.paths import is_folder, listed, opened
from memento.tools.traits import FROM_STRANGERS, run_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 40.0
MAX_TEXT_FILE = 20_000_000
MAX_DOCUMENT = 200_000_000
PACKAGES = ("pypdfium2", "pdfplumber", "mammoth", "markdownify", "pptx", "openpyxl", "trafilatura")
DOCUMENT_WORKER = str(Path(__file__).with_name("_document_worker.py"))
PAGE_WORKER = str(Path(__file__).with_name("_page_worker.py"))
MEMORY = 1_500_000_000
_KINDS = {
    ".pdf": "pdf", ".docx": "docx", ".pptx": "pptx", ".xlsx": "xlsx", ".xlsm": "xlsx", ".epub": "epub",
    ".zip": "zip", ".csv": "csv", ".tsv": "csv", ".json": "json", ".html": "html", ".htm": "html",
    ".xhtml": "html",
}  # fmt: skip
_OF_TEXT = {"csv", "json", "html", "text"}


class ReadDocumentArgs(BaseModel):
    path: str = Field(description="The file, for example report.pdf; a folder such as . lists what is in it")
    query: str = Field(
        default="", description="What to look for: of a long document only those parts are shown"
    )
    offset: int = Field(default=0, description="Read on from this character, as an earlier answer says")


def documents_tools(config: ToolConfig) -> list[Offer]:
    roots = config.files
    recent: Recent[tuple[str, str, tuple[int, int]], str] = Recent(4)

    def read_document(path: str, run: RunnableConfig, query: str = "", offset: int = 0) -> str:
        """Read a document as Markdown: PDF, Word, PowerPoint, Excel, HTML, EPUB, CSV, JSON, text; list a ZIP.

        Example: read_document(path="report.pdf", query="revenue in 2023")
        """
        try:
            return _read(path, run, query, offset)
        except ToolException as error:
            raise ToolException(f"read_document: {error}") from None

    def _read(path: str, run: RunnableConfig, query: str, offset: int) -> str:
        if is_folder(path, roots):
            return _listing(roots)
        with opened(path, config, run) as file:
            key = (run_of(run), file.name, file.state)
            text = recent.get(key)
            if text is None:
                text = document_text(file.path)
                recent.put(key, text)
        if not text.strip():
            return f"[{file.name}]\n(it is empty)"
        if query and not offset:
            return focused(text, file.name, query, config.embed)
        return part(text, file.name, offset)

    return [
        Offer(make_tool(read_document, ReadDocumentArgs, traits=FROM_STRANGERS), missing_packages(*PACKAGES))
    ]


def _listing(roots: Sequence[Path]) -> str:
    names = listed(roots)
    return "\n".join(["the files:", *names]) if names else "there are no files"


def document_text(file: Path) -> str:
    """The whole of a document as Markdown.

    Raises:
        ToolException: it cannot be read; the message says why.
    """
    kind = _KINDS.get(file.suffix.lower(), "text")
    if file.stat().st_size > (MAX_TEXT_FILE if kind in _OF_TEXT else MAX_DOCUMENT):
        raise ToolException("the file is too large to be read as a document: use a part of it")
    if kind not in _OF_TEXT:
        return ask_worker(DOCUMENT_WORKER, document_job(kind, file))
    body = file.read_bytes()
    if not is_text(body):
        raise ToolException(
            f"{file.suffix or 'this'} is no kind of document that can be read: use another tool"
        )
    text = decode(body)
    if kind == "text":
        return text
    if kind == "html":
        return ask_worker(PAGE_WORKER, {"html": text, "url": ""}) if text.strip() else ""
    return ask_worker(DOCUMENT_WORKER, {"kind": kind, "text": text})


def document_job(kind: str, file: Path) -> dict[str, Any]:
    """What the worker of documents is asked for a file."""
    return {"kind": kind, "path": str(file), "tesseract": shutil.which("tesseract")}


def ask_worker(script: str, job: dict[str, Any]) -> str:
    """The text that a worker makes of a document."""
    try:
        return text_of(run_worker(script, job, SECONDS, MEMORY))
    except TimeoutError:
        raise ToolException(f"it was not read after {SECONDS:g} seconds: use a smaller document") from None
    except MemoryError:
        raise ToolException("it needs too much memory: use a smaller document") from None


def text_of(reply: dict[str, Any]) -> str:
    if "error" in reply:
        raise ToolException(str(reply["error"]))
    return str(reply.get("text", ""))
