"""The graph as a Runnable that LangServe can serve."""

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Literal, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.runnables.utils import AddableDict, ConfigurableFieldSpec
from langgraph.checkpoint.memory import InMemorySaver

from memento.api import build_graph
from memento.commands.run import report
from memento.errors import UsageError
from memento.graph import Agent, Context
from memento.graph.background import run_sync
from memento.memory import CaseBank
from memento.server.schema import graph_input
from memento.settings import Settings

MAX_BATCH = 64
MAX_NAME = 200
MAX_THREADS = 1000
"""So many conversations are remembered; starting one more forgets the one that was longest unused."""

# LangServe drops constraints such as ge=0 from these: `Served.context` checks them.
_MAY_SET: dict[str, Any] = {
    "policy": Literal["auto", "none", "similarity", "kernel", "neural"],
    "k": int,
    "learn": bool,
    "grow": bool,
    "max_cycles": int,
    "max_subtasks": int,
    "max_tool_calls": int,
    "max_model_calls": int,
    "timeout": float,
}
"""What a request may set of the run's context. Models and keys are the server's; whose memory it is comes
from who asks."""
_MODELS = ("planner", "executor", "judge")
_LIMITS = ("max_cycles", "max_subtasks", "max_tool_calls", "max_model_calls", "timeout")
_SWITCHES = ("learn", "grow")
NOT_SET = {field.name for field in fields(Context)} - _MAY_SET.keys()
"""What a request may not set."""


class Served(Runnable[Any, Any]):
    """The graph as LangServe needs it: LangServe passes on only the settings that a Runnable declares, and
    gives a compiled graph neither its thread nor its context.
    """

    name = "memento"

    def __init__(self, settings: Settings, bank: CaseBank) -> None:
        self._settings = settings
        self._threads = _Threads()
        self._graph = build_graph(settings=settings, bank=bank, checkpointer=self._threads.saver)
        self._without_thread: Agent = self._graph.copy({"checkpointer": None})

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        thread = ConfigurableFieldSpec(
            id="thread_id",
            annotation=str,
            name="Thread",
            description="The conversation that this goes on with; empty for none.",
            default="",
        )
        server = {name: getattr(self._settings, name) for name in _MAY_SET}
        return [
            thread,
            *(
                ConfigurableFieldSpec(id=name, annotation=kind, name=name, default=server[name])
                for name, kind in _MAY_SET.items()
            ),
        ]

    def context(self, config: RunnableConfig | dict[str, Any]) -> Context:
        """The run's context. A request may ask for less than the server's settings allow, not for more.

        Raises:
            UsageError: it does.
        """
        given = {name: value for name, value in given_to(config).items() if value is not None}
        for name in _LIMITS:
            most = getattr(self._settings, name)
            if given.get(name, most) > most:
                raise UsageError(f"{name} is at most {most:g} on this server")
        for name in _SWITCHES:
            if given.get(name) and not getattr(self._settings, name):
                raise UsageError(f"{name} is off on this server")
        if len(str(given.get("thread_id", ""))) > MAX_NAME:
            raise UsageError(f"thread_id has at most {MAX_NAME} characters")
        context = Context(
            **{name: given[name] for name in _MAY_SET if name in given},
            namespace=given.get("namespace"),
            ask=False,  # LangServe has no way to ask
        )
        names = [field.name for field in fields(Context) if field.name not in _MODELS]
        context.over(Context(**{name: getattr(self._settings, name) for name in names}))
        return context

    def invoke(
        self,
        input: Any,  # noqa: A002 - as Runnable calls it
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        return run_sync(self.ainvoke(input, config))

    async def ainvoke(
        self,
        input: Any,  # noqa: A002 - as Runnable calls it
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = await self._acall_with_config(self._answer, input, config)
        return answer

    def stream(
        self,
        input: Any,  # noqa: A002 - as Runnable calls it
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Iterator[Any]:
        yield self.invoke(input, config)

    async def astream(
        self,
        input: Any,  # noqa: A002 - as Runnable calls it
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> AsyncIterator[Any]:
        """`{"progress": [event]}` for everything that happens, then the report."""

        async def inputs() -> AsyncIterator[Any]:
            yield input

        async for chunk in self._atransform_stream_with_config(inputs(), self._progress, config):
            yield chunk

    async def abatch(self, inputs: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        if len(inputs) > MAX_BATCH:
            raise UsageError(f"a batch has at most {MAX_BATCH} inputs")
        return await super().abatch(inputs, *args, **kwargs)

    async def _answer(self, given: Any, run_manager: Any, config: RunnableConfig) -> dict[str, Any]:
        child = patch_config(config, callbacks=run_manager.get_child())
        out: dict[str, Any] = {}
        async for chunk in self._steps(given, child):
            out = chunk
        return out

    async def _progress(
        self, inputs: AsyncIterator[Any], run_manager: Any, config: RunnableConfig
    ) -> AsyncIterator[Any]:
        async for given in inputs:
            async for chunk in self._steps(given, patch_config(config, callbacks=run_manager.get_child())):
                yield AddableDict(chunk)

    async def _steps(self, given: Any, config: RunnableConfig) -> AsyncIterator[dict[str, Any]]:
        context = self.context(config)
        thread = str(given_to(config).get("thread_id") or "")
        child = cast("RunnableConfig", {**config, "configurable": {}})
        options: dict[str, Any] = {"context": context, "stream_mode": ["custom", "values"], "subgraphs": True}
        graph = self._without_thread
        if thread:
            graph = self._graph
            child["configurable"] = {"thread_id": json.dumps([context.namespace, thread])}
            options["durability"] = "exit"
        with self._threads.using(child["configurable"].get("thread_id")):
            out: dict[str, Any] = {}
            # The tool calls happen in the executor, a graph within.
            async for inside, kind, chunk in graph.astream(graph_input(given), child, **options):
                if kind == "custom":
                    yield {"progress": [chunk]}
                elif not inside:
                    out = chunk
            yield report(out)


class _Threads:
    """The conversations, in memory, the newest only."""

    def __init__(self) -> None:
        self.saver = InMemorySaver()
        self._runs: OrderedDict[str, int] = OrderedDict()

    @contextmanager
    def using(self, thread: str | None) -> Iterator[None]:
        """Keep the thread while a run is on it, and forget others where there are too many."""
        if thread is None:
            yield
            return
        self._runs[thread] = self._runs.get(thread, 0) + 1
        self._runs.move_to_end(thread)
        try:
            yield
        finally:
            self._runs[thread] -= 1
            idle = [name for name, runs in self._runs.items() if not runs]
            for name in idle[: max(len(self._runs) - MAX_THREADS, 0)]:
                del self._runs[name]
                self.saver.delete_thread(name)


def given_to(config: RunnableConfig | dict[str, Any]) -> dict[str, Any]:
    """What a request has set."""
    return dict(config.get("configurable") or {})
