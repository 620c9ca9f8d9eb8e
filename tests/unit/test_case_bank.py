"""The case bank, on a real Chroma."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from memento.memory import Case, CaseBank, Home, journal
from memento.memory.chroma_index import ChromaIndex
from memento.memory.errors import UsageError
from tests.conftest import WordEncoder
from tests.memory_tools import DIMENSIONS, add_run, axis, demonstration

if TYPE_CHECKING:
    from pathlib import Path


def found(bank: CaseBank, vector: Any, n: int = 10, **options: Any) -> list[str]:
    return [candidate.case_id for candidate in bank.search(vector, n, **options)]


def test_a_case_comes_back_as_it_was_put_in(quick_bank: CaseBank) -> None:
    case = Case.from_demonstration(
        task="what is 2+2",
        trajectory=[
            {
                "subtask": "add",
                "tool_calls": [{"name": "add", "args": {"a": [1, {"b": None}], "c": "ü"}, "result": "4"}],
            }
        ],
        answer="4",
        note="by hand",
    )
    case_id = quick_bank.add(case)
    kept = quick_bank.get(case_id)
    assert kept is not None
    assert kept.to_dict() == {**case.to_dict(), "namespace": quick_bank.namespace}
    assert (kept.outcome, kept.reward, kept.plan, kept.tools) == ("success", 1.0, ["add"], ["add"])
    assert quick_bank.get("absent") is None


def test_the_nearest_come_first(quick_bank: CaseBank) -> None:
    texts = ["add two numbers", "add two lists", "name the capital of France"]
    ids = quick_bank.add_many([demonstration(text) for text in texts])
    candidates = quick_bank.search(quick_bank.embed(["add two numbers"])[0], 2)
    assert [candidate.case_id for candidate in candidates] == ids[:2]
    assert candidates[0].similarity == pytest.approx(1, abs=1e-5)
    assert 0 < candidates[1].similarity < 1
    assert found(quick_bank, axis(0), 0) == []
    assert len(found(quick_bank, axis(0), 99)) == 3


def test_a_given_vector_is_used_as_it_is_and_no_text_is_embedded(home: Path) -> None:
    class Silent(WordEncoder):
        def embed(self, texts: Any) -> Any:
            raise AssertionError(texts)

    with CaseBank(home, Silent()) as bank:
        ids = bank.add_many([demonstration("a"), demonstration("b")], np.stack([axis(3), axis(5)]))
        assert found(bank, axis(5), 1) == ids[1:]
        with bank.home.engine.connect() as connection:
            assert journal.known_dimensions(connection) == DIMENSIONS
        assert [round(c.similarity, 5) for c in bank.search(axis(5), 2)] == [1, 0]


def test_the_same_case_twice_is_one_case(quick_bank: CaseBank) -> None:
    case = demonstration("a task")
    first, second = quick_bank.add(case, axis(0)), quick_bank.add(case, axis(1))
    assert first == second
    assert quick_bank.add_many([case, case, case], [axis(2)] * 3) == [first] * 3
    assert quick_bank.count() == 1
    assert quick_bank.search(axis(0), 5)[0].similarity == pytest.approx(1)


def test_a_later_case_with_an_id_that_is_there_does_not_write_over_it(quick_bank: CaseBank) -> None:
    quick_bank.add(Case(id="mine", task="first"), axis(0))
    quick_bank.add(Case(id="mine", task="second"), axis(1))
    assert (quick_bank.get("mine") or demonstration("none")).task == "first"


@pytest.mark.parametrize(
    "vectors",
    [
        [axis(0)],
        [axis(0), axis(1), axis(2)],
        [axis(0), np.ones(3)],
        [np.ones(3), axis(0)],
        [axis(0), np.full(DIMENSIONS, np.nan)],
        [axis(0), np.full(DIMENSIONS, np.inf)],
        [axis(0), np.ones((2, DIMENSIONS))],
        [axis(0), np.zeros(0)],
        [],
    ],
    ids=["too few", "too many", "shorter", "longer", "nan", "inf", "two rows", "empty", "none"],
)
def test_vectors_that_cannot_be_meant_are_refused_and_nothing_is_written(
    bank: CaseBank, vectors: list[Any]
) -> None:
    with pytest.raises(UsageError):
        bank.add_many([demonstration("a"), demonstration("b")], vectors)
    assert bank.count() == 0
    assert bank.ledger.fact("dimensions") is None
    bank.add(demonstration("c"), np.ones(5))
    with pytest.raises(UsageError, match="5 dimensions"):
        bank.add(demonstration("d"), np.ones(6))
    assert bank.count() == 1


def test_a_search_does_not_fix_the_dimensions(bank: CaseBank) -> None:
    assert bank.search(np.ones(7), 3) == []
    bank.add(demonstration("a"), axis(0))
    with pytest.raises(UsageError, match=f"{DIMENSIONS} dimensions, not 7"):
        bank.search(np.ones(7), 3)


def test_namespaces_are_walls(quick_bank: CaseBank) -> None:
    mine, other = quick_bank.namespace, f"{quick_bank.namespace}-other"
    here = quick_bank.add(demonstration("a task"), axis(0))
    quick_bank.add(Case(id="there", task="a task", namespace=other), axis(0))
    assert found(quick_bank, axis(0)) == [here]
    assert found(quick_bank, axis(0), namespace=other) == ["there"]
    assert (quick_bank.count(), quick_bank.count(other)) == (1, 1)
    assert quick_bank.get("there") is None
    assert quick_bank.get(here, other) is None
    for wrong in (lambda: quick_bank.delete("there"), lambda: quick_bank.set_status("there", "quarantined")):
        with pytest.raises(UsageError, match=mine):
            wrong()
    assert found(quick_bank, axis(0), namespace=other) == ["there"]


def test_the_same_id_may_stand_in_two_namespaces(quick_bank: CaseBank) -> None:
    other = f"{quick_bank.namespace}-other"
    case = demonstration("a task")
    quick_bank.add(case, axis(0))
    quick_bank.add(Case(**{**vars(case), "namespace": other}), axis(0))
    quick_bank.delete(case.id)
    assert found(quick_bank, axis(0)) == []
    assert found(quick_bank, axis(0), namespace=other) == [case.id]


@pytest.mark.parametrize("namespace", ["", "  ", "a\nb", "x" * 201, None, 5])
def test_a_namespace_that_is_no_name_is_refused(home: Path, namespace: Any) -> None:
    with pytest.raises(UsageError, match="namespace"):
        CaseBank(home, WordEncoder(), namespace)
    assert not home.exists()


def test_odd_names_of_namespaces_work(home: Path) -> None:
    with CaseBank(home, WordEncoder(), "ann's / größte 🙂 … memory") as bank:
        kept = bank.add(demonstration("a"), axis(0))
        assert found(bank, axis(0)) == [kept]


def test_a_deleted_case_is_gone_and_may_come_back(quick_bank: CaseBank) -> None:
    case = demonstration("a task")
    quick_bank.add(case, axis(0))
    quick_bank.delete(case.id)
    assert (quick_bank.get(case.id), quick_bank.count(), found(quick_bank, axis(0))) == (None, 0, [])
    with pytest.raises(UsageError, match=case.id):
        quick_bank.delete(case.id)
    quick_bank.add(case, axis(1))
    assert quick_bank.search(axis(1), 1)[0].similarity == pytest.approx(1)


def test_what_was_said_of_a_deleted_case_goes_with_it(quick_bank: CaseBank) -> None:
    space = quick_bank.namespace
    case = Case(task="a secret task", source_run=space, namespace=space)
    add_run(quick_bank.ledger, space, case, namespace=space)
    quick_bank.sync()
    quick_bank.ledger.feedback(space, 1.0, comment="the secret is out")
    quick_bank.delete(case.id)
    assert "secret" not in str(quick_bank.ledger.run(space))


def test_a_quarantined_case_is_kept_and_not_found(quick_bank: CaseBank) -> None:
    first, second = quick_bank.add_many([demonstration("a"), demonstration("b")], [axis(0), axis(1)])
    quick_bank.set_status(first, "quarantined")
    assert found(quick_bank, axis(0)) == [second]
    assert found(quick_bank, axis(0), 1) == [second]
    assert (quick_bank.get(first) or demonstration("none")).status == "quarantined"
    assert (quick_bank.count(), quick_bank.count(status="active")) == (2, 1)
    assert [case.id for case in quick_bank.all(status="quarantined")] == [first]
    quick_bank.set_status(first, "active")
    assert found(quick_bank, axis(0)) == [first, second]
    with pytest.raises(UsageError, match="asleep"):
        quick_bank.set_status(first, "asleep")  # type: ignore[arg-type]


def test_enough_are_found_behind_many_that_are_turned_away(quick_bank: CaseBank) -> None:
    vectors = [axis(0, 0.001 * number) for number in range(300)]
    cases = [demonstration(f"task {number}") for number in range(300)]
    turned_away = [replace(case, status="quarantined") for case in cases[:200]]
    ids = quick_bank.add_many([*turned_away, *cases[200:]], vectors)
    assert found(quick_bank, axis(0), 5, exclude=set(ids[200:203])) == ids[203:208]


def test_a_search_asks_for_what_was_lately_in_its_way_and_no_more(
    quick_bank: CaseBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = [axis(0, 0.001 * number) for number in range(200)] + [axis(1, 0.001 * n) for n in range(50)]
    cases = [demonstration(f"task {number}") for number in range(250)]
    ids = quick_bank.add_many(
        [replace(case, status="quarantined") for case in cases[:3]] + cases[3:], vectors
    )
    asked, nearest = [], ChromaIndex.nearest

    def noted(self: ChromaIndex, vector: Any, n: int, namespace: str) -> list[str]:
        asked.append(n)
        return nearest(self, vector, n, namespace)

    monkeypatch.setattr(ChromaIndex, "nearest", noted)
    assert [found(quick_bank, axis(0), 10) for _ in range(2)] == [ids[3:13]] * 2
    assert asked == [10, 40, 13]
    for _ in range(3):
        found(quick_bank, axis(1), 10)
    assert asked[-1] == 10
    for case_id in ids[3:160]:
        quick_bank.set_status(case_id, "quarantined")
    assert found(quick_bank, axis(0), 10) == ids[160:170]
    found(quick_bank, axis(1), 10)
    assert asked[-1] <= 20


def test_everything_is_there_after_closing_and_opening(home: Path) -> None:
    with CaseBank(home, WordEncoder()) as bank:
        ids = bank.add_many([demonstration("a"), demonstration("b"), demonstration("c")])
        bank.set_status(ids[1], "quarantined")
        bank.delete(ids[2])
        before = [case.to_dict() for case in bank.all()]
    with CaseBank(home, WordEncoder()) as bank:
        assert [case.to_dict() for case in bank.all()] == before
        assert found(bank, bank.embed(["a"])[0]) == ids[:1]


def test_a_home_made_with_another_embedding_is_refused_in_one_line(home: Path) -> None:
    class Other(WordEncoder):
        name = "others"

    with CaseBank(home, WordEncoder()) as bank:
        bank.add(demonstration("a"))
    with pytest.raises(UsageError, match=r"test-words.*MEMENTO_EMBEDDING") as told:
        CaseBank(home, Other())
    assert "\n" not in str(told.value)
    with CaseBank(home, WordEncoder()) as bank:
        assert bank.count() == 1


@pytest.mark.parametrize("embedding", ["nonsense", "nonsense:model", 5, object()])
def test_an_unknown_embedding_is_refused_and_nothing_is_written(home: Path, embedding: Any) -> None:
    with pytest.raises(UsageError):
        CaseBank(home, embedding)
    assert not home.exists()


def test_langchain_embeddings_are_an_encoder(home: Path) -> None:
    with CaseBank(home, DeterministicFakeEmbedding(size=12)) as bank:
        kept = bank.add(demonstration("a task"))
        vector = bank.embed(["a task"])[0]
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert found(bank, vector, 1) == [kept]


def test_a_text_is_embedded_once(home: Path) -> None:
    class Counting(WordEncoder):
        asked = 0

        def embed(self, texts: Any) -> Any:
            self.asked += len(texts)
            return super().embed(texts)

    encoder = Counting()
    with CaseBank(home, encoder) as bank:
        assert np.array_equal(bank.embed(["a", "b", "a"])[0], bank.embed(["a"])[0])
        bank.add(demonstration("a"))
        assert encoder.asked == 2


def test_texts_that_no_store_takes_as_they_are_do_not_spoil_the_bank(home: Path) -> None:
    half, deep = "half \ud83d", {"x": "\udc00"}
    inner: dict[str, Any] = deep
    for _ in range(700):
        inner["x"] = inner = {"x": "deep"}
    call = {"name": "tool", "args": deep, "result": half, "error": None}
    step: Any = {"subtask": half, "tool_calls": [call], "result": half}
    with CaseBank(home, WordEncoder()) as bank:
        ids = [
            bank.add(
                Case(task=half, plan=[half], trajectory=[step], answer=half, note="zero \0 byte"), axis(0)
            ),
            bank.add(Case(task="a pair \ud83d\ude42"), axis(1)),
        ]
        assert found(bank, axis(0)) == ids
    with CaseBank(home, WordEncoder()) as bank:
        assert found(bank, axis(0)) == ids
        assert [case.task for case in bank.all()] == ["half \ufffd", "a pair 🙂"]


def test_credentials_are_not_stored(home: Path) -> None:
    secret = "sk-proj-abcdefghijklmnop1234567890"
    call = {
        "name": "fetch",
        "args": {"url": f"https://x.org/?api_key={secret}"},
        "result": secret,
        "error": None,
    }
    step: Any = {"subtask": f"use {secret}", "tool_calls": [call], "result": secret}
    with CaseBank(home, WordEncoder()) as bank:
        bank.add(
            Case(task=f"call it with {secret}", plan=[secret], trajectory=[step], answer=secret, note=secret)
        )
    stored = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert b"call it with [redacted]" in stored
    assert secret.encode() not in stored


def test_threads_that_add_at_once_lose_nothing(quick_bank: CaseBank) -> None:
    def add(number: int) -> str:
        return quick_bank.add(demonstration(f"task {number % 30}"), axis(number % 30))

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(add, range(60)))
    assert len(set(ids)) == quick_bank.count() == 30
    assert len(found(quick_bank, axis(0), 99)) == 30


def test_closing_one_bank_twice_leaves_another_of_the_same_home_open(home: Path) -> None:
    first, second = CaseBank(home, WordEncoder()), CaseBank(home, WordEncoder())
    assert first.home is second.home
    first.close()
    first.close()
    kept = second.add(demonstration("a"), axis(0))
    assert found(second, axis(0)) == [kept]
    second.close()
    with pytest.raises(UsageError, match="closed"):
        second.home.claim()


def test_a_bank_may_be_given_an_open_home(home: Path) -> None:
    with Home.open(home) as opened:
        with CaseBank(opened, WordEncoder()) as bank:
            bank.add(demonstration("a"), axis(0))
        with CaseBank(opened, WordEncoder()) as bank:
            assert bank.count() == 1
