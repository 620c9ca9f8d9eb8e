"""Listening to recordings and watching them."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig  # noqa: TC002  (LangChain reads the annotations)
from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.image import NEEDS_VISION
from memento.tools.limits import make_async_tool, run_worker, shorten
from memento.tools.pages import PAGE
from memento.tools.paths import opened
from memento.tools.seeing import MAX_QUESTION, ask_about
from memento.tools.traits import FROM_STRANGERS_AT_A_PRICE

Transcribe = Callable[[bytes], Awaitable[str]]
"""From a recording (FLAC) to what is said in it."""

SECONDS = 25.0  # for ffmpeg
SECONDS_TO_HEAR = 30.0
HEARD = 300  # seconds of a recording in one call
FRAMES = 8
_BETWEEN = 15  # seconds, at most, between two pictures of a scene that does not change
MEMORY = 2_500_000_000
WORKER = str(Path(__file__).with_name("_media_worker.py"))
NEEDS_FFMPEG = "install ffmpeg (for example `apt-get install ffmpeg`)"
NEEDS_TRANSCRIBER = (
    "set MEMENTO_TRANSCRIBER to a model that hears, for example whisper-1, with OPENAI_API_KEY or the "
    "MEMENTO_TRANSCRIBER_URL of another service"
)


class TranscribeArgs(BaseModel):
    path: str = Field(description="The recording, audio or video, for example interview.mp3")
    start: int = Field(default=0, ge=0, description="Begin at this second, as an earlier answer says")


class LookAtVideoArgs(BaseModel):
    path: str = Field(description="The video, for example visit.mp4")
    question: str = Field(description="What you want to know of it", max_length=MAX_QUESTION)
    start: int = Field(default=0, ge=0, description="Begin at this second, as an earlier answer says")


def media_tools(config: ToolConfig) -> list[Offer]:
    program = shutil.which("ffmpeg")

    async def transcribe(path: str, run: RunnableConfig, start: int = 0) -> str:
        """Write down what is said in a recording (audio or video), five minutes at a time.

        Example: transcribe(path="interview.mp3")
        """
        try:
            job = {"want": "sound", "start": start, "seconds": HEARD}
            with opened(path, config, run) as file:
                reply = await asyncio.to_thread(_taken, job, file.path, program)
            text = await _heard(config.transcribe, base64.b64decode(reply["sound"]))
        except ToolException as error:
            raise ToolException(f"transcribe: {error}") from None
        end = start + HEARD
        source = _source(file.name, start, end, reply["length"])
        return shorten(f"[{source}]\n{text.strip() or '(nothing is said)'}", PAGE)

    async def look_at_video(path: str, question: str, run: RunnableConfig, start: int = 0) -> str:
        """Ask about a video; a model that sees looks at its pictures where the scene changes, and answers.

        Example: look_at_video(path="visit.mp4", question="What is shown on the screen?")
        """
        try:
            job = {"want": "frames", "start": start, "seconds": _BETWEEN, "most": FRAMES}
            with opened(path, config, run) as file:
                reply = await asyncio.to_thread(_taken, job, file.path, program)
            frames = reply["frames"]
            times = ", ".join(_clock(second) for second, _ in frames)
            asked = f"These are pictures of a video, at {times}. {question}"
            answer = await ask_about(config.see, asked, [base64.b64decode(picture) for _, picture in frames])
        except ToolException as error:
            raise ToolException(f"look_at_video: {error}") from None
        end = int(frames[-1][0]) + 1 if len(frames) == FRAMES else 10**9
        source = _source(file.name, start, end, reply["length"])
        return shorten(f"[{source}; pictures at {times}]\n{answer}", PAGE)

    heard = NEEDS_FFMPEG if not program else "" if config.transcribe else NEEDS_TRANSCRIBER
    seen = NEEDS_FFMPEG if not program else "" if config.see else NEEDS_VISION
    return [
        Offer(make_async_tool(transcribe, TranscribeArgs, FROM_STRANGERS_AT_A_PRICE), heard),
        Offer(make_async_tool(look_at_video, LookAtVideoArgs, FROM_STRANGERS_AT_A_PRICE), seen),
    ]


def _taken(job: dict[str, Any], file: Path, program: str | None) -> dict[str, Any]:
    try:
        reply = run_worker(WORKER, {**job, "path": str(file), "ffmpeg": program}, SECONDS, MEMORY)
    except TimeoutError:
        raise ToolException(f"not done after {SECONDS:g} seconds: use a shorter recording") from None
    except MemoryError:
        raise ToolException("it needs too much memory: use a shorter recording") from None
    if "error" in reply:
        raise ToolException(str(reply["error"]))
    if job["start"] and (job["start"] >= reply["length"] or not (reply.get("sound") or reply.get("frames"))):
        raise ToolException(f"it is {_clock(reply['length'])} long: begin earlier")
    return reply


async def _heard(transcribe: Transcribe | None, sound: bytes) -> str:
    if transcribe is None:
        raise ToolException("there is no model that hears")
    try:
        async with asyncio.timeout(SECONDS_TO_HEAR):
            return await transcribe(sound)
    except TimeoutError:
        raise ToolException(
            f"the model that hears took over {SECONDS_TO_HEAR:g} seconds: try once more"
        ) from None
    except Exception as error:  # noqa: BLE001  (its message may hold a key or an address)
        raise ToolException(
            f"the model that hears failed ({type(error).__name__}): go on without it"
        ) from None


def _source(name: str, start: int, end: int, length: float) -> str:
    if length <= end:
        return f"{name}, {_clock(start)} to its end at {_clock(length)}"
    return f"{name}, {_clock(start)} to {_clock(end)} of {_clock(length)}; for the rest give start={end}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
