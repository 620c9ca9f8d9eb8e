"""Looking at pictures: with a model that sees, and reading the text on them without one."""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig  # noqa: TC002  (LangChain reads the annotations)
from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig, missing_packages
from memento.tools.fetch import Bounds, FetchError
from memento.tools.limits import make_async_tool, run_worker, shorten
from memento.tools.pages import part
from memento.tools.paths import opened
from memento.tools.seeing import MAX_QUESTION, ask_about
from memento.tools.traits import FROM_STRANGERS, FROM_STRANGERS_AT_A_PRICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 15.0
SECONDS_TO_READ = 40.0
SIDE = 1_568  # pixels; models that see get no more of a picture than about this
SIDE_FOR_TEXT = 4_000
MEMORY = 2_000_000_000
WORKER = str(Path(__file__).with_name("_picture_worker.py"))
NEEDS_VISION = "set MEMENTO_VISION to a model that sees, for example openai:gpt-4.1"
NEEDS_TESSERACT = "install tesseract (for example `apt-get install tesseract-ocr`)"
_BOUNDS = Bounds(kinds=("image/",), max_bytes=20_000_000, seconds=15.0)


class LookAtImageArgs(BaseModel):
    question: str = Field(description="What you want to know of the picture", max_length=MAX_QUESTION)
    path: str = Field(default="", description="The picture's file, for example chart.png")
    url: str = Field(default="", description="Or its address on the web")


class ReadImageTextArgs(BaseModel):
    path: str = Field(default="", description="The picture's file, for example scan.png")
    url: str = Field(default="", description="Or its address on the web")
    language: str = Field(
        default="eng", description="The text's language, for example eng or deu", pattern=r"^[a-z_]{3,12}$"
    )


def image_tools(config: ToolConfig) -> list[Offer]:
    program = shutil.which("tesseract")

    async def look_at_image(question: str, run: RunnableConfig, path: str = "", url: str = "") -> str:
        """Ask about a picture, in a file or on the web; a model that sees looks at it and answers.

        Example: look_at_image(question="Which bar is the highest?", path="chart.png")
        """
        try:
            async with _picture(path, url, config, run) as (file, source):
                reply = await asyncio.to_thread(_made, {"path": str(file), "side": SIDE}, SECONDS)
                answer = await ask_about(config.see, question, [base64.b64decode(reply["picture"])])
        except (FetchError, ToolException) as error:
            raise ToolException(f"look_at_image: {error}") from None
        return shorten(f"[{source}, {reply['width']} x {reply['height']}]\n{answer}")

    async def read_image_text(
        run: RunnableConfig, path: str = "", url: str = "", language: str = "eng"
    ) -> str:
        """Read the text on a picture, in a file or on the web, letter by letter (OCR).

        Example: read_image_text(path="scan.png")
        """
        try:
            async with _picture(path, url, config, run) as (file, source):
                job = {"path": str(file), "side": SIDE_FOR_TEXT, "tesseract": program, "language": language}
                text = str((await asyncio.to_thread(_made, job, SECONDS_TO_READ))["text"]).strip()
                return part(text or "(there is no text on it that can be read)", source, 0)
        except (FetchError, ToolException) as error:
            raise ToolException(f"read_image_text: {error}") from None

    pillow = missing_packages("PIL")
    return [
        Offer(
            make_async_tool(look_at_image, LookAtImageArgs, FROM_STRANGERS_AT_A_PRICE),
            "" if config.see else NEEDS_VISION,
        ),
        Offer(
            make_async_tool(read_image_text, ReadImageTextArgs, FROM_STRANGERS),
            pillow if program else NEEDS_TESSERACT,
        ),
    ]


@asynccontextmanager
async def _picture(
    path: str, url: str, config: ToolConfig, run: RunnableConfig
) -> AsyncIterator[tuple[Path, str]]:
    """The picture as a file, and what a model calls it."""
    if bool(path.strip()) == bool(url.strip()):
        raise ToolException("give the picture's path, or else its url")
    if path:
        with opened(path, config, run) as found:
            yield found.path, found.name
        return
    fetched = await config.web.get(url, _BOUNDS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture"
        file.write_bytes(fetched.body)
        yield file, fetched.url


def _made(job: dict[str, Any], seconds: float) -> dict[str, Any]:
    try:
        reply = run_worker(WORKER, job, seconds, MEMORY)
    except TimeoutError:
        raise ToolException(f"not done after {seconds:g} seconds: use a smaller picture") from None
    except MemoryError:
        raise ToolException("the picture needs too much memory: use a smaller copy") from None
    if "error" in reply:
        raise ToolException(str(reply["error"]))
    return reply
