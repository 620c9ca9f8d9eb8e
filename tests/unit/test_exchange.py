"""Cases as JSON lines: out and in again without a difference, Memento's own files, and bad lines."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memento.memory import Case, CaseBank
from memento.memory.errors import UsageError
from memento.memory.exchange import BadLine, Incoming, export_lines, read_cases, write_file
from memento.memory.importing import BATCH, import_file
from tests.conftest import WordEncoder
from tests.memory_tools import axis, demonstration

if TYPE_CHECKING:
    from pathlib import Path


def lines_of(bank: CaseBank, **options: Any) -> list[str]:
    return list(export_lines(bank.ledger, bank.namespace, **options))


def written(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def cases_of(file: Path, namespace: str = "default") -> list[Case]:
    return [found.case for found in read_cases(file, namespace) if isinstance(found, Incoming)]


def bad_lines(file: Path) -> list[BadLine]:
    return [found for found in read_cases(file, "default") if isinstance(found, BadLine)]


class Counting(WordEncoder):
    """It counts the texts that it embeds."""

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, texts: Any) -> Any:
        self.asked += len(texts)
        return super().embed(texts)


def test_what_is_exported_reads_back_equal(quick_bank: CaseBank, tmp_path: Path) -> None:
    texts = ["plain", "line\u2028and\x85breaks\x1c", "tabs\tand\r\nreturns", "ünïcödé 🙂", '{"json": [1]}']
    quick_bank.add_many([demonstration(text, "tool") for text in texts], [axis(n) for n in range(len(texts))])
    quick_bank.set_status(quick_bank.all()[0].id, "quarantined")
    file = tmp_path / "cases.jsonl"
    assert write_file(file, lines_of(quick_bank)) == len(texts)
    assert cases_of(file, quick_bank.namespace) == quick_bank.all()
    assert [case.task for case in cases_of(file, "other")] == texts
    assert {case.namespace for case in cases_of(file, "other")} == {"other"}


@given(st.text().filter(str.strip))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_line_is_a_case_whatever_is_in_its_texts(tmp_path: Path, text: str) -> None:
    written(tmp_path / "a", Case(task=text, note=text).to_dict())
    assert [(case.task, case.note) for case in cases_of(tmp_path / "a")] == [(text, text)]


@pytest.mark.parametrize("content", ["", "\n\n", "  \n"])
def test_an_empty_file_has_no_cases(quick_bank: CaseBank, tmp_path: Path, content: str) -> None:
    (tmp_path / "a").write_text(content)
    assert import_file(quick_bank, tmp_path / "a").read == 0
    assert quick_bank.changes() == []


def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes('\ufeff{"task": "a"}\r\n{"task": "b"}'.encode())
    assert [case.task for case in cases_of(tmp_path / "a")] == ["a", "b"]


def test_fields_of_a_later_version_are_ignored_and_a_later_schema_is_not(tmp_path: Path) -> None:
    file = written(tmp_path / "a", {"task": "a", "colour": "red", "schema": 1}, {"task": "b", "schema": 2})
    assert [case.task for case in cases_of(file)] == ["a"]
    assert bad_lines(file) == [BadLine(2, "its schema is 2, and this version of Memento reads 1")]


def test_mementos_own_files_are_read(tmp_path: Path) -> None:
    plan = json.dumps({"plan": [{"id": 1, "description": "Look."}, {"id": 2, "description": "Answer."}]})
    file = written(
        tmp_path / "a",
        {"case": "who", "plan": plan, "case_label": "positive"},
        {"case": "what", "plan": "in words", "case_label": "negative"},
        {"question": "when", "plan": plan, "reward": 1},
        {"question": "where", "plan": json.loads(plan)["plan"], "reward": 0.25},
        {"question": "why", "plan": ["a", "b"], "reward": None},
    )
    assert [(case.task, case.plan, case.reward, case.outcome) for case in cases_of(file)] == [
        ("who", ["Look.", "Answer."], 1.0, "success"),
        ("what", ["in words"], 0.0, "failure"),
        ("when", ["Look.", "Answer."], 1.0, "success"),
        ("where", ["Look.", "Answer."], 0.25, "failure"),
        ("why", ["a", "b"], None, "unknown"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"task": 5},
        {"case": "a", "plan": "[]"},
        {"case": "a", "plan": "[]", "case_label": "perhaps"},
        {"case": "a", "plan": "[]", "case_label": ["positive"]},
        {"case": 5, "case_label": "positive"},
        {"question": "a", "reward": 7},
        {"question": "a", "plan": 5, "reward": 1},
        {"question": "a", "plan": [{"id": 1}], "reward": 1},
        {"task": "x" * 100_001},
        {"task": "a", "schema": "new"},
        {"task": "a", "vector": []},
        {"task": "a", "vector": "1 2"},
        {"task": "a", "vector": [1, "2"]},
        {"task": "a", "vector": [1, True]},
        {"task": "a", "vector": [1, 1e39]},
        {"task": "a", "vector": [1, float("nan")]},
        {"task": "a", "vector": [1], "embedding": 5},
    ],
    ids=lambda row: json.dumps(row)[:60],
)
def test_a_bad_line_is_named_by_its_number_and_skipped(
    quick_bank: CaseBank, tmp_path: Path, row: dict[str, Any]
) -> None:
    file = written(tmp_path / "a", {"task": "good"}, row, {"task": "good too"})
    assert [bad.line for bad in bad_lines(file)] == [2]
    with pytest.raises(UsageError, match=r"a, line 2: .*nothing was imported"):
        import_file(quick_bank, file, strict=True)
    assert (quick_bank.count(), quick_bank.changes()) == (0, [])
    told = import_file(quick_bank, file)
    assert (told.read, told.added, [bad.line for bad in told.skipped]) == (2, 2, [2])
    assert [case.task for case in quick_bank.all()] == ["good", "good too"]


def test_a_line_that_is_no_text_or_too_long_is_passed_over(quick_bank: CaseBank, tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.write(b'{"task": "first"}\n{"task": "\xff\xfe"}\n{"task": "')
        for _ in range(50):
            file.write(b"x" * 1024 * 1024)
        file.write(b'"}\n{"task": "last"}\n')
    told = import_file(quick_bank, tmp_path / "a")
    assert told.skipped == [BadLine(2, "it is not UTF-8"), BadLine(3, "it is longer than 16 MB")]
    assert [case.task for case in quick_bank.all()] == ["first", "last"]


def test_a_pipe_is_refused_since_it_can_be_read_only_once(quick_bank: CaseBank, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"is a pipe.* write it to a file"):
        import_file(quick_bank, tmp_path / "pipe")


def test_a_file_without_a_single_case_is_refused(quick_bank: CaseBank, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("this is\nno such file\n")
    with pytest.raises(UsageError, match=r"a, line 1: this is no JSON"):
        import_file(quick_bank, tmp_path / "a")
    with pytest.raises(UsageError, match="cannot be read"):
        import_file(quick_bank, tmp_path / "absent")


def test_an_import_is_one_change_and_twice_is_once(quick_bank: CaseBank, tmp_path: Path) -> None:
    rows = [{"task": f"task {n % (BATCH + 20)}"} for n in range(2 * BATCH)]
    file, done = written(tmp_path / "a", *rows), list[int]()
    told = import_file(quick_bank, file, progress=done.append)
    assert (told.read, told.added, told.known, done) == (
        2 * BATCH,
        BATCH + 20,
        BATCH - 20,
        [BATCH, 2 * BATCH],
    )
    before = quick_bank.all()
    again = import_file(quick_bank, file)
    assert (again.added, quick_bank.all()) == (0, before)
    assert {change.action for change in quick_bank.changes()} == {"import"}
    assert len(quick_bank.undo()) == BATCH + 20
    assert quick_bank.all() == []


def test_an_import_that_was_interrupted_goes_on_and_embeds_nothing_twice(home: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "a", *({"task": f"task {n}"} for n in range(BATCH + 30)))

    def interrupt(_done: int) -> None:
        raise KeyboardInterrupt

    with CaseBank(home, Counting()) as bank:
        with pytest.raises(KeyboardInterrupt):
            import_file(bank, file, progress=interrupt)
        assert bank.count() == BATCH
    encoder = Counting()
    with CaseBank(home, encoder) as bank:
        assert import_file(bank, file).added == 30
        assert (encoder.asked, bank.count()) == (30, BATCH + 30)


def test_vectors_go_out_and_in_to_the_last_bit_and_are_not_embedded(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20, 64)).astype(np.float32)
    file = tmp_path / "a"
    with CaseBank(home, WordEncoder()) as bank:
        ids = bank.add_many([demonstration(f"task {n}") for n in range(20)], vectors)
        write_file(file, lines_of(bank, vectors=True))
        kept = bank.vectors(ids)
    encoder = Counting()
    with CaseBank(tmp_path / "new", encoder) as bank:
        import_file(bank, file)
        assert encoder.asked == 0
        assert all(np.array_equal(bank.vectors(ids)[i][0], kept[i][0]) for i in ids)
        assert lines_of(bank, vectors=True) == file.read_text(encoding="utf-8").splitlines()


def test_a_vector_that_cannot_be_of_this_home_is_made_anew(home: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path / "a",
        {"task": "of another encoder", "vector": [1.0] * 64, "embedding": "another"},
        {"task": "of other dimensions", "vector": [1.0, 2.0]},
        {"task": "as it is", "vector": axis(3).tolist()},
    )
    with CaseBank(home, WordEncoder()) as bank:
        bank.add(demonstration("first"))
        assert import_file(bank, file).added == 3
        best = {c.case_id: c.similarity for c in bank.search(bank.embed(["of other dimensions"])[0], 9)}
        assert max(best.values()) == pytest.approx(1, abs=1e-5)
        assert bank.search(axis(3), 1)[0].similarity == pytest.approx(1)
    with CaseBank(tmp_path / "new", WordEncoder()) as bank:
        assert import_file(bank, file).added == 3


def test_the_papers_shape_goes_in_twice_out_and_into_a_new_home_equal(home: Path, tmp_path: Path) -> None:
    plan = '{{ "plan": [ {{ "id": 1, "description": "Find {}." }} ] }}'
    rows = [
        {"case": f"Where is {n}?", "plan": plan.format(n), "case_label": ("positive", "negative")[n % 2]}
        for n in range(60)
    ]
    file, out = written(tmp_path / "memory.jsonl", *rows), tmp_path / "out.jsonl"
    with CaseBank(home, WordEncoder()) as bank:
        assert import_file(bank, file).added == 60
        first = lines_of(bank, vectors=True)
        assert import_file(bank, file).added == 0
        assert lines_of(bank, vectors=True) == first
        [found] = bank.search(bank.embed(["Where is 7?"])[0], 1)
        assert (bank.get(found.case_id) or demonstration("none")).plan == ["Find 7."]
        write_file(out, lines_of(bank))
        kept = bank.all()
    with CaseBank(tmp_path / "new", WordEncoder()) as bank:
        import_file(bank, out)
        assert bank.all() == kept
        assert lines_of(bank, vectors=True) == first


@pytest.mark.parametrize("place", ["absent/a.jsonl", "file/a.jsonl", "."])
def test_an_export_that_cannot_be_written_is_said_and_leaves_nothing(
    quick_bank: CaseBank, tmp_path: Path, place: str
) -> None:
    quick_bank.add(demonstration("a"), axis(0))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(tmp_path / place, lines_of(quick_bank))
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "user-data"] == ["file"]


def test_an_export_that_breaks_off_leaves_the_file_that_was_there(
    quick_bank: CaseBank, tmp_path: Path
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("an earlier export\n")

    def broken() -> Any:
        yield "one line"
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match="No space left"):
        write_file(file, broken())
    assert file.read_text() == "an earlier export\n"
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "user-data"] == ["a.jsonl"]


def test_a_namespace_is_imported_into_where_it_is_asked_for(quick_bank: CaseBank, tmp_path: Path) -> None:
    other = f"{quick_bank.namespace}-other"
    quick_bank.add(replace(demonstration("theirs"), namespace=other), axis(0))
    file = tmp_path / "a"
    write_file(file, export_lines(quick_bank.ledger, other))
    import_file(quick_bank, file)
    assert (quick_bank.count(), quick_bank.count(other)) == (1, 1)
