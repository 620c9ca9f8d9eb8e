"""Cases as JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memento.memory import Case, CaseBank
from memento.memory.errors import UsageError
from memento.memory.exchange import export_lines, read_cases
from tests.memory_tools import axis, demonstration

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_exported_reads_back_equal(quick_bank: CaseBank, tmp_path: Path) -> None:
    texts = ["plain", "line\u2028and\x85breaks\x1c", "tabs\tand\r\nreturns", "ünïcödé 🙂", '{"json": [1]}']
    quick_bank.add_many([demonstration(text, "tool") for text in texts], [axis(n) for n in range(len(texts))])
    quick_bank.set_status(quick_bank.all()[0].id, "quarantined")
    lines = export_lines(quick_bank.ledger, quick_bank.namespace)
    file = tmp_path / "cases.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert read_cases(file, quick_bank.namespace) == quick_bank.all()
    assert [case.task for case in read_cases(file, "other")] == texts
    assert {case.namespace for case in read_cases(file, "other")} == {"other"}


@given(st.text().filter(str.strip))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_line_is_a_case_whatever_is_in_its_texts(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(
        json.dumps(Case(task=text, note=text).to_dict(), ensure_ascii=False) + "\n", encoding="utf-8"
    )
    assert [(case.task, case.note) for case in read_cases(file, "default")] == [(text, text)]


@pytest.mark.parametrize("content", ["", "\n\n", "  \n"])
def test_an_empty_file_has_no_cases(tmp_path: Path, content: str) -> None:
    (tmp_path / "a").write_text(content)
    assert read_cases(tmp_path / "a", "default") == []


def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes('\ufeff{"task": "a"}\r\n{"task": "b"}\r\n'.encode())
    assert [case.task for case in read_cases(tmp_path / "a", "default")] == ["a", "b"]


def test_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"task": "a", "colour": "red"}\n')
    assert [case.task for case in read_cases(tmp_path / "a", "default")] == ["a"]


def test_a_bad_line_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"task": "a"}\n\n{"task": 5}\n')
    with pytest.raises(UsageError, match=r"a, line 3: ") as told:
        read_cases(tmp_path / "a", "default")
    assert "\n" not in str(told.value)
