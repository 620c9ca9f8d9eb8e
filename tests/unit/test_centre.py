"""Vectors of encoders that put all texts into a narrow cone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from memento.memory import CaseBank
from memento.memory.centre import made_by
from memento.memory.embeddings import LangChainEncoder
from memento.memory.exchange import export_lines, write_file
from memento.memory.importing import import_file
from tests.conftest import WordEncoder
from tests.memory_tools import demonstration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

TASKS = ["How many bolts are left?", "Translate the poem into French", "Which river is longest?"]


class Cone(Embeddings):
    """What texts have in common outweighs what tells them apart, as under many an encoder."""

    def __init__(self, common: float = 2.0) -> None:
        self.common = common
        self.calls = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls += 1
        own = WordEncoder().embed(texts)
        every_other = np.where(np.arange(own.shape[1]) % 2, 1.0, -1.0) / own.shape[1] ** 0.5
        return [row.tolist() for row in own + self.common * every_other]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Unwilling(Cone):
    """Takes one text at a time."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if len(texts) > 1:
            raise ValueError(f"{len(texts)} texts are too many")
        return super().embed_documents(texts)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[CaseBank]:
    with CaseBank(tmp_path / "home", Cone()) as opened:
        yield opened


def between(vectors: NDArray[np.float32]) -> float:
    """The mean cosine of two different ones."""
    count = len(vectors)
    return float(((vectors @ vectors.T).sum() - count) / (count * (count - 1)))


def as_it_is(texts: list[str]) -> NDArray[np.float32]:
    """Cone's vectors, of unit length."""
    return LangChainEncoder(Cone()).embed(texts)


def test_what_all_texts_have_in_common_is_taken_off(bank: CaseBank) -> None:
    assert between(as_it_is(TASKS)) > 0.7
    vectors = bank.embed(TASKS)
    assert between(vectors) < 0.2
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_home_keeps_what_it_measured(tmp_path: Path, bank: CaseBank) -> None:
    before = bank.embed(TASKS)
    kept = bank.add(demonstration(TASKS[0]))
    bank.close()
    encoder = Cone()
    with CaseBank(tmp_path / "home", encoder) as opened:
        assert np.array_equal(opened.embed(TASKS), before)
        assert opened.search(opened.embed(TASKS[:1])[0], 1)[0].case_id == kept
    assert encoder.calls == 1
    with CaseBank(tmp_path / "home", Cone(), read_only=True) as beside:
        assert np.array_equal(beside.embed(TASKS), before)


def test_an_encoder_that_tells_texts_apart_and_one_of_ones_own_are_taken_as_they_are(tmp_path: Path) -> None:
    plain: list[Any] = [Cone(common=0.0), DeterministicFakeEmbedding(size=64), WordEncoder()]
    for number, embedding in enumerate(plain):
        with CaseBank(tmp_path / f"{number}", embedding) as opened:
            opened.embed(TASKS)
            assert opened.encoder.centre() is None
            assert made_by(opened.ledger) == opened.encoder.name


def test_a_home_that_has_vectors_already_goes_on_without(tmp_path: Path) -> None:
    raw = as_it_is(TASKS)
    with CaseBank(tmp_path / "home", Cone()) as opened:
        opened.add(demonstration(TASKS[0]), raw[0])
        assert opened.embed(TASKS) == pytest.approx(raw, abs=1e-6)


def test_where_it_cannot_be_measured_vectors_are_taken_as_they_are_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with CaseBank(tmp_path / "home", Unwilling()) as opened:
        assert opened.embed(TASKS[:1]) == pytest.approx(as_it_is(TASKS[:1]), abs=1e-6)
        opened.embed(TASKS[1:2])
    assert [record.message for record in caplog.records] == [
        "what all vectors of Unwilling have in common is not taken off: it cannot be measured (ValueError)"
    ]


def test_exported_vectors_are_taken_in_where_the_same_was_taken_off_and_else_made_anew(
    tmp_path: Path, bank: CaseBank
) -> None:
    ids = [bank.add(demonstration(task)) for task in TASKS]
    file = tmp_path / "cases.jsonl"
    write_file(file, export_lines(bank.ledger, "default", vectors=True))
    encoder = Cone()
    with CaseBank(tmp_path / "new", encoder) as other:
        import_file(other, file)
        assert encoder.calls == 1  # the usual texts
        assert np.array_equal(stored(other, ids), stored(bank, ids))
    with CaseBank(tmp_path / "older", Cone()) as older:
        older.add(demonstration("another"), as_it_is(["another"])[0])
        import_file(older, file)
        assert stored(older, ids) == pytest.approx(as_it_is(TASKS), abs=1e-6)


def stored(bank: CaseBank, ids: list[str]) -> NDArray[np.float32]:
    held = bank.vectors(ids)
    return np.stack([held[case_id][0] for case_id in ids])
