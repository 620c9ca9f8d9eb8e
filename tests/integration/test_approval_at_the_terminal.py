"""`memento run` asks the person at the terminal before a tool writes."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from tests.agent import Script, call, final, plan
from tests.command_line import Told, use_words
from tests.openai_stub import OpenAIStub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITE = {"path": "note.txt", "text": "[bold]hello[/]"}


class Terminal(io.StringIO):
    """What the person types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[OpenAIStub]:
    use_words(monkeypatch)
    replies = Script(
        planner=[plan("Write it down"), final("done")], executor=[call("workspace_write", **WRITE), "written"]
    )
    with OpenAIStub(replies) as opened:
        given = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": opened.base_url}
        tools = {"MEMENTO_APPROVE": "workspace_write", "MEMENTO_ALLOW_TOOLS": "workspace_write"}
        models = {f"MEMENTO_{part}": "openai:a-model" for part in ("PLANNER", "EXECUTOR")}
        for name, value in {**given, **tools, **models, "MEMENTO_HOME": str(tmp_path / "home")}.items():
            monkeypatch.setenv(name, value)
        yield opened


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str) -> Told:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    return Told(capsys, "run", "Write it down")


def test_a_call_that_is_allowed_is_made(
    stub: OpenAIStub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = run(capsys, monkeypatch, "y\n")
    assert told.code == 0, told.err
    assert "allow? workspace_write" in told.out
    assert "[bold]hello[/]" in told.out
    assert "wrote note.txt" in told.out


@pytest.mark.parametrize("typed", ["n\n", "\n", "", "not now\n", "yeah\n"])
def test_whatever_is_no_clear_yes_is_a_no(
    typed: str,
    stub: OpenAIStub,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    told = run(capsys, monkeypatch, typed)
    assert told.code == 0, told.err
    assert "wrote" not in told.out
    reason = typed.strip()
    if reason not in {"", "n"}:
        assert reason in str([request.body for request in stub.requests])


def test_with_nobody_at_the_terminal_the_call_is_refused(
    stub: OpenAIStub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    told = Told(capsys, "run", "Write it down")
    assert told.code == 0, told.err
    assert "allow?" not in told.out
    assert "wrote" not in told.out
