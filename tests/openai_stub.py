"""A loopback server that speaks the OpenAI chat-completions protocol, as strict about requests as OpenAI.

    with OpenAIStub(["Hello", Reply(tool_calls=[("add", {"a": 1})]), Reply(status=429)]) as stub:
        chat_model(stub).invoke("Hi")
    assert not stub.violations

A malformed request is answered with 400 and noted in `violations`; it does not consume a reply. An exception
raised by a reply callable is answered with 500 and raised again when the block ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import json
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

from langchain_openai import ChatOpenAI

JSON = dict[str, Any]
_ROLES = ("developer", "system", "user", "assistant", "tool")
_NEVER_STRICT = {
    "default",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
}
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_UNANSWERED = (
    "'tool_calls' must be followed by tool messages responding to each 'tool_call_id': {} have none."
)
_PARTS = re.compile(r"(?s).{1,8}")
_CHAT = "/v1/chat/completions"
_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: JSON

    @property
    def messages(self) -> list[JSON]:
        return self.body.get("messages") or []

    @property
    def tools(self) -> list[JSON]:
        return self.body.get("tools") or []

    @property
    def response_format(self) -> JSON | None:
        return self.body.get("response_format")

    @property
    def schema_name(self) -> str | None:
        return ((self.response_format or {}).get("json_schema") or {}).get("name")

    @property
    def text(self) -> str:
        contents = (message.get("content") or [] for message in self.messages)
        parts = ([{"text": content}] if isinstance(content, str) else content for content in contents)
        return "\n".join(part["text"] for part in itertools.chain.from_iterable(parts) if "text" in part)


@dataclass(frozen=True)
class Reply:
    """When `status` is not 200, `content` is the error's message. `raw` is a whole HTTP body."""

    content: str | None = None
    tool_calls: Sequence[tuple[str, JSON | str]] = ()
    refusal: str | None = None
    finish_reason: str = ""  # "tool_calls" if there are any, else "stop"
    status: int = 200
    delay: float = 0
    usage: tuple[int, int] = (10, 5)
    raw: bytes | None = None
    drop: bool = False
    headers: dict[str, str] = field(default_factory=dict)  # such as retry-after-ms, or raw's content-type


Answer = Reply | str | JSON
Script = Answer | Callable[[Request], Answer | Awaitable[Answer]]


def _need(ok: object, problem: str) -> None:
    if not ok:
        raise ValueError(problem)


def _check_name(where: str, name: str) -> None:
    _need(_NAME.fullmatch(name), f"Invalid '{where}.name': {name!r} does not match '{_NAME.pattern}'.")


def _check_schema(where: str, schema: JSON, *, strict: bool, root: bool = False) -> None:
    kinds, keys = schema.get("type"), set(schema)
    kinds = kinds if isinstance(kinds, list) else [kinds]
    _need(not root or kinds == ["object"], f"{where} schema must be of type 'object', got {kinds}.")
    _need("array" not in kinds or "items" in keys, f"{where} array schema missing items.")
    if strict:
        banned = sorted(keys & (_NEVER_STRICT | ({"anyOf"} if root else set())))
        _need(not banned, f"{where} {banned} is not permitted.")
        siblings = sorted(keys - {"$ref", "$defs"})
        _need("$ref" not in keys or not siblings, f"{where} $ref cannot have keywords {siblings}.")
        _need(keys & {"type", "$ref", "anyOf", "enum", "const"}, f"{where} schema must have a 'type' key.")
    if strict and "object" in kinds:
        closed = schema.get("additionalProperties") is False
        _need(closed, f"{where} 'additionalProperties' is required to be supplied and to be false.")
        odd = sorted(set(schema.get("properties", {})) ^ set(schema.get("required", [])))
        _need(not odd, f"{where} 'required' must be an array of every key in properties and no other: {odd}.")
    parts = [*schema.get("properties", {}).items(), *schema.get("$defs", {}).items()]
    parts += [*enumerate(schema.get("anyOf", [])), *([("items", schema["items"])] if "items" in keys else [])]
    for key, part in parts:
        _check_schema(f"{where} In {key!r}:", part, strict=strict)


def _check_message(where: str, message: JSON, pending: list[str]) -> list[str]:
    """Check a message that has the `pending` tool calls before it, and return those pending after it."""
    role, content, calls = (message.get(key) for key in ("role", "content", "tool_calls"))
    _need(role in _ROLES, f"Invalid value for '{where}.role': {role!r}.")
    absent = content is None and role == "assistant" and (calls or message.get("refusal"))
    parts = isinstance(content, list) and content and all("type" in part for part in content)
    _need(isinstance(content, str) or parts or absent, f"Invalid value for '{where}.content': {content!r}.")
    if role == "tool":
        answered = message["tool_call_id"]
        _need(answered in pending, f"'{where}': role 'tool' must be a response to a preceding 'tool_calls'.")
        return [call for call in pending if call != answered]
    _need(not pending, _UNANSWERED.format(pending))
    _need(calls is None or (role == "assistant" and calls), f"Invalid '{where}.tool_calls': {calls!r}.")
    for call in calls or []:
        _check_name(f"{where}.tool_calls.function", call["function"]["name"])
        ok = call["type"] == "function" and isinstance(call["function"]["arguments"], str)
        _need(ok, f"Invalid '{where}.tool_calls': {call!r}.")
    return [call["id"] for call in calls or []]


def _check_tools(body: JSON) -> None:
    choice, names = body.get("tool_choice"), []
    for key in {"tool_choice", "parallel_tool_calls"} & set(body):
        _need("tools" in body, f"'{key}' is only allowed when 'tools' are specified.")
    _need(body.get("tools", True), "Invalid 'tools': expected a non-empty array.")
    for i, tool in enumerate(body.get("tools", [])):
        _need(tool["type"] == "function", f"Invalid 'tools[{i}].type': {tool['type']!r}.")
        names.append(tool["function"]["name"])
        _check_name(f"tools[{i}].function", names[-1])
        if (schema := tool["function"].get("parameters")) is not None:
            where = f"Invalid schema for function '{names[-1]}':"
            _check_schema(where, schema, strict=tool["function"].get("strict") is True, root=True)
            _need("properties" in schema, f"{where} object schema missing properties.")
    chosen = choice["function"]["name"] if isinstance(choice, dict) else None
    _need(chosen is None or chosen in names, f"Tool choice {chosen!r} not found in 'tools' parameter.")


def _check(request: Request) -> None:
    body, form = request.body, request.response_format or {"type": "text"}
    _need(body.get("model"), "you must provide a model parameter")
    _need(body.get("stream") or "stream_options" not in body, "'stream_options' needs 'stream'.")
    _need(body.get("messages"), "Invalid 'messages': expected a non-empty array.")
    pending: list[str] = []
    for i, message in enumerate(request.messages):
        pending = _check_message(f"messages[{i}]", message, pending)
    _need(not pending, _UNANSWERED.format(pending))
    _check_tools(body)
    _need(form["type"] in {"text", "json_object", "json_schema"}, f"Invalid 'response_format': {form!r}.")
    if form["type"] == "json_object":
        _need("json" in request.text.lower(), "'messages' must contain the word 'json' to use 'json_object'.")
    if form["type"] == "json_schema":
        named = form["json_schema"]
        _check_name("response_format.json_schema", named["name"])
        where = f"Invalid schema for response_format '{named['name']}':"
        _check_schema(where, named["schema"], strict=named.get("strict") is True, root=True)


def _completion(request: Request, reply: Reply, number: int) -> JSON:
    message: JSON = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    for i, (name, given) in enumerate(reply.tool_calls):
        function = {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)}
        call = {"id": f"call_{number}_{i}", "type": "function", "function": function}
        message.setdefault("tool_calls", []).append(call)
    reason = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
    usage = dict(zip(("prompt_tokens", "completion_tokens"), reply.usage, strict=True))
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request.body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {**usage, "total_tokens": sum(reply.usage)},
    }


def _events(completion: JSON, options: JSON) -> Iterator[bytes]:
    """Cut a completion into server-sent events."""
    message, reason = (completion["choices"][0][key] for key in ("message", "finish_reason"))
    deltas: list[JSON] = [{"role": "assistant", "content": message["content"] and ""}]
    deltas += [{key: part} for key in ("content", "refusal") for part in _PARTS.findall(message[key] or "")]
    for i, call in enumerate(message.get("tool_calls", [])):
        function = call["function"]
        deltas.append({"tool_calls": [{**call, "index": i, "function": {**function, "arguments": ""}}]})
        parts = [{"arguments": part} for part in _PARTS.findall(function["arguments"])]
        deltas += [{"tool_calls": [{"index": i, "function": part}]} for part in parts]
    choices: list[JSON] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": reason})
    base = {**completion, "object": "chat.completion.chunk", "usage": None}
    chunks: list[JSON] = [{**base, "choices": [choice]} for choice in choices]
    if options.get("include_usage"):
        chunks.append({**base, "choices": [], "usage": completion["usage"]})
    for data in [*map(json.dumps, chunks), "[DONE]"]:
        yield f"data: {data}\n\n".encode()


class OpenAIStub:
    def __init__(self, reply: Script | Sequence[Script]) -> None:
        """Answer with `reply`, or with each of a list in turn and the last one from then on."""
        self._script: list[Any] = list(reply) if isinstance(reply, list | tuple) else [reply]
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.base_url = ""

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-stub", daemon=True)
        self._thread.start()
        start = asyncio.start_server(self._serve, sock=listener)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._failures and kind is None:
            raise self._failures[0]

    async def _close(self) -> None:
        self._loop.remove_reader(self._server.sockets[0])
        for _ in range(5):  # asyncio leaks a connection that it is accepting when its server is closed
            await asyncio.sleep(0)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await self._exchange(reader, writer)
            writer.close()
            await writer.wait_closed()
        writer.transport.abort()
        self._tasks.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        data = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = first.split(" ")
        request = Request(path, headers, {})
        with contextlib.suppress(ValueError):
            request = Request(path, headers, json.loads(data))
        self.requests.append(request)
        try:
            reply = await self._reply(method, request)
            kind, parts = self._body(request, reply)
        except Exception as failure:  # noqa: BLE001 - raised again where the test sees it
            self._failures.append(failure)
            reply = Reply(repr(failure), status=500)
            kind, parts = self._body(request, reply)
        await asyncio.sleep(reply.delay)
        if reply.drop:
            return
        headers = {"content-type": kind, "content-length": str(sum(map(len, parts)))} | reply.headers
        headers["connection"] = "close"  # the clients that ChatOpenAI caches would never close theirs
        head = [f"HTTP/1.1 {reply.status} Stub", *(f"{name}: {value}" for name, value in headers.items())]
        for part in ("\r\n".join([*head, "", ""]).encode("latin-1"), *parts):
            writer.write(part)
            await writer.drain()

    async def _reply(self, method: str, request: Request) -> Reply:
        if (method, request.path) == ("GET", "/v1/models"):
            models = {"object": "list", "data": [{"id": "gpt-4.1", "object": "model"}]}
            return Reply(raw=json.dumps(models).encode(), headers={"content-type": "application/json"})
        try:
            _need((method, request.path) == ("POST", _CHAT), f"Invalid URL ({method} {request.path})")
            _check(request)
        except (ValueError, AttributeError, LookupError, TypeError) as problem:
            self.violations.append(str(problem) if type(problem) is ValueError else f"Malformed: {problem!r}")
            return Reply(self.violations[-1], status=400)
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        answer = answer(request) if callable(answer) else answer
        answer = await answer if inspect.isawaitable(answer) else answer
        answer = json.dumps(answer) if isinstance(answer, dict) else answer
        return Reply(answer) if isinstance(answer, str) else cast("Reply", answer)

    def _body(self, request: Request, reply: Reply) -> tuple[str, list[bytes]]:
        if reply.raw is not None:
            return "text/html", [reply.raw]
        if reply.status != 200:
            kind = "server_error" if reply.status >= 500 else "invalid_request_error"
            code = _CODES.get(reply.status)
            error = {"message": reply.content or code or kind, "type": kind, "code": code}
            return "application/json", [json.dumps({"error": {**error, "param": None}}).encode()]
        completion = _completion(request, reply, next(self._numbers))
        if request.body.get("stream"):
            options = request.body.get("stream_options") or {}
            return "text/event-stream", list(_events(completion, options))
        return "application/json", [json.dumps(completion).encode()]


def chat_model(stub: OpenAIStub, **kwargs: Any) -> ChatOpenAI:
    settings = {"model": "gpt-4.1", "api_key": "sk-test", "max_retries": 0, **kwargs}
    return ChatOpenAI(base_url=stub.base_url, **settings)
