"""A purged case is in no file of the home, however it was kept there before."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memento.memory import Case, CaseBank, Ledger, build_policy, purge
from memento.memory.errors import UsageError
from tests.command_line import Told, assert_one_line
from tests.memory_tools import add_run, axis, demonstration, open_bank, python, step

if TYPE_CHECKING:
    from pathlib import Path

MARK = "xyzzy"
SECRETS = [
    f"xyzzy{what}größe" for what in ("task", "plan", "call", "answer", "note", "edit", "run", "comment")
]
TASK, PLAN, CALL, ANSWER, NOTE, EDIT, RUN, COMMENT = SECRETS


def kept(home: Path, secret: str = MARK) -> list[str]:
    """The files of the home in which a secret is found, as it is or as JSON escapes it."""
    forms = [secret.encode(), json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le")]
    files = [file for file in home.rglob("*") if file.is_file()]
    return [str(file) for file in files if any(form in file.read_bytes() for form in forms)]


def with_secrets(bank: CaseBank) -> str:
    """A case of a run, and all that may be known of it, among others."""
    bank.add_many([demonstration(f"an ordinary task {n}", "tool") for n in range(30)])
    trajectory: Any = [{**step("tool", subtask=PLAN), "result": CALL}]
    space = bank.namespace
    case = Case(
        task=TASK, plan=[PLAN], trajectory=trajectory, answer=ANSWER, source_run="r1", namespace=space
    )
    add_run(bank.ledger, "r1", case, bank.embed([TASK])[0], task=TASK, answer=RUN, trajectory=trajectory)
    bank.sync()
    bank.ledger.feedback("r1", 1.0, comment=COMMENT)
    add_run(bank.ledger, "r2", task=TASK, answer=RUN, vector=bank.embed([TASK])[0])
    bank.note(case.id, NOTE)
    bank.edit(case.id, answer=EDIT)
    bank.edit(case.id, answer="harmless")
    bank.add(Case(id="child", task="made with it", parents=[case.id, "other"]))
    policy = build_policy("similarity", bank=bank, k=2)
    policy.record(policy.select(bank.embed([TASK])[0]), reward=0.0, task="a task of another kind")
    assert kept(bank.home.path, TASK)
    return case.id


def test_nothing_that_a_purged_case_said_is_found_in_any_file(home: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
        gone = bank.purge(case_id)
        assert (len(gone.runs), gone.shown, gone.same_task) == (2, 1, [])
        assert [kept(home, secret) for secret in SECRETS] == [[]] * len(SECRETS)
        assert kept(home, case_id) == []
        assert len(bank.search(bank.embed([TASK])[0], 50)) == 31
        assert (bank.get("child") or demonstration("none")).parents == ["other"]
        bank.add(demonstration("another day"))
    assert kept(home) == []
    with open_bank(home) as bank:
        assert bank.count() == 32
        assert len(bank.search(axis(0), 50)) == 32
    assert kept(home) == []


def test_a_case_that_was_deleted_before_is_purged_too_and_does_not_come_back(home: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
        bank.delete(case_id)
        assert kept(home, TASK)
        bank.purge(case_id)
        assert kept(home) == []
        while bank.undo():
            pass
        assert bank.get(case_id) is None
        assert bank.count() == 0
        assert "purge" in {change.action for change in bank.changes()}
    assert kept(home) == []


def test_a_deletion_that_is_no_purge_keeps_the_statistics_and_can_be_undone(home: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
        bank.delete(case_id)
        assert (bank.ledger.run("r1") or {})["reward"] == 1.0
        assert TASK not in str(bank.ledger.run("r1")) + str(bank.all())
        bank.undo()
        assert (bank.get(case_id) or demonstration("none")).task == TASK


def test_runs_that_showed_it_keep_their_words_and_teach_nothing(home: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
        before = len(bank.ledger.outcomes_since("default", 0))
        bank.purge(case_id)
        [run] = [run for run in bank.ledger.runs() if run["task"] == "a task of another kind"]
        assert (run["learn"], run["reward"]) == (False, 0.0)
        assert case_id not in json.dumps(bank.ledger.run(run["run_id"]), default=str)
        assert len(bank.ledger.outcomes_since("default", 0)) < before


@pytest.mark.parametrize("name", ["auto", "kernel", "neural"])
def test_what_a_purged_case_taught_is_forgotten_by_policies_that_are_open(home: Path, name: str) -> None:
    with open_bank(home) as bank:
        ids = bank.add_many([demonstration(f"task {n}") for n in range(6)], [axis(n, 0.3) for n in range(6)])
        policy = build_policy(name, bank=bank, k=2)
        for n in range(40):
            selection = policy.select(axis(n % 6))
            told = {slot.case_id for slot in selection.cases}
            policy.record(selection, reward=float(ids[1] in told), task=f"run {n}")
        before = policy.select(axis(0), explore=False).candidates
        bank.purge(ids[1])
        after = policy.select(axis(0), explore=False).candidates
        assert after == build_policy(name, bank=bank, k=2).select(axis(0), explore=False).candidates
        assert after != [row for row in before if row[0] != ids[1]]


def test_another_case_with_the_same_task_is_left_and_named(home: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
        other = bank.add(Case(task=TASK, answer="another way"))
        bank.add(replace(demonstration(TASK), namespace="theirs"))
        assert bank.purge(case_id).same_task == [other]
        assert kept(home, TASK)
        assert not kept(home, ANSWER)
        bank.purge(other)
        assert (bank.count(), bank.count("theirs")) == (31, 1)


def test_copies_of_older_ledgers_and_of_broken_banks_go_too(home: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
    (home / "ledger.schema-1.sqlite3").write_bytes((home / "ledger.sqlite3").read_bytes())
    (home / "chroma.broken-20260101").mkdir()
    (home / "chroma.broken-20260101" / "chroma.sqlite3").write_text(TASK)
    with open_bank(home) as bank:
        bank.purge(case_id)
    assert kept(home) == []


def test_a_purge_that_was_killed_is_finished_at_the_next_opening(home: Path, tmp_path: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
    code = (
        "import os, sys\nfrom memento.memory import purge\nfrom tests.memory_tools import open_bank\n"
        "purge.clean_files = lambda *_, **__: os._exit(9)\nopen_bank(sys.argv[1]).purge(sys.argv[2])"
    )
    assert python(code, home, case_id, cwd=tmp_path).returncode == 9
    assert kept(home)
    with open_bank(home) as bank:
        assert bank.get(case_id) is None
        assert kept(home) == []
        assert len(bank.search(axis(0), 50)) == 31


def test_while_another_process_reads_the_ledger_the_rest_is_left_for_the_next_opening(home: Path) -> None:
    from memento.memory.errors import MementoError

    with open_bank(home) as bank:
        case_id = with_secrets(bank)
        with closing(sqlite3.connect(home / "ledger.sqlite3")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM runs").fetchone()
            with pytest.raises(MementoError, match="another process"):
                bank.purge(case_id)
            assert bank.get(case_id) is None
    with open_bank(home):
        assert kept(home) == []


def test_an_unknown_case_is_named_and_nothing_is_purged(home: Path) -> None:
    with open_bank(home) as bank:
        with_secrets(bank)
        before = bank.changes()
        with pytest.raises(UsageError, match="'absent'"):
            bank.purge("absent")
        assert (bank.changes(), bank.count()) == (before, 32)


def test_banks_and_searches_of_the_same_home_go_on(home: Path) -> None:
    with open_bank(home) as bank, open_bank(home) as other:
        case_id = with_secrets(bank)
        assert len(other.search(axis(0), 50)) == 32
        bank.purge(case_id)
        assert len(other.search(axis(0), 50)) == 31
        kept_vector = np.asarray(axis(5))
        other.add(demonstration("new"), kept_vector)
        assert bank.search(kept_vector, 1)[0].similarity == pytest.approx(1)


def test_the_command_removes_what_its_runs_left_in_their_folders(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
    for run_id in ("r1", "r2", "r3"):
        (home / "workspaces" / run_id).mkdir(parents=True)
        (home / "workspaces" / run_id / "notes.txt").write_text(TASK)
    assert Told(capsys, "cases", "delete", case_id, "--purge", "--home", home).code == 0
    assert kept(home) == [str(home / "workspaces" / "r3" / "notes.txt")]


def test_the_command_purges_also_what_was_deleted(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    with open_bank(home) as bank:
        case_id = with_secrets(bank)
    assert Told(capsys, "cases", "delete", case_id, "--home", home).code == 0
    told = Told(capsys, "cases", "delete", case_id, "--purge", "--home", home, "--json")
    assert (told.code, told.err) == (0, "")
    assert told.json == {
        "id": case_id,
        "deleted": True,
        "purged": True,
        "runs": 2,
        "shown": 1,
        "same_task": [],
    }
    assert kept(home) == []
    told = Told(capsys, "cases", "delete", case_id, "--purge", "--home", home)
    assert_one_line(told, says=case_id)
    with Ledger(home) as ledger, ledger.home.reader.connect() as connection:
        assert not purge.is_pending(connection)
