"""What every tool shares: a time limit, an output budget, and errors that a model can act on."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig  # noqa: TC002  (LangChain reads the annotations)
from langchain_core.tools import StructuredTool, ToolException
from pydantic import BaseModel, ValidationError

from memento.tools.traits import Traits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

OUTPUT_CHARACTERS = 4_000
_WHOLE_DIGITS = 15  # up to here whole numbers are written out
PURE = Traits(effect="reads")
_WORKER = Path(__file__).with_name("_worker.py")
_KEPT_VARIABLES = (
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)  # what Python itself may need to start
_ABSOLUTE_PATH = re.compile(
    r"(?<![\w:/<.])(?:[A-Za-z]:[\\/]|/)(?:[^\s'\"`:;,()<>|/\\]+[\\/])+[^\s'\"`:;,()<>|]*"
)


class BoundedTool(StructuredTool):
    """A structured tool whose every failure, bad arguments included, is a ToolException."""

    def _parse_input(self, tool_input: str | dict[str, Any], tool_call_id: str | None) -> Any:
        try:
            return super()._parse_input(tool_input, tool_call_id)
        except ValidationError as error:
            raise ToolException(f"{self.name}: {_argument_problems(error)}") from None


def make_tool(
    function: Callable[..., str],
    schema: type[BaseModel],
    coroutine: Callable[..., Awaitable[str]] | None = None,
    traits: Traits = PURE,
) -> BoundedTool:
    """A tool named and described by the function itself. Unless `traits` say otherwise it changes nothing,
    and what it returns is computed from what the user has.
    """
    made = BoundedTool.from_function(
        func=function,
        coroutine=coroutine,
        name=function.__name__,
        description=inspect.getdoc(function),
        args_schema=schema,
        metadata=traits.metadata(),
    )
    assert isinstance(made, BoundedTool)  # noqa: S101  (from_function is typed as the base class)
    return made


def _argument_problems(error: ValidationError) -> str:
    problems = []
    for detail in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in detail["loc"]) or "arguments"
        given = "" if detail["type"] == "missing" else f", not {shorten(repr(detail['input']), 80)}"
        problems.append(f"{where}: {detail['msg']}{given}")
    return "; ".join(problems[:5])


def shorten(text: str, limit: int = OUTPUT_CHARACTERS) -> str:
    """The text itself, or its beginning with a note of what was left out."""
    if len(text) <= limit:
        return text
    note = f"… [shortened: {len(text)} characters in all]"
    return text[: max(0, limit - len(note))] + note


def format_number(value: float, significant: int) -> str:
    """So many significant digits, whole numbers in full, no trace of binary fractions."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    magnitude = math.floor(math.log10(abs(value))) + 1
    if magnitude > _WHOLE_DIGITS or magnitude < -_WHOLE_DIGITS // 2:
        mantissa, _, exponent = f"{value:.{significant - 1}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    text = f"{value:.{max(0, significant - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def hide_paths(message: str, roots: Iterable[Path] = ()) -> str:
    """An error message without the folders of this machine; file names stay readable."""
    message = message.replace("file://", "")
    for root in sorted({str(root) for root in roots}, key=len, reverse=True):
        if len(root) > 1:
            message = message.replace(root + "/", "").replace(root + "\\", "").replace(root, ".")
    return _ABSOLUTE_PATH.sub(
        lambda found: "…/" + re.split(r"[\\/]", found.group().rstrip("/\\"))[-1], message
    )


def make_async_tool(
    coroutine: Callable[..., Awaitable[str]], schema: type[BaseModel], traits: Traits = PURE
) -> BoundedTool:
    """A tool of what is asynchronous by nature; a synchronous call of it has an event loop of its own."""
    takes_run = "run" in inspect.signature(coroutine).parameters

    def blocking(run: RunnableConfig, **arguments: Any) -> str:
        if takes_run:
            arguments["run"] = run
        # The caller's thread may be running an event loop already.
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(lambda: asyncio.run(_awaited(coroutine(**arguments)))).result()

    blocking.__name__ = coroutine.__name__
    blocking.__doc__ = coroutine.__doc__
    return make_tool(blocking, schema, coroutine, traits)


async def _awaited(result: Awaitable[str]) -> str:
    return await result


class Worker:
    """A process that runs one script under limits and answers one job: JSON in, JSON out.

    It gets a clock, a memory limit, and none of this process's environment: no secret can leave by it. It
    starts at once, so that what it imports is there when its job is.
    """

    def __init__(self, script: str, seconds: float, memory: int) -> None:
        self._seconds = seconds
        limits = (str(memory), str(math.ceil(seconds) * 2))
        try:
            self._process = subprocess.Popen(  # noqa: S603  (this interpreter and files of this package)
                [sys.executable, "-I", "-X", "utf8", str(_WORKER), script, *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
                start_new_session=True,
            )
        except OSError:
            raise MemoryError from None

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """What the script answers.

        Raises:
            TimeoutError: it took too long.
            MemoryError: the process ended without an answer.
        """
        try:
            reply = json.loads(self._process.communicate(json.dumps(job), timeout=self._seconds)[0])
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        except (OSError, ValueError):
            raise MemoryError from None
        finally:
            self.stop()
        return reply if isinstance(reply, dict) else {}

    def stop(self) -> None:
        """End the process and what it started, whatever they are doing."""
        if self._process.returncode is None:
            with suppress(OSError, AttributeError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()


def run_worker(script: str, job: dict[str, Any], seconds: float, memory: int) -> dict[str, Any]:
    """What the script answers to the job, from a process that can be stopped.

    Raises:
        TimeoutError: it took too long.
        MemoryError: the process ended without an answer.
    """
    return Worker(script, seconds, memory).ask(job)
