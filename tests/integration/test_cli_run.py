"""`memento run` as a process, against a server on this machine that speaks OpenAI's protocol."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from memento.cli import _code
from tests.agent import Script, call, final, plan
from tests.conftest import WordEncoder
from tests.memory_tools import memento, started
from tests.openai_stub import OpenAIStub, Reply

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = [plan("compute it"), final("397.8")]
KEYS = {"run_id", "answer", "solved", "reward", "retrieved", "plan", "trajectory", "usage"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def words(monkeypatch: pytest.MonkeyPatch, stub: OpenAIStub) -> None:
    monkeypatch.setattr("memento.memory.case_bank.load_encoder", lambda _embedding: WordEncoder())
    monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")


def calculating() -> Script:
    return Script(planner=ANSWERS * 5, executor=[call("calculate", expression="17% of 2340"), "397.8"] * 5)


def test_a_run_in_one_process_is_shown_in_the_next(tmp_path: Path) -> None:
    home, task = tmp_path / "home", "What is 17% of 2340?"
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-from-the-file\n")
    with OpenAIStub(calculating()) as stub:
        env = {"OPENAI_BASE_URL": stub.base_url, "HF_HUB_OFFLINE": "1"}
        arguments = ["run", task, "--reference", "397.8", "--home", home, "--json"]
        first = memento(*arguments, cwd=tmp_path, env=env, timeout=120)
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout.count("\n") == 1
        out = json.loads(first.stdout)
        assert set(out) >= KEYS
        assert (out["answer"], out["solved"], out["reward"], out["plan"]) == (
            "397.8",
            True,
            1.0,
            ["compute it"],
        )
        assert out["trajectory"][0]["tool_calls"][0]["result"] == "397.8"
        assert out["usage"]["model_calls"] == len(stub.requests)
        second = json.loads(memento(*arguments, "--no-learn", cwd=tmp_path, env=env, timeout=120).stdout)
        assert [slot["case_id"] for slot in second["retrieved"]] == [out["case_id"]]
        assert not stub.violations
        assert {request.headers["authorization"] for request in stub.requests} == {"Bearer sk-from-the-file"}
    runs = json.loads(memento("runs", "list", "--home", home, "--json", cwd=tmp_path).stdout)["runs"]
    assert [run["run_id"] for run in runs] == [second["run_id"], out["run_id"]]


def test_ctrl_c_ends_a_run_whose_model_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        model = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": address, "HF_HUB_OFFLINE": "1"}
        process = started("run", "What is 2+2?", "--home", tmp_path / "home", cwd=tmp_path, env=model)
        listener.settimeout(120)
        asked, _ = listener.accept()
        with asked:
            assert asked.recv(4) == b"POST"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "memento: stopped\n")


def test_ctrl_c_while_a_dataclass_is_made_is_ctrl_c(tmp_path: Path) -> None:
    interrupted = "cli.app = lambda **_: exec('raise KeyboardInterrupt')"
    (tmp_path / "interrupted.py").write_text(f"from memento import cli\n{interrupted}\ncli.main([])")
    command = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "memento: stopped\n")


def test_a_run_shows_what_happens_and_how_to_tell_it_how_that_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIStub(
        Script(planner=ANSWERS, executor=[call("calculate", expression="17% of 2340"), "397.8"], judge="?")
    ) as stub:
        words(monkeypatch, stub)
        assert _code(["run", "What is [red]17%[/red] of 2340?", "--home", str(tmp_path / "home")]) == 0
    told = capsys.readouterr()
    for part in ("cases", "plan", "compute it", "calculate(", "397.8", "reward unknown", "memento feedback"):
        assert part in told.out
    assert told.err == ""


def test_a_run_says_in_a_line_why_it_shows_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*options: str) -> str:
        arguments = ["run", "What is 17% of 2340?", "--reference", "397.8", "--home", str(tmp_path / "home")]
        assert _code([*arguments, *options]) == 0
        return capsys.readouterr().out

    with OpenAIStub(calculating()) as stub:
        words(monkeypatch, stub)
        assert "cases none: there is none yet" in told()
        # Twice: without exploring, so that the floor is not drawn.
        second = told("--no-learn")
        assert "cases 1 of 1, " in second
        assert "reward of" in second
        assert "without cases" in second
        for part in ("What is 17%", "success; similar 1.00, Q ", "drawn with probability 1.00"):
            assert part in second
        assert "cases none: the policy shows none" in told("--policy", "none")
        run_id = second.split("run ")[-1][:32]
        assert _code(["cases", "why", "--run", run_id, "--home", str(tmp_path / "home")]) == 0
    why = capsys.readouterr().out
    assert "cases 1 of 1, " in why
    assert "from the runs before it, as far as is known now\npolicy auto, after 1 outcomes" in why


def test_a_wrong_answer_is_a_run_that_did_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIStub(Script(planner=[final("5")])) as stub:
        words(monkeypatch, stub)
        assert _code(["run", "2+2?", "--reference", "4", "--home", str(tmp_path / "home"), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["solved"], out["reward"]) == (False, 0.0)


def test_a_service_that_fails_is_exit_code_1_and_still_one_json_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIStub(Reply(status=401, content="no such key sk-test")) as stub:
        words(monkeypatch, stub)
        assert _code(["run", "2+2?", "--home", str(tmp_path / "home"), "--json"]) == 1
    told = capsys.readouterr()
    out: dict[str, Any] = json.loads(told.out)
    assert (out["solved"], out["reward"]) == (False, None)
    assert "sk-test" not in told.out + told.err
