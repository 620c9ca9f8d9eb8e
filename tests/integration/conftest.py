"""A model that solves sums, behind the real client, and a bank with the real encoder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memento.memory import CaseBank
from tests.integration.solving_model import KEY, solve
from tests.openai_stub import OpenAIStub


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIStub]:
    """The OpenAI stub that solves sums, as the environment's endpoint."""
    with OpenAIStub(solve) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server
        assert server.violations == []


@pytest.fixture
def minilm_bank(tmp_path: Path) -> Iterator[CaseBank]:
    """An empty bank with the default encoder."""
    with CaseBank(tmp_path / "home") as bank:
        yield bank
