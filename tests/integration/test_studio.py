"""langgraph.json under the real dev server, as Studio uses it: offline, over HTTP."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from memento.graph import Context
from memento.memory import CaseBank
from tests.integration.solving_model import solve
from tests.openai_stub import OpenAIStub

ROOT = Path(__file__).parents[2]
READY = "Application started up"


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub(solve) as server:
        yield server
        assert server.violations == []


@contextmanager
def dev_server(folder: Path, **variables: str) -> Iterator[tuple[SyncLangGraphClient, list[str]]]:
    """`langgraph dev` on the repository's langgraph.json, started in `folder`: a client and its output."""
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "langgraph.json", folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI", "MEMENTO", "LANG"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)],
        cwd=folder,
        env=kept | variables | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            if READY in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert ready.wait(90), "".join(output)
        assert process.poll() is None, "".join(output)
        with get_sync_client(url=f"http://127.0.0.1:{port}") as client:
            assert client.http.get("/ok")["ok"] is True  # type: ignore[call-overload]
            yield client, output
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def run(client: SyncLangGraphClient, thread: str, given: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Stream a run; every node's update by name."""
    updates: dict[str, Any] = {}
    for part in client.runs.stream(thread, "memento", input=given, stream_mode=["updates"], **options):
        assert part.event != "error", part.data
        if part.event == "updates":
            updates.update(part.data)
    return updates


def test_a_run_in_studio_is_remembered(stub: OpenAIStub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    # A fresh clone has no .env, and everything comes from the environment.
    with dev_server(
        tmp_path / "clone",
        MEMENTO_HOME=str(home),
        OPENAI_BASE_URL=stub.base_url,
        OPENAI_API_KEY="sk-test",
    ) as (client, output):
        thread = client.threads.create()["thread_id"]
        steps = run(client, thread, {"task": "What is 2 + 3?", "reference": "5"})
        assert list(steps) == ["retrieve_case", "plan", "execute_subtask", "evaluate", "write_back"]
        assert steps["plan"]["plan"] == ["Calculate 2 + 3"]
        assert steps["execute_subtask"]["trajectory"][0]["tool_calls"][0]["result"] == "5"
        assert steps["evaluate"]["reward"] == 1.0

        again = run(client, thread, {"messages": [{"role": "user", "content": "What is 4 + 3?"}]})
        assert again["execute_subtask"]["answer"] == "7"
        state: Any = client.threads.get_state(thread)["values"]
        said = [message["content"] for message in state["messages"]]
        assert said == ["What is 2 + 3?", "5", "What is 4 + 3?", "7"]
        assert (state["question"], state["expected"]) == ("What is 4 + 3?", None)

        context = {"namespace": "mine", "policy": "none"}
        other = client.threads.create()["thread_id"]
        run(client, other, {"task": "What is 1 + 1?"}, context=context)

        assistant = client.assistants.search()[0]["assistant_id"]
        schemas = client.assistants.get_schemas(assistant)
        shapes: dict[str, Any] = {
            name: schema for name, schema in schemas.items() if name.endswith("_schema")
        }
        assert set(shapes["input_schema"]["properties"]) == {"task", "reference", "messages"}
        assert {"answer", "plan", "retrieved"} <= set(shapes["output_schema"]["properties"])
        assert set(shapes["context_schema"]["properties"]) == set(Context.__dataclass_fields__)
        nodes = {node["id"] for node in client.assistants.get_graph(assistant)["nodes"]}
        assert set(steps) <= nodes
    text = "".join(output)
    for trouble in ("Blocking call", "BlockingError", "blocking", "Traceback", "Failed to get", "sk-test"):
        assert trouble not in text
    with CaseBank(home) as bank:
        assert [case.task for case in bank.all()] == ["What is 2 + 3?", "What is 4 + 3?"]
        assert [case.task for case in bank.all("mine")] == ["What is 1 + 1?"]


def test_a_dotenv_file_is_honoured(stub: OpenAIStub, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "clone"
    folder.mkdir()
    lines = [
        f"MEMENTO_HOME={home}",
        f"OPENAI_BASE_URL={stub.base_url}",
        "OPENAI_API_KEY=sk-from-dotenv",
        "SOMETHING_ELSE=1",
    ]
    (folder / ".env").write_text("\n".join(lines))
    with dev_server(folder) as (client, output):
        thread = client.threads.create()["thread_id"]
        assert run(client, thread, {"task": "What is 2 + 3?"})["evaluate"]["reward"] == 1.0
    assert stub.requests[0].headers["authorization"] == "Bearer sk-from-dotenv"
    assert "sk-from-dotenv" not in "".join(output)
    with CaseBank(home) as bank:
        assert bank.count() == 1
