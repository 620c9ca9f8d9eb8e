"""`memento serve` over real HTTP: what a LangServe client, a browser and a shell beside it see."""

import asyncio
import json
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import HTTPException, Request
from langchain_core.messages import HumanMessage
from langserve import RemoteRunnable

from memento.memory import CaseBank, Ledger
from memento.server import build_app
from memento.settings import Settings, load_settings
from tests.integration.solving_model import KEY
from tests.openai_stub import OpenAIStub

# langchain-core deprecates what LangServe's stream_log endpoint, which the playground uses, is made of.
pytestmark = pytest.mark.filterwarnings("ignore:astream_log is deprecated")

Serve = Callable[..., str]


@pytest.fixture
def serve(stub: OpenAIStub, minilm_bank: CaseBank) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(identify: Callable[[Request], str] | None = None, **settings: Any) -> str:
            chosen = load_settings(home=minilm_bank.home.path, **settings)
            return stack.enter_context(serving(chosen, minilm_bank, identify))

        yield start


@contextmanager
def serving(settings: Settings, bank: CaseBank, identify: Any = None) -> Iterator[str]:
    """A uvicorn in a thread; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = build_app(settings, bank, identify, hosts=["127.0.0.1"])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def client(url: str, **options: Any) -> Iterator[RemoteRunnable[Any, Any]]:
    remote: RemoteRunnable[Any, Any] = RemoteRunnable(f"{url}/memento/", **options)
    with remote.sync_client:
        yield remote


def run_async(remote: RemoteRunnable[Any, Any], work: Coroutine[Any, Any, Any]) -> Any:
    """Run it, and close the client's connections on the loop that opened them."""

    async def run() -> Any:
        async with remote.async_client:
            return await work

    return asyncio.run(run())


def post(url: str, body: Any, path: str = "invoke", **options: Any) -> httpx.Response:
    return httpx.post(f"{url}/memento/{path}", json=body, timeout=30, **options)


def refusal(response: httpx.Response) -> str:
    """The one line that a refused request is answered with."""
    detail = response.json()["detail"]
    assert isinstance(detail, str)
    assert "\n" not in detail
    assert "Traceback" not in response.text
    return detail


def test_invoke_gives_a_whole_report_and_leaves_a_case(serve: Serve, minilm_bank: CaseBank) -> None:
    with client(serve()) as remote:
        out = remote.invoke({"task": "What is 2 + 3?", "reference": "5"})
    assert out["answer"] == "5"
    assert out["solved"] is True
    assert out["reward"] == 1.0
    assert out["plan"] == ["Calculate 2 + 3"]
    assert out["trajectory"][0]["tool_calls"][0]["name"] == "calculate"
    assert out["usage"] == {"model_calls": 3, "input_tokens": 30, "output_tokens": 15}
    case = minilm_bank.get(out["case_id"])
    assert case is not None
    assert (case.task, case.answer, case.source_run) == ("What is 2 + 3?", "5", out["run_id"])


def test_the_other_ways_to_call_it(serve: Serve, minilm_bank: CaseBank) -> None:
    with client(serve()) as remote:

        async def both() -> tuple[Any, list[Any]]:
            answer = await remote.ainvoke({"messages": [HumanMessage("What is 4 + 4?")]})
            return answer, await remote.abatch([{"task": f"What is {n} + 1?"} for n in range(3)])

        one, several = run_async(remote, both())
        again = remote.batch([{"task": "What is 10 + 1?"}, {"task": "What is 20 + 1?"}])
    assert one["answer"] == "8"
    assert [out["answer"] for out in several] == ["1", "2", "3"]
    assert [out["answer"] for out in again] == ["11", "21"]
    assert minilm_bank.count() == 6


def test_stream_tells_the_steps_and_ends_with_the_report(serve: Serve) -> None:
    with client(serve()) as remote:
        chunks = list(remote.stream({"task": "What is 2 + 3?"}))
    *steps, last = chunks
    assert [step["progress"][0]["event"] for step in steps] == ["cases", "plan", "tool_calls"]
    assert steps[1]["progress"][0]["plan"] == ["Calculate 2 + 3"]
    assert steps[2]["progress"][0]["calls"][0]["result"] == "5"
    assert last["answer"] == "5"


def test_stream_log_and_stream_events_show_the_nodes_and_no_secret(serve: Serve) -> None:
    url = serve()
    with client(url) as remote:

        async def listen() -> tuple[list[Any], list[Any]]:
            events = [
                event async for event in remote.astream_events({"task": "What is 2 + 3?"}, version="v2")
            ]
            # LangServe's client takes the log entry of a tool for a ToolMessage, and breaks.
            patches = remote.astream_log({"task": "What is 6 + 3?"}, exclude_types=["tool"])
            log = [patch async for patch in patches]
            return events, log

        events, log = run_async(remote, listen())
    names = {event["name"] for event in events if event["event"] == "on_chain_end"}
    assert {"retrieve_case", "plan", "execute_subtask", "evaluate", "write_back"} <= names
    assert any(event["event"] == "on_tool_end" and event["name"] == "calculate" for event in events)
    assert events[-1]["data"]["output"]["answer"] == "5"
    state: Any = log[0]
    for patch in log[1:]:
        state = state + patch
    assert state.state["final_output"]["answer"] == "9"
    for path in ("stream_events", "stream_log", "stream", "invoke"):
        raw = post(url, {"input": {"task": "What is 2 + 3?"}}, path).text
        assert "Internal Server Error" not in raw
        assert KEY not in raw


def test_a_thread_keeps_its_messages_and_nothing_else(serve: Serve, minilm_bank: CaseBank) -> None:
    url = serve()
    config = {"configurable": {"thread_id": "t"}}
    with client(url) as remote:
        first = remote.invoke({"task": "What is 2 + 3?", "reference": "5"}, config)
        second = remote.invoke({"messages": [("user", "What is 4 + 3?")]}, config)
        remote.invoke({"task": "What is 1 + 1?"})
    assert (first["answer"], second["answer"]) == ("5", "7")
    assert second["evaluation"]["source"] == "judge"
    assert len(second["trajectory"]) == 1
    assert second["run_id"] != first["run_id"]
    with Ledger(minilm_bank.home) as ledger:
        assert [row["task"] for row in ledger.runs(None, 2)] == ["What is 1 + 1?", "What is 4 + 3?"]


def test_messages_of_a_thread_reach_its_next_run(serve: Serve) -> None:
    url = serve()

    def events(thread: str) -> Any:
        given = {"input": {"task": "What is 2 + 3?"}, "config": {"configurable": {"thread_id": thread}}}
        lines = post(url, given, "stream_events").text.splitlines()
        datas = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
        ends = [
            data for data in datas if data.get("name") == "write_back" and data["event"] == "on_chain_start"
        ]
        return [message["content"] for message in ends[0]["data"]["input"]["messages"]]

    assert events("a") == ["What is 2 + 3?"]
    assert events("a") == ["What is 2 + 3?", "5", "What is 2 + 3?"]
    assert events("b") == ["What is 2 + 3?"]
    assert events("") == ["What is 2 + 3?"]


def test_context_comes_from_configurable(serve: Serve, minilm_bank: CaseBank, stub: OpenAIStub) -> None:
    with client(serve()) as remote:
        taught = remote.invoke({"task": "What is 2 + 3?"}, {"configurable": {"policy": "similarity"}})
        shown = remote.invoke(
            {"task": "What is 2 + 3?"}, {"configurable": {"policy": "similarity", "learn": False}}
        )
        blind = remote.invoke(
            {"task": "What is 2 + 3?"}, {"configurable": {"policy": "none", "learn": False}}
        )
        short = remote.invoke({"task": "What is 2 + 9?"}, {"configurable": {"max_model_calls": 1}})
        several = remote.batch(
            [{"task": "What is 5 + 5?"}, {"task": "What is 6 + 6?"}],
            [{"configurable": {"learn": False}}, {"configurable": {"learn": True}}],
        )
    assert [slot["case_id"] for slot in shown["retrieved"]] == [taught["case_id"]]
    assert blind["retrieved"] == []
    assert shown["case_id"] is blind["case_id"] is None
    assert short["solved"] is False
    assert short["answer"].startswith("not solved: ")
    assert [out["case_id"] is None for out in several] == [True, False]
    with Ledger(minilm_bank.home) as ledger:
        assert {row["arm"] for row in ledger.runs(None, 2 + 3)} <= {"none", "similarity", "learned"}


@pytest.mark.parametrize(
    ("configurable", "status", "line"),
    [
        ({"namespace": "other"}, 400, "cannot set namespace"),
        ({"planner": "openai:gpt-4.1"}, 400, "cannot set planner"),
        ({"max_model_calls": 41}, 400, "max_model_calls is at most 40"),
        ({"timeout": 1e9}, 400, "timeout is at most 600"),
        ({"grow": True}, 400, "grow is off"),
        ({"k": -1}, 400, "k is a whole number from 0"),
        ({"k": "many"}, 422, "configurable.k"),
        ({"thread_id": "x" * 201}, 400, "thread_id has at most 200"),
        ({"policy": "magic"}, 422, "configurable.policy"),
        ({"thread_id": {"a": 1}}, 422, "configurable.thread_id"),
    ],
)
def test_a_request_may_lower_what_the_server_allows_and_nothing_more(
    serve: Serve, stub: OpenAIStub, configurable: dict[str, Any], status: int, line: str
) -> None:
    url = serve(grow=False)
    given = {"config": {"configurable": configurable}}
    for path in ("invoke", "stream", "stream_events", "stream_log"):
        response = post(url, {"input": {"task": "What is 2 + 3?"}, **given}, path)
        assert (response.status_code, line in refusal(response)) == (status, True)
    response = post(url, {"inputs": [{"task": "What is 2 + 3?"}], **given}, "batch")
    assert (response.status_code, line in refusal(response)) == (status, True)
    assert stub.requests == []


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "a task is a text that is not empty"),
        ({"task": "  "}, "a task is a text that is not empty"),
        ({"task": 5}, "task: Input should be a valid string"),
        ({"task": "x" * 100_001}, "at most 100000 characters"),
        ({"messages": [{"role": "user"}]}, "a message is an object like"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "a message is an object like"),
        ({"messages": "x"}, "a message is an object like"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "a task is a text that is not empty"),
        ("x", "valid dictionary"),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused(
    serve: Serve, stub: OpenAIStub, minilm_bank: CaseBank, given: Any, line: str
) -> None:
    url = serve()
    for path in ("invoke", "stream"):
        response = post(url, {"input": given}, path)
        assert response.status_code == 422
        assert line in refusal(response)
    response = post(url, {"inputs": [{"task": "What is 2 + 3?"}, given]}, "batch")
    assert response.status_code == 422
    assert line in refusal(response)
    assert stub.requests == []
    assert minilm_bank.count() == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[]", b'"x"', b"{}", b'{"input": ' + b"[" * 400_000 + b"]" * 400_000 + b"}"],
)
def test_a_body_that_is_no_request_is_refused(serve: Serve, body: bytes) -> None:
    url = serve()
    for path in ("invoke", "stream", "batch"):
        response = httpx.post(
            f"{url}/memento/{path}", content=body, headers={"content-type": "application/json"}, timeout=30
        )
        assert response.status_code in {413, 422}
        assert refusal(response)


def test_large_and_foreign_requests_are_refused(serve: Serve, stub: OpenAIStub) -> None:
    url = serve()
    large = post(url, {"input": {"task": "x" * 1_000_000}})
    assert (large.status_code, refusal(large)) == (413, "a request has at most 1,000,000 bytes")

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    kind = {"content-type": "application/json"}
    unannounced = httpx.post(f"{url}/memento/invoke", content=chunks(), headers=kind, timeout=30)
    assert unannounced.status_code == 413
    many = post(url, {"inputs": [{"task": "What is 2 + 3?"}] * 65}, "batch")
    assert (many.status_code, refusal(many)) == (400, "a batch has at most 64 inputs")
    # What a page of another site may send unasked, or under a name that it made point here.
    body = json.dumps({"input": {"task": "What is 2 + 3?"}})
    plain = httpx.post(f"{url}/memento/invoke", content=body, headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    foreign = httpx.post(f"{url}/memento/invoke", content=body, headers={**kind, "host": "evil.example"})
    assert foreign.status_code == 400
    assert stub.requests == []


def test_whose_memory_it_is_comes_from_who_asks(serve: Serve, minilm_bank: CaseBank) -> None:
    def identify(request: Request) -> str:
        name = request.headers.get("x-user", "")
        if name == "mallory":
            raise HTTPException(403, "not you")
        return name

    url = serve(identify)
    thread = {"configurable": {"thread_id": "t"}}
    with client(url, headers={"x-user": "ann"}) as ann, client(url, headers={"x-user": "bob"}) as bob:
        ann.invoke({"task": "What is 2 + 3?"}, thread)
        bob.invoke({"task": "What is 2 + 3?"}, thread)
        bob.batch([{"task": "What is 7 + 3?"}])
    assert (minilm_bank.count("ann"), minilm_bank.count("bob"), minilm_bank.count("default")) == (1, 2, 0)
    given = {"input": {"task": "What is 2 + 3?"}}
    assert post(url, given).status_code == 401
    assert post(url, given, headers={"x-user": "mallory"}).status_code == 403
    assert post(url, given, headers={"x-user": "x" * 201}).status_code == 400
    stolen = {**given, "config": {"configurable": {"namespace": "ann"}}}
    assert post(url, stolen, headers={"x-user": "bob"}).status_code == 400


def test_a_failing_service_is_an_honest_answer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    response = post(serve(), {"input": {"task": "What is 2 + 3?"}})
    assert response.status_code == 200
    out = response.json()["output"]
    assert out["answer"].startswith("not solved: the planner's model failed")
    assert (out["solved"], out["reward"], out["case_id"]) == (False, None, None)


def test_health_schemas_and_playground(serve: Serve) -> None:
    url = serve()
    assert httpx.get(f"{url}/ok").json() == {"ok": True}
    assert httpx.get(url).headers["location"] == "/memento/playground/"
    page = httpx.get(f"{url}/memento/playground/")
    assert page.status_code == 200
    assert "LANGSERVE_INPUT_SCHEMA" in page.text or '"task"' in page.text
    assert KEY not in page.text
    assert set(httpx.get(f"{url}/memento/input_schema").json()["properties"]) == {
        "task",
        "reference",
        "messages",
    }
    configurable = httpx.get(f"{url}/memento/config_schema").json()["$defs"]["Configurable"]["properties"]
    assert {"thread_id", "k", "policy", "learn"} <= set(configurable)
    assert not {"namespace", "planner"} & set(configurable)
    output = httpx.get(f"{url}/memento/output_schema").json()["properties"]
    assert {"answer", "run_id", "reward", "plan", "trajectory", "retrieved", "usage"} <= set(output)


def _command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "memento", *arguments, "--home", str(home)]


def _run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(_command(home, *arguments), capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def _serve_command(home: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    command = _command(home, "serve", "--port", "0", *arguments)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert select.select([process.stderr], [], [], 60)[0]
        said = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found, said
        yield process, found.group()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("stub")
def test_a_server_that_is_told_to_end_says_so(tmp_path: Path) -> None:
    with _serve_command(tmp_path / "home") as (process, url):
        assert httpx.get(f"{url}/memento/output_schema").status_code == 200
        assert _ended(process, signal.SIGTERM) == "stopped\n"


def _ended(process: "subprocess.Popen[str]", ending: signal.Signals) -> str:
    """What the server says on its way out."""
    process.send_signal(ending)
    _, rest = process.communicate(timeout=30)
    assert process.returncode in {0, 130}
    return rest


def test_beside_a_running_server(stub: OpenAIStub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with _serve_command(home) as (process, url):
        out = post(url, {"input": {"task": "What is 2 + 3?"}}).json()["output"]
        assert out["answer"] == "5"
        assert post(url, {"input": {"task": "What is 2 + 3?"}}, "stream_log").status_code == 200

        listed = _run(home, "runs", "list", "--json")
        assert [row["run_id"] for row in json.loads(listed.stdout)["runs"]][1:] == [out["run_id"]]
        told = _run(home, "feedback", out["run_id"], "0.25")
        assert (told.returncode, told.stderr) == (0, "")

        started = time.monotonic()
        second = _run(home, "run", "What is 2 + 4?")
        assert time.monotonic() - started < 10
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert f"in use by pid {process.pid}" in second.stderr
        assert "--home" in second.stderr

        taken = _run(tmp_path / "other", "serve", "--port", url.rsplit(":", 1)[1])
        assert taken.returncode == 1
        assert "cannot listen" in taken.stderr
        assert not (tmp_path / "other").exists()

        assert _ended(process, signal.SIGINT) == "stopped\n"
    with CaseBank(home) as bank, Ledger(bank.home) as ledger:
        case = bank.get(out["case_id"])
        assert case is not None
        assert case.task == "What is 2 + 3?"
        run = ledger.run(out["run_id"])
        assert run is not None
        assert run["reward"] == 0.25
