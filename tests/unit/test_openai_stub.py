"""The stub is only worth something if the real client understands it and it refuses what OpenAI refuses."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from tests.openai_stub import JSON, OpenAIStub, Reply, Request, chat_model

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN: JSON = {
    "title": "Plan",
    "description": "What to do.",
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"default": {"type": "string"}, "n": {"anyOf": [{"type": "integer"}]}},
                "required": ["default", "n"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["steps"],
    "additionalProperties": False,
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
USER = {"role": "user", "content": "Hi"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWER = {"role": "tool", "tool_call_id": "call_1", "content": "3"}


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def post(stub: OpenAIStub, body: JSON) -> httpx.Response:
    with httpx.Client() as client:
        return client.post(
            f"{stub.base_url}/chat/completions", json={"model": "gpt-4.1", "messages": [USER]} | body
        )


def join(chunks: list[Any]) -> AIMessageChunk:
    whole: AIMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def structured(stub: OpenAIStub, **options: Any) -> Any:
    return chat_model(stub).with_structured_output(PLAN, method="json_schema", strict=True, **options)


def test_invoke_sends_what_the_stub_records() -> None:
    with OpenAIStub(Reply("Hello", usage=(7, 3))) as stub:
        message = chat_model(stub, temperature=0).invoke([SystemMessage("Be kind."), HumanMessage("Hi")])
    assert message.content == "Hello"
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.usage_metadata is not None
    assert (message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]) == (7, 3)
    [request] = stub.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.body["model"] == "gpt-4.1"
    assert request.body["temperature"] == 0
    assert request.messages[0] == {"role": "system", "content": "Be kind."}
    assert request.text == "Be kind.\nHi"
    assert (request.tools, request.response_format, request.schema_name) == ([], None, None)
    assert stub.violations == []


async def test_replies_are_consumed_in_order_and_the_last_one_stays() -> None:
    replies: list[Any] = ["one", {"two": 2}, lambda request: f"three {request.text}"]
    with OpenAIStub(replies) as stub:
        model = chat_model(stub)
        contents = [(await model.ainvoke(text)).content for text in "abcd"]
    assert contents == ["one", '{"two": 2}', "three c", "three d"]


@pytest.mark.parametrize("content", ["Grüße\n\nan alle, 😀 line by line\n", ""])
async def test_streams_content_and_usage(content: str) -> None:
    with OpenAIStub(content) as stub:
        sync = list(chat_model(stub, stream_usage=True).stream("Hi"))
        chunks = [chunk async for chunk in chat_model(stub).astream("Hi")]
    assert join(sync).content == join(chunks).content == content
    assert len(chunks) > len(content) / 8
    usage = join(sync).usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == 15
    assert join(chunks).usage_metadata is None
    assert stub.violations == []


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_go_round(stream: bool) -> None:
    calls = Reply(tool_calls=[("add", {"a": 1, "b": 20_000_000}), ("add", {"a": 3, "b": 4})])
    with OpenAIStub([calls, "20000001 and 7"]) as stub:
        model = chat_model(stub).bind_tools([add], strict=True)
        history: list[Any] = [HumanMessage("Add")]
        asked = join(list(model.stream(history))) if stream else model.invoke(history)
        assert isinstance(asked, AIMessage)
        assert asked.response_metadata["finish_reason"] == "tool_calls"
        assert [call["args"] for call in asked.tool_calls] == [{"a": 1, "b": 20_000_000}, {"a": 3, "b": 4}]
        history += [asked, *(add.invoke(call) for call in asked.tool_calls)]
        assert model.invoke(history).content == "20000001 and 7"
    assert stub.requests[0].tools[0]["function"]["name"] == "add"
    assert [message["role"] for message in stub.requests[1].messages] == ["user", "assistant", "tool", "tool"]
    assert stub.violations == []


def test_broken_tool_arguments_arrive_as_an_invalid_call() -> None:
    with OpenAIStub(Reply(tool_calls=[("add", '{"a": 1')])) as stub:
        message = chat_model(stub).bind_tools([add]).invoke("Add")
    assert message.tool_calls == []
    assert [call["args"] for call in message.invalid_tool_calls] == ['{"a": 1']


async def test_structured_output() -> None:
    plan = {"steps": [{"default": "look", "n": 1}]}
    with OpenAIStub(plan) as stub:
        assert structured(stub).invoke("Plan") == plan
        assert await structured(stub).ainvoke("Plan") == plan
        assert list(structured(stub).stream("Plan"))[-1] == plan
    assert {request.schema_name for request in stub.requests} == {"Plan"}
    assert stub.requests[2].body["stream"] is True
    assert stub.violations == []


def test_refusal() -> None:
    with OpenAIStub(Reply(refusal="I can't help with that.")) as stub:
        assert chat_model(stub).invoke("Hi").additional_kwargs["refusal"] == "I can't help with that."
        with pytest.raises(OutputParserException):
            structured(stub).invoke("Hi")
        raw = structured(stub, include_raw=True).invoke("Hi")
    assert raw["parsed"] is None
    assert raw["raw"].additional_kwargs["refusal"] == "I can't help with that."


@pytest.mark.parametrize("include_raw", [False, True])
@pytest.mark.parametrize(
    ("reason", "error"),
    [("length", openai.LengthFinishReasonError), ("content_filter", openai.ContentFilterFinishReasonError)],
)
def test_a_cut_answer_raises_with_a_schema(reason: str, error: type[Exception], include_raw: bool) -> None:
    with OpenAIStub(Reply('{"steps": [', finish_reason=reason)) as stub:
        assert chat_model(stub).invoke("Hi").response_metadata["finish_reason"] == reason
        with pytest.raises(error):
            structured(stub, include_raw=include_raw).invoke("Hi")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=400), openai.BadRequestError),
        (Reply(status=401), openai.AuthenticationError),
        (Reply("slow down", status=429), openai.RateLimitError),
        (Reply(status=500), openai.InternalServerError),
        (Reply(raw=b"<html>Bad gateway</html>", status=502), openai.InternalServerError),
        (Reply(raw=b"<html>Log in</html>"), ValueError),
        (Reply(raw=b'{"id": ', headers={"content-type": "application/json"}), json.JSONDecodeError),
        (Reply(drop=True), openai.APIConnectionError),
    ],
)
async def test_failures(reply: Reply, error: type[Exception]) -> None:
    with OpenAIStub(reply) as stub:
        with pytest.raises(error):
            chat_model(stub).invoke("Hi")
        with pytest.raises(error, match=reply.content):
            await chat_model(stub).ainvoke("Hi")
    assert len(stub.requests) == 2


def test_the_client_retries_when_told_so() -> None:
    busy = Reply(status=429, headers={"retry-after-ms": "1"})
    with OpenAIStub([busy, busy, "Hello"]) as stub:
        assert chat_model(stub, max_retries=2).invoke("Hi").content == "Hello"
    assert len(stub.requests) == 3


def test_a_client_that_gives_up_does_not_hold_the_stub() -> None:
    with OpenAIStub(Reply("late", delay=3600)) as stub, pytest.raises(openai.APITimeoutError):
        chat_model(stub, timeout=0.05).invoke("Hi")


async def test_fifty_requests_are_answered_at_the_same_time() -> None:
    barrier = asyncio.Barrier(50)

    async def meet(_: Request) -> Reply:
        await barrier.wait()
        return Reply("Hello", delay=0.2)

    with OpenAIStub(meet) as stub:
        model, start = chat_model(stub), time.monotonic()
        messages = await asyncio.gather(*(model.ainvoke(f"Hi {i}") for i in range(50)))
        assert time.monotonic() - start < 50 * 0.2 / 2
    assert {message.content for message in messages} == {"Hello"}
    assert {request.text for request in stub.requests} == {f"Hi {i}" for i in range(50)}


def test_leaves_no_connection_behind() -> None:
    for _ in range(30):
        with OpenAIStub("Hello") as stub:
            url = httpx.URL(stub.base_url)
            connection = socket.create_connection((url.host, url.port))
        connection.close()
    gc.collect()  # pytest fails the test that leaves a warning


def test_does_not_wait_for_a_client_that_does_not_read() -> None:
    body = json.dumps({"model": "gpt-4.1", "messages": [USER]}).encode()
    answered = threading.Event()

    def reply(_: Request) -> str:
        answered.set()
        return "x" * 30_000_000

    with OpenAIStub(reply) as stub:
        url = httpx.URL(stub.base_url)
        connection = socket.create_connection((url.host, url.port))
        head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        assert answered.wait(10)
    connection.close()
    gc.collect()


def test_models() -> None:
    with OpenAIStub("Hello") as stub, httpx.Client() as client:
        assert client.get(f"{stub.base_url}/models").json()["data"][0]["id"] == "gpt-4.1"
    assert stub.requests[0].path == "/v1/models"


def test_an_error_in_a_reply_reaches_the_test() -> None:
    def reply(request: Request) -> str:
        assert request.text == "expected"
        return "Hello"

    stub = OpenAIStub(reply)
    with pytest.raises(AssertionError, match="expected"), stub:  # noqa: PT012 - the end of the block raises
        with pytest.raises(openai.InternalServerError, match="AssertionError"):
            chat_model(stub).invoke("something else")
        assert chat_model(stub).invoke("expected").content == "Hello"


def test_the_real_client_is_told_what_is_wrong() -> None:
    with OpenAIStub(["Hello"]) as stub:
        with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
            chat_model(stub).invoke([AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": "1"}])])
        with pytest.raises(openai.BadRequestError, match="role 'tool' must be a response"):
            chat_model(stub).invoke([HumanMessage("Hi"), ToolMessage("3", tool_call_id="1")])
        assert len(stub.violations) == 2
        assert chat_model(stub).invoke("Hi").content == "Hello"


VALID: dict[str, JSON] = {
    "every role": {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d"},
            USER,
            CALLING,
            ANSWER,
        ]
    },
    "content parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "parallel calls answered in any order": {
        "messages": [
            USER,
            CALLING | {"tool_calls": [CALL, CALL | {"id": "call_2"}]},
            ANSWER | {"tool_call_id": "call_2"},
            ANSWER,
            USER,
        ]
    },
    "a tool without parameters": {"tools": [{"type": "function", "function": {"name": "now"}}]},
    "text": {"response_format": {"type": "text"}},
    "json": {"messages": [USER | {"content": "As JSON"}], "response_format": {"type": "json_object"}},
    "a loose schema": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    },
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_valid_requests(body: JSON) -> None:
    with OpenAIStub("Hello") as stub:
        response = post(stub, body)
    assert (response.status_code, stub.violations) == (200, [])


def function(**changes: Any) -> JSON:
    return {"type": "function", "function": {"name": "f", **changes}}


INVALID: dict[str, tuple[JSON, str]] = {
    "no model": ({"model": ""}, "model"),
    "no messages": ({"messages": []}, "messages"),
    "messages not a list": ({"messages": 1}, "Malformed"),
    "unknown role": ({"messages": [{"role": "human", "content": "Hi"}]}, "messages[0].role"),
    "no content": ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    "empty assistant": ({"messages": [USER, {"role": "assistant", "content": None}]}, "messages[1].content"),
    "empty parts": ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    "unanswered at the end": ({"messages": [USER, CALLING]}, "['call_1'] have none"),
    "unanswered before a user": ({"messages": [USER, CALLING, USER, ANSWER]}, "['call_1'] have none"),
    "half answered": (
        {"messages": [CALLING | {"tool_calls": [CALL, CALL | {"id": "call_2"}]}, ANSWER, USER]},
        "['call_2'] have none",
    ),
    "answered twice": ({"messages": [CALLING, ANSWER, ANSWER]}, "messages[2]"),
    "answer to nothing": ({"messages": [USER, ANSWER]}, "messages[1]"),
    "answer without id": ({"messages": [CALLING, {"role": "tool", "content": "3"}]}, "Malformed"),
    "empty tool calls": (
        {"messages": [CALLING | {"content": "", "tool_calls": []}]},
        "messages[0].tool_calls",
    ),
    "call by a user": ({"messages": [USER | {"tool_calls": [CALL]}, ANSWER]}, "messages[0].tool_calls"),
    "bad name in a call": (
        {"messages": [CALLING | {"tool_calls": [function(name="a.b", arguments="{}") | {"id": "1"}]}]},
        "'a.b' does not match",
    ),
    "arguments not a string": (
        {"messages": [CALLING | {"tool_calls": [function(arguments={}) | {"id": "1"}]}]},
        "messages[0].tool_calls",
    ),
    "no tools": ({"tools": []}, "tools"),
    "tool name": ({"tools": [function(name="web search")]}, "'web search' does not match"),
    "long tool name": ({"tools": [function(name="x" * 65)]}, "does not match"),
    "tool type": ({"tools": [function() | {"type": "builtin"}]}, "tools[0].type"),
    "parameters not an object": ({"tools": [function(parameters={"type": "string"})]}, "type 'object'"),
    "parameters without properties": (
        {"tools": [function(parameters={"type": "object"})]},
        "missing properties",
    ),
    "array without items": (
        {"tools": [function(parameters={"type": "object", "properties": {"a": {"type": "array"}}})]},
        "In 'a': array schema missing items",
    ),
    "open strict tool": (
        {"tools": [function(strict=True, parameters={"type": "object", "properties": {}})]},
        "additionalProperties",
    ),
    "choice without tools": ({"tool_choice": "auto"}, "tool_choice"),
    "choice of another tool": ({"tools": [function()], "tool_choice": function(name="g")}, "'g' not found"),
    "usage without a stream": ({"stream_options": {"include_usage": True}}, "stream_options"),
    "unknown format": ({"response_format": {"type": "yaml"}}, "response_format"),
    "json not asked for": ({"response_format": {"type": "json_object"}}, "the word 'json'"),
    "schema without name": (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": PLAN}}},
        "KeyError('name')",
    ),
    "name without schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "KeyError('schema')",
    ),
}


@pytest.mark.parametrize(("body", "problem"), INVALID.values(), ids=INVALID.keys())
def test_invalid_requests(body: JSON, problem: str) -> None:
    with OpenAIStub("Hello") as stub:
        response = post(stub, body)
    assert response.status_code == 400
    assert len(stub.violations) == 1
    assert problem in stub.violations[0]
    assert response.json()["error"] == {
        "message": stub.violations[0],
        "type": "invalid_request_error",
        "code": None,
        "param": None,
    }


def set_items(**changes: Any) -> Callable[[JSON], None]:
    return lambda schema: schema["properties"]["steps"]["items"].update(changes)


LAX: dict[str, tuple[Callable[[JSON], Any], str]] = {
    "root array": (lambda schema: schema.update(type="array", items={"type": "string"}), "type 'object'"),
    "root anyOf": (lambda schema: schema.update(anyOf=[{"type": "object"}]), "anyOf"),
    "root oneOf": (lambda schema: schema.update(oneOf=[{"type": "object"}]), "oneOf"),
    "open": (lambda schema: schema.pop("additionalProperties"), "additionalProperties"),
    "open inside": (set_items(additionalProperties=True), "In 'steps': In 'items': 'additionalProperties'"),
    "optional": (set_items(required=["n"]), "['default']"),
    "required but unknown": (set_items(required=["default", "n", "m"]), "['m']"),
    "default": (set_items(default={}), "['default'] is not permitted"),
    "in $defs": (lambda schema: schema.update({"$defs": {"X": {"type": "object"}}}), "In 'X'"),
    "in anyOf": (set_items(anyOf=[{"type": "string"}, {"type": "object"}]), "In 1"),
    "described reference": (set_items(**{"$ref": "#"}), "$ref cannot have keywords"),
    "no type": (
        lambda schema: schema["properties"]["steps"].update(items={"description": "Anything."}),
        "must have a 'type'",
    ),
}


@pytest.mark.parametrize(("loosen", "problem"), LAX.values(), ids=LAX.keys())
def test_strict_schemas_are_strict(loosen: Callable[[JSON], Any], problem: str) -> None:
    schema = copy.deepcopy(PLAN)
    loosen(schema)
    named = {"name": "plan", "strict": True, "schema": schema}
    with OpenAIStub("{}") as stub:
        response = post(stub, {"response_format": {"type": "json_schema", "json_schema": named}})
    assert response.status_code == 400
    assert problem in stub.violations[0]


def test_a_body_that_is_not_json_is_a_violation() -> None:
    with OpenAIStub("Hello") as stub, httpx.Client() as client:
        assert client.post(f"{stub.base_url}/chat/completions", content=b"{").status_code == 400
        assert client.post(f"{stub.base_url}/chat/completions", content=b"[]").status_code == 400
    assert len(stub.violations) == 2


def test_other_addresses_are_violations() -> None:
    with OpenAIStub("Hello") as stub, pytest.raises(openai.BadRequestError):
        chat_model(stub, use_responses_api=True).invoke("Hi")
    assert stub.violations == ["Invalid URL (POST /v1/responses)"]
