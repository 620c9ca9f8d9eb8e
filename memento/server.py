"""The agent over HTTP: LangServe at /memento, with its playground."""

import ipaddress
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated, Any, Literal, Self, cast

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.runnables.utils import AddableDict, ConfigurableFieldSpec
from langgraph.checkpoint.memory import InMemorySaver
from langserve import CustomUserType, add_routes
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
from memento.graph.background import run_sync
from memento.graph.nodes.retrieve_case import MAX_TASK, task_of
from memento.memory import CaseBank
from memento.memory.case_bank import checked_namespace
from memento.settings import Settings

PATH = "/memento"
MAX_BODY = 1_000_000
MAX_BATCH = 64
MAX_NAME = 200
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
            **({"namespace": _namespace_of(identify, request)} if identify else {}),
        }
        _refuse_unknown(await request.json())
        served.context(config)
        return config

    add_routes(
        router,
        served.with_types(input_type=Task, output_type=Report),
        path=PATH,
        per_req_config_modifier=configure,
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
        if isinstance(value, list):
            return convert_to_messages(value)
    except (ValueError, NotImplementedError, TypeError, AttributeError, KeyError):
        pass
    raise ValueError('a message is an object like {"role": "user", "content": "..."}')


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


class Task(CustomUserType):
    """A task, or messages whose last human one is the task. With both, the task wins."""

    task: Annotated[str, StringConstraints(max_length=MAX_TASK)] = Field("", title="Task")
    reference: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        "",
        title="Reference",
        description="The right answer, to learn from. The model never sees it.",
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


# LangServe drops constraints such as ge=0 from these: `_Served.context` checks them.
_MAY_SET: dict[str, Any] = {
    "policy": Literal["auto", "none", "similarity", "kernel"],
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
_NOT_SET = {field.name for field in fields(Context)} - _MAY_SET.keys()


class _Served(Runnable[Any, Any]):
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
        given = {name: value for name, value in _given(config).items() if value is not None}
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
            **{name: given[name] for name in _MAY_SET if name in given}, namespace=given.get("namespace")
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
        thread = str(_given(config).get("thread_id") or "")
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
            async for inside, kind, chunk in graph.astream(_graph_input(given), child, **options):
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


class _Guard:
    """Turns away bodies that are too large, and posts that no web page of another site may send unasked:
    a browser asks the server first before it sends JSON across sites.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != b"application/json":
            await _refuse(415, "a request is JSON: content-type application/json")(scope, receive, send)
            return
        body = await _body(receive, headers)
        if body is None:
            await _refuse(413, f"a request has at most {MAX_BODY:,} bytes")(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


async def _body(receive: Receive, headers: dict[bytes, bytes]) -> bytes | None:
    """The request's body, None where it is too large."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > MAX_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _refuse(status: int, why: str) -> JSONResponse:
    return JSONResponse({"detail": why}, status, headers={"connection": "close"} if status == 413 else None)  # noqa: PLR2004


async def _refusal(_: Request, error: Exception) -> JSONResponse:
    """What was wrong with the request, in one line."""
    if isinstance(error, UsageError):
        return _refuse(400, str(error))
    if isinstance(error, ValidationError | RequestValidationError) and error.errors():
        return _refuse(422, _problem(error.errors()[0]))
    return _refuse(422, "the request could not be read")


def _problem(first: Any) -> str:
    if not isinstance(first, dict):
        return str(first)
    where = ".".join(str(part) for part in first.get("loc", ()))
    message = str(first.get("msg", "")).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


async def _failure(_: Request, error: Exception) -> JSONResponse:
    return _refuse(500, str(error))


def _given(config: RunnableConfig | dict[str, Any]) -> dict[str, Any]:
    return dict(config.get("configurable") or {})


def _graph_input(given: Any) -> dict[str, Any]:
    values = given if isinstance(given, Task) else Task.model_validate(given)
    chosen: dict[str, Any] = {"task": values.task} if values.task.strip() else {"messages": values.messages}
    if values.reference is not None and values.reference != "":
        chosen["reference"] = values.reference
    return chosen


def _refuse_unknown(body: Any) -> None:
    """Say so where a request sets what it may not, rather than pass over it."""
    configs = body.get("config") or {}
    for config in configs if isinstance(configs, list) else [configs]:
        refused = sorted(_NOT_SET & set(config.get("configurable") or {})) if isinstance(config, dict) else []
        if refused:
            raise UsageError(f"a request cannot set {refused[0]}: that is the server's")


def _namespace_of(identify: Identify, request: Request) -> str:
    name = identify(request)
    if not isinstance(name, str) or not name.strip():
        raise HTTPException(401, "it is not known who asks")
    return checked_namespace(name)
