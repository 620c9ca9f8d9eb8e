"""Async nodes, written once, under invoke and ainvoke alike.

HTTP clients belong to the event loop that first used them, so a client that lives longer than one
`asyncio.run` needs a loop that does too: every node runs on one background loop of the process.
"""

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

from langchain_core.runnables import RunnableLambda

T = TypeVar("T")

_LAST_SECONDS = 5.0


@functools.cache
def _loop_of(pid: int) -> asyncio.AbstractEventLoop:
    """The process's loop; a forked child gets its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"memento-{pid}", daemon=True).start()
    return loop


class _Job(Generic[T]):
    """A coroutine on the background loop, with the context variables of whoever started it."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.future: Future[T] = Future()
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._loop = _loop_of(os.getpid())
        self._context = contextvars.copy_context()
        self.future.set_running_or_notify_cancel()
        self._loop.call_soon_threadsafe(self._start)

    def stop(self) -> None:
        """Cancel the coroutine where it is."""
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())

    def _start(self) -> None:
        self._task = self._loop.create_task(self._work, context=self._context)
        self._task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[T]") -> None:
        if task.cancelled():
            self.future.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for it; Ctrl-C in the main thread cancels it."""
    job = _Job(work)
    try:
        return job.future.result()
    except KeyboardInterrupt:
        job.stop()
        wait([job.future], _LAST_SECONDS)  # the tools that it was using end, too
        raise


async def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine that runs on the background loop; being cancelled cancels it."""
    job = _Job(work)
    try:
        return await asyncio.wrap_future(job.future)
    except asyncio.CancelledError:
        job.stop()
        raise


def on_background_loop(
    node: Callable[[Any], Coroutine[Any, Any, Any]], name: str
) -> RunnableLambda[Any, Any]:
    """A node for `add_node` that works under invoke and ainvoke."""

    def sync(state: Any) -> Any:
        return run_sync(node(state))

    async def hop(state: Any) -> Any:
        return await run_async(node(state))

    return RunnableLambda(sync, afunc=hop, name=name)


async def maybe_await(value: "T | Awaitable[T]") -> T:
    if isinstance(value, Awaitable):
        return await value
    return value
