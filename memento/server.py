"""The agent over HTTP: LangServe at /memento, with its playground."""

import asyncio
import ipaddress
import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated, Any, Literal, Self, cast

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.runnables.utils import AddableDict, ConfigurableFieldSpec
from langgraph.checkpoint.memory import InMemorySaver
from langserve import add_routes
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SkipValidation,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memento.api import build_graph
from memento.commands.run import report
from memento.errors import MementoError, UsageError
from memento.graph import Agent, Context
from memento.graph.background import run_async, run_sync
from memento.graph.nodes.retrieve_case import MAX_TASK, task_of
from memento.memory import CaseBank
from memento.settings import Settings

PATH = "/memento"
MAX_BODY = 1_000_000
MAX_BATCH = 64
MAX_THREADS = 1000
"""So many conversations are remembered; starting one more forgets the one that was longest unused."""

Identify = Callable[[Request], str]


def build_app(
    settings: Settings, bank: CaseBank, identify: Identify | None = None, hosts: Sequence[str] | None = None
) -> FastAPI:
    """The agent as a FastAPI app.

    `identify(request)` says whose request it is: the name of the namespace that it works in, and of the
    threads it can reach. Raise fastapi's HTTPException in it to turn a request away. Without it everybody
    shares the settings' namespace. `hosts` are the names under which the server may be addressed, None for
    any: a local server should name its own, or a web page could reach it under a name that it controls.
    """
    served = _Served(settings, bank)
    app = FastAPI(title="Memento", docs_url=None, redoc_url=None)
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse(f"{PATH}/playground/")

    @router.get("/ok")
    async def ok() -> dict[str, bool]:
        return {"ok": True}

    async def configure(config: dict[str, Any], request: Request) -> dict[str, Any]:
        config["configurable"] = {
            **_given(config),
            **({"namespace": identify(request)} if identify else {}),
        }
        _refuse_unknown(await request.json())
        served.context(config)
        return config

    add_routes(
        router, served.with_types(input_type=Task, output_type=Report), path=PATH, per_req_config_modifier=configure
    )
    app.include_router(router)
    app.add_middleware(_Guard)
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    for kind in (ValidationError, RequestValidationError, UsageError, UnicodeDecodeError, RecursionError):
        app.add_exception_handler(kind, _refusal)
    app.add_exception_handler(MementoError, _failure)
    return app


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _as_messages(value: Any) -> Any:
    try:
        return convert_to_messages(value or [])
    except (ValueError, NotImplementedError, TypeError, AttributeError, KeyError):
        raise ValueError('a message is an object like {"role": "user", "content": "..."}') from None


_MESSAGES_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "role": {"type": "string", "enum": ["user", "assistant", "system"]},
            "content": {"type": "string"},
        },
        "required": ["role", "content"],
    },
}


class Task(BaseModel):
    """A task, or messages whose last human one is the task. With both, the task wins."""

    task: Annotated[str, StringConstraints(max_length=MAX_TASK)] = Field("", title="Task")
    reference: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        None, title="Reference", description="The right answer, to learn from. It is never shown to the model."
    )
    messages: Annotated[
        list[SkipValidation[BaseMessage]], BeforeValidator(_as_messages), WithJsonSchema(_MESSAGES_SCHEMA)
    ] = Field(default=[], title="Messages", description="In place of a task.")

    @model_validator(mode="after")
    def _has_task(self) -> Self:
        task_of({"task": self.task, "messages": cast("Any", self.messages)})
        return self


class Report(BaseModel):
    """How a run went. `reward` is null while nobody knows; `usage` counts model calls and tokens."""

    run_id: str
    answer: str
    solved: bool
    reward: float | None
    evaluation: dict[str, Any]
    retrieved: list[dict[str, Any]]
    plan: list[str]
    trajectory: list[dict[str, Any]]
    usage: dict[str, int]
    case_id: str | None


_AtLeastOne = Annotated[int, Field(ge=1)]
_MAY_SET: dict[str, Any] = {
    "policy": Literal["auto", "none", "similarity", "kernel"],
    "k": Annotated[int, Field(ge=0, le=64)],
    "learn": bool,
    "grow": bool,
    "max_cycles": _AtLeastOne,
    "max_subtasks": _AtLeastOne,
    "max_tool_calls": _AtLeastOne,
    "max_model_calls": _AtLeastOne,
    "timeout": Annotated[float, Field(gt=0)],
}
"""What a request may set of the run's context. Models and keys are the server's; whose memory it is comes
from who asks."""
_LIMITS = ("max_cycles", "max_subtasks", "max_tool_calls", "max_model_calls", "timeout")
_SWITCHES = ("learn", "grow")
_NOT_SET = {field.name for field in fields(Context)} - _MAY_SET.keys()


class _Served(Runnable[Any, Any]):
    """The graph as LangServe needs it: LangServe passes on only the settings that a Runnable declares, and
    gives a compiled graph neither its thread nor its context."""

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
            annotation=Annotated[str, StringConstraints(max_length=200)],
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
        given = {name: value for name, value in _given(config).items() if value is not None}
        for name in _LIMITS:
            most = getattr(self._settings, name)
            if given.get(name, most) > most:
                raise UsageError(f"{name} is at most {most:g} on this server")
        for name in _SWITCHES:
            if given.get(name) and not getattr(self._settings, name):
                raise UsageError(f"{name} is off on this server")
        return Context(
            **{name: given[name] for name in _MAY_SET if name in given}, namespace=given.get("namespace")
        )

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        return run_sync(self.ainvoke(input, config))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        return await self._acall_with_config(self._answer, input, config)

    def stream(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Iterator[Any]:
        yield self.invoke(input, config)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> AsyncIterator[Any]:
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
        thread = str(_given(config).get("thread_id") or "")
        child = cast("RunnableConfig", {**config, "configurable": {}})
        options: dict[str, Any] = {"context": context, "stream_mode": ["custom", "values"]}
        graph = self._without_thread
        if thread:
            graph = self._graph
            child["configurable"] = {"thread_id": json.dumps([context.namespace, thread])}
            options["durability"] = "exit"
        with self._threads.using(child["configurable"].get("thread_id")):
            out: dict[str, Any] = {}
            async for kind, chunk in graph.astream(_graph_input(given), child, **options):
                if kind == "values":
                    out = chunk
                else:
                    yield {"progress": [chunk]}
            yield report(out)


class _Threads:
    """The conversations, in memory: of each its last state, and only of the newest."""

    def __init__(self) -> None:
        self.saver = InMemorySaver()
        self._used: OrderedDict[str, int] = OrderedDict()

    @contextmanager
    def using(self, thread: str | None) -> Iterator[None]:
        """Keep the thread while a run is on it; afterwards forget what nobody will ask for."""
        if thread is None:
            yield
            return
        self._used[thread] = self._used.get(thread, 0) + 1
        self._used.move_to_end(thread)
        try:
            yield
        finally:
            self._used[thread] -= 1
            if not self._used[thread]:
                self.saver.prune([thread], strategy="keep_latest")
            idle = [name for name, runs in self._used.items() if not runs]
            for name in idle[: max(len(self._used) - MAX_THREADS, 0)]:
                del self._used[name]
                self.saver.delete_thread(name)
