"""What the tests of the command line share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memento.cli import _code
from tests.conftest import WordEncoder

if TYPE_CHECKING:
    import pytest


class Told:
    """What a command said: exit code, and the two streams."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
        capsys.readouterr()
        self.code = _code([str(argument) for argument in arguments])
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def assert_one_line(told: Told, code: int = 2, says: str = "") -> None:
    assert told.err.count("\n") == 1, told.err
    assert told.err.startswith("memento: ")
    assert (told.code, told.out) == (code, ""), told.err
    assert says in told.err
    assert "Traceback" not in told.err


def use_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's encoder in place of the weights."""
    for module in ("case_bank", "embeddings"):
        monkeypatch.setattr(f"memento.memory.{module}.load_encoder", lambda _embedding: WordEncoder())
