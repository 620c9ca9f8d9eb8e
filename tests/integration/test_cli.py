"""The command line: help, JSON, exit codes, and one line for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from memento.memory import CaseBank, Ledger
from tests.command_line import Told, assert_one_line, use_words
from tests.conftest import WordEncoder
from tests.memory_tools import ROOT, add_run, axis, child_environment, demonstration, memento, run_case, step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = [
    (),
    ("run",),
    ("demo",),
    ("backup",),
    ("backup", "create"),
    ("backup", "restore"),
    ("bench",),
    ("cases",),
    ("cases", "list"),
    ("cases", "search"),
    ("cases", "show"),
    ("cases", "stats"),
    ("cases", "why"),
    ("cases", "edit"),
    ("cases", "note"),
    ("cases", "pin"),
    ("cases", "quarantine"),
    ("cases", "restore"),
    ("cases", "delete"),
    ("cases", "undo"),
    ("cases", "changes"),
    ("cases", "export"),
    ("cases", "import"),
    ("cases", "repair"),
    ("feedback",),
    ("runs",),
    ("runs", "list"),
    ("runs", "show"),
    ("tools",),
    ("tools", "list"),
    ("tools", "call"),
    ("mcp",),
    ("serve",),
    ("doctor",),
]
GROUPS = {("backup",), ("cases",), ("runs",), ("tools",)}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder, and an environment that ends as it began."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def filled(home: Path) -> Path:
    """A home with two cases and a run, closed."""
    with CaseBank(home, WordEncoder()) as bank:
        bank.add(demonstration("how long is a [bold] piece of string", "measure"))
        add_run(bank.ledger, "r1", run_case("r1", "what is two and two", "calculate"), answer="4")
        bank.sync()
    return home


# -- help


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_page_with_an_example(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    told = Told(capsys, *command, "--help")
    assert (told.code, told.err) == (0, "")
    words = " ".join(told.out.split())
    assert "Usage: memento" in words
    if command not in GROUPS:
        assert f"Example: memento {' '.join(command)}".strip() in words


def test_the_help_pages_are_of_all_the_commands_that_there_are() -> None:
    import typer.main

    from memento.cli import app

    def paths(command: Any, *above: str) -> Iterator[tuple[str, ...]]:
        yield above
        for name, below in getattr(command, "commands", {}).items():
            yield from paths(below, *above, name)

    assert sorted(paths(typer.main.get_command(app))) == sorted(COMMANDS)


@pytest.mark.parametrize("command", [(), ("backup",), ("cases",), ("runs",), ("tools",)], ids=" ".join)
def test_a_group_without_a_command_shows_its_help_and_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    told = Told(capsys, *command)
    assert told.code == 2
    assert "Usage: memento" in told.out
    assert told.err.count("\n") == 1


# -- wrong usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["cases", "nonsense"], "nonsense"),
        (["run"], "task"),
        (["run", "a task", "--nonsense"], "--nonsense"),
        (["run", "a task", "-k", "many"], "-k"),
        (["run", "a task", "-k", "65"], "k: "),
        (["run", "a task", "--policy", "nonsense"], "policy"),
        (["run", "a task", "--namespace", ""], "namespace"),
        (["run", "a task", "--planner", "nonsense:model"], "nonsense"),
        (["run", "a task", "--planner", "openai:gpt-4.1"], "OPENAI_API_KEY"),
        (["run", "a task", "--home"], "--home"),
        (["run", ""], "empty"),
        (["run", "  \n "], "empty"),
        (["run", "x" * 1_000_000], "characters"),
        (["feedback", "r1"], "reward"),
        (["feedback", "r1", "good"], "reward"),
        (["runs", "list", "--limit", "0"], "--limit"),
        (["runs", "show"], "run"),
        (["cases", "show"], "case"),
        (["cases", "import"], "file"),
        (["cases", "import", "absent.jsonl"], "absent.jsonl"),
        (["cases", "list", "--namespace", "../x"], "not a path"),
        (["cases", "delete", "x", "--namespace", "../x"], "not a path"),
        (["cases", "import", "absent.jsonl", "--namespace", "../x"], "not a path"),
        (["runs", "list", "--namespace", "../x"], "not a path"),
        (["run", "a task", "--namespace", "../x"], "not a path"),
        (["tools", "call", "calculate"], "args"),
        (["tools", "call", "nonsense", "{}"], "nonsense"),
        (["tools", "call", "calculate", "nonsense"], "JSON object"),
        (["tools", "call", "calculate", "[1]"], "JSON object"),
        (["tools", "call", "calculate", "[" * 100_000], "JSON object"),
        (["runs", "list", "--limit", "9" * 20], "--limit"),
        (["runs", "list", "--home", "x" * 5000], "cannot be used"),
        (["run", "a task", "--home", "~nobody-of-that-name/x"], "cannot be used"),
        (["run", "a task", "--planner", " "], "a model is"),
        (["serve", "--port", "70000"], "--port"),
        (["demo", "--out", "/dev/null/demo"], "--out"),
        (["bench", "--out", "/dev/null/bench"], "--out"),
        (["demo", "--tasks", "0"], "--tasks"),
    ],
)
def test_wrong_usage_is_one_line_exit_code_2_and_nothing_written(
    capsys: pytest.CaptureFixture[str], home: Path, arguments: list[str], says: str
) -> None:
    os.environ["MEMENTO_HOME"] = str(home)
    assert_one_line(Told(capsys, *arguments), says=says)
    assert not home.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["cases", "list"],
        ["cases", "show", "x"],
        ["cases", "stats", "--json"],
        ["cases", "search", "x"],
        ["cases", "changes"],
        ["cases", "undo"],
        ["cases", "edit", "x", "--task", "y"],
        ["cases", "note", "x", "y"],
        ["cases", "pin", "x"],
        ["cases", "delete", "x"],
        ["cases", "quarantine", "x"],
        ["cases", "restore", "x"],
        ["cases", "export"],
        ["runs", "list", "--json"],
        ["runs", "show", "x"],
        ["feedback", "x", "1"],
    ],
    ids=" ".join,
)
def test_what_reads_or_corrects_a_home_wants_one_that_is_there(
    capsys: pytest.CaptureFixture[str], home: Path, arguments: list[str]
) -> None:
    assert_one_line(Told(capsys, *arguments, "--home", home), says=f"there is no Memento home at {home}")
    assert not home.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["cases", "list"],
        ["cases", "delete", "x"],
        ["cases", "import", "c.jsonl"],
        ["runs", "list"],
        ["feedback", "x", "1"],
        ["run", "a task", "--planner", "openai:gpt-4.1", "--executor", "openai:o4-mini"],
    ],
    ids=" ".join,
)
def test_a_home_that_is_a_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-test"
    (tmp_path / "file").write_text("mine")
    (tmp_path / "work" / "c.jsonl").write_text('{"task": "a"}\n')
    assert_one_line(Told(capsys, *arguments, "--home", tmp_path / "file"), says=str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_home_whose_ledger_is_no_database_is_named(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    home.mkdir()
    (home / "ledger.sqlite3").write_text("this is no database at all" * 100)
    assert_one_line(Told(capsys, "runs", "list", "--home", home), code=1, says="ledger.sqlite3")


@pytest.mark.parametrize("reward", ["2", "-0.1", "nan", "inf"])
def test_a_reward_outside_its_range_is_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], filled: Path, reward: str
) -> None:
    assert_one_line(Told(capsys, "feedback", "--home", filled, "--", "r1", reward), says="from 0 to 1")
    with Ledger(filled) as ledger:
        assert (ledger.run("r1") or {})["rewards"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["feedback", "nonsense", "1"],
        ["runs", "show", "nonsense"],
        ["cases", "show", "nonsense"],
        ["cases", "delete", "nonsense"],
        ["cases", "quarantine", "nonsense"],
        ["cases", "restore", "nonsense"],
        ["cases", "edit", "nonsense", "--answer", "x"],
        ["cases", "note", "nonsense", "x"],
        ["cases", "pin", "nonsense"],
    ],
    ids=" ".join,
)
def test_an_id_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], filled: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    use_words(monkeypatch)
    assert_one_line(Told(capsys, *arguments, "--home", filled), says="'nonsense'")


def test_a_home_made_with_another_embedding_is_refused(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    told = Told(capsys, "cases", "import", filled.parent / "cases.jsonl", "--home", filled)
    assert_one_line(told, says="cases.jsonl")
    (filled.parent / "cases.jsonl").write_text('{"task": "a task"}\n')
    told = Told(capsys, "cases", "import", filled.parent / "cases.jsonl", "--home", filled)
    assert_one_line(told, says="MEMENTO_EMBEDDING")


def test_a_case_can_be_removed_without_the_encoder_that_its_home_was_made_with(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    cases = Told(capsys, "cases", "list", "--home", filled, "--json").json["cases"]
    bad, kept = (case["id"] for case in cases)
    assert Told(capsys, "cases", "quarantine", kept, "--home", filled).code == 0
    assert Told(capsys, "cases", "delete", bad, "--home", filled).code == 0
    left = Told(capsys, "cases", "list", "--home", filled, "--json").json["cases"]
    assert [(case["id"], case["status"]) for case in left] == [(kept, "quarantined")]


def test_an_unexpected_error_is_one_line_without_a_traceback(
    capsys: pytest.CaptureFixture[str], filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(Ledger, "runs", broken)
    assert_one_line(Told(capsys, "runs", "list", "--home", filled), code=1, says="RuntimeError: two lines")


# -- settings


def test_an_unknown_memento_variable_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMENTO_HOEM", "/secret-value")
    told = Told(capsys, "doctor")
    assert_one_line(told, says="MEMENTO_HOEM")
    assert "secret-value" not in told.err


def test_a_corrupt_env_file_is_named_with_its_line_and_without_its_values(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "work" / ".env").write_text("A=1\n\nhush hush 'sesame\n")
    told = Told(capsys, "doctor", "--json")
    assert_one_line(told, says=".env, line 3")
    assert "sesame" not in told.err


def test_an_env_file_sets_home_and_keys_and_none_of_it_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, filled: Path
) -> None:
    (tmp_path / "work" / ".env").write_text(
        f"MEMENTO_HOME={filled}\nexport OPENAI_API_KEY='sesame-open'\nOTHER_KEY=sesame-other\n"
    )
    stats = Told(capsys, "cases", "stats", "--json")
    assert (stats.code, stats.json["total"]) == (0, 2)
    doctor = Told(capsys, "doctor", "--json")
    models = next(check for check in doctor.json["checks"] if check["name"] == "models")
    assert models["detail"].startswith("openai:")
    assert os.environ["OTHER_KEY"] == "sesame-other"
    assert "sesame" not in stats.out + stats.err + doctor.out + doctor.err


# -- what the commands say


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["cases", "list"], {"cases"}),
        (
            ["cases", "stats"],
            {"namespace", "total", "status", "outcome", "source", "pinned", "shown", "effect"},
        ),
        (["cases", "search", "string", "--by", "words"], {"cases"}),
        (["cases", "changes"], {"changes"}),
        (["cases", "undo"], {"undone"}),
        (["cases", "export"], {"cases"}),
        (["runs", "list"], {"runs"}),
        (["feedback", "r1", "0.5"], {"run_id", "reward"}),
        (["tools", "list"], {"tools"}),
        (["tools", "call", "calculate", '{"expression": "2+2"}'], {"name", "result"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_json_is_one_object_on_stdout_and_nothing_else(
    capsys: pytest.CaptureFixture[str], filled: Path, arguments: list[str], keys: set[str]
) -> None:
    told = Told(capsys, *arguments, "--home", filled, "--json")
    assert (told.code, told.err) == (0, "")
    assert set(told.json) == keys


def test_runs_show_has_what_was_shown_and_every_reward(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    assert Told(capsys, "feedback", "r1", "1", "--comment", "fine", "--home", filled).code == 0
    row = Told(capsys, "runs", "show", "r1", "--home", filled, "--json").json
    assert (row["reward"], row["retrieved"], row["rewards"][0]["comment"]) == (1.0, [], "fine")
    told = Told(capsys, "runs", "show", "r1", "--home", filled)
    assert (told.code, told.err) == (0, "")
    assert "fine" in told.out


def test_a_list_for_people_has_the_whole_ids(capsys: pytest.CaptureFixture[str], filled: Path) -> None:
    with CaseBank(filled, WordEncoder()) as bank:
        long_id = "f" * 32
        add_run(bank.ledger, long_id, task="a rather long task " * 9, answer="a rather long answer " * 9)
        ids = [case.id for case in bank.all()]
    cases, runs = (
        Told(capsys, "cases", "list", "--home", filled),
        Told(capsys, "runs", "list", "--home", filled),
    )
    assert all(case_id in cases.out for case_id in ids)
    assert long_id in runs.out
    assert "[bold]" in cases.out


def test_feedback_changes_the_case_that_the_run_made(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    case_id = run_case("r1", "what is two and two", "calculate").id
    assert Told(capsys, "cases", "show", case_id, "--home", filled, "--json").json["outcome"] == "unknown"
    Told(capsys, "feedback", "r1", "0", "--home", filled)
    row = Told(capsys, "cases", "show", case_id, "--home", filled, "--json").json
    assert (row["outcome"], row["reward"], row["support"]) == ("failure", 0.0, 1)


def test_tools_list_says_what_an_absent_tool_needs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in Told(capsys, "tools", "list", "--json").json["tools"]}
    assert all(set(row) == {"name", "ready", "needs", "args"} for row in rows.values())
    assert rows["calculate"]["ready"]
    assert "expression" in rows["calculate"]["args"]["properties"]
    absent = [row for row in rows.values() if not row["ready"]]
    assert absent
    assert all(row["needs"] for row in absent)


@pytest.mark.parametrize("given", ['{"expression": "1/0"}', '{"expression": 5}', "{}", '{"nonsense": "2+2"}'])
def test_a_tool_that_fails_is_exit_code_1_with_its_error(
    capsys: pytest.CaptureFixture[str], given: str
) -> None:
    told = Told(capsys, "tools", "call", "calculate", given, "--json")
    assert (told.code, told.err, set(told.json)) == (1, "", {"name", "error"})
    assert_one_line(Told(capsys, "tools", "call", "calculate", given), code=1, says="calculate")


def test_doctor_says_what_is_there(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    told = Told(capsys, "doctor", "--home", home, "--json")
    assert told.code == (0 if told.json["ok"] else 1)
    assert {"python", "home", "models", "encoder", "tool calculate"} <= {
        c["name"] for c in told.json["checks"]
    }
    assert {check["state"] for check in told.json["checks"]} <= {"ok", "missing", "optional"}
    assert not home.exists()
    home.write_text("no folder")
    told = Told(capsys, "doctor", "--home", home, "--json")
    assert (told.code, told.json["ok"]) == (1, False)


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("MEMENTO_PLANNER", "nobody:gpt-9", "models"),
        ("MEMENTO_EMBEDDING", "nobody:embedding", "encoder"),
        ("MEMENTO_HOME", "~nobody-of-that-name/x", "home"),
    ],
)
def test_doctor_looks_at_what_is_set(
    capsys: pytest.CaptureFixture[str], name: str, value: str, check: str
) -> None:
    os.environ[name] = value
    told = Told(capsys, "doctor", "--json")
    assert told.code == 1
    assert check in {found["name"] for found in told.json["checks"] if found["state"] == "missing"}


def test_doctor_says_which_tools_wait_for_a_person(
    capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        checks = Told(capsys, "doctor", "--home", home, "--json").json["checks"]
        return str(next(check["detail"] for check in checks if check["name"] == "approval"))

    assert "MEMENTO_APPROVE=writes,spends" in said()
    monkeypatch.setenv("MEMENTO_APPROVE", "writes, send_mail")
    assert said().startswith("writes, send_mail: a person is asked")


# -- cases


def export(capsys: pytest.CaptureFixture[str], home: Path, file: Path) -> list[dict[str, Any]]:
    assert Told(capsys, "cases", "export", file, "--home", home).code == 0
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def test_cases_go_through_export_and_import_unchanged_and_twice_is_once(
    capsys: pytest.CaptureFixture[str], filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_words(monkeypatch)
    odd = 'line\u2028separator, next\x85line, form\x0cfeed, ünïcödé 🙂, "quotes" and\nnew lines'
    with CaseBank(filled, WordEncoder()) as bank:
        bank.add(demonstration(odd, "measure"))
        bank.set_status(bank.all()[0].id, "quarantined")
    rows = export(capsys, filled, tmp_path / "a.jsonl")
    assert [row["task"] for row in rows][-1] == odd
    new = tmp_path / "new"
    first = Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--home", new, "--json")
    assert (first.code, first.err) == (0, "")
    assert first.json == {"read": 3, "added": 3, "known": 0, "skipped": []}
    again = Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--home", new, "--json")
    assert again.json == {"read": 3, "added": 0, "known": 3, "skipped": []}
    assert export(capsys, new, tmp_path / "b.jsonl") == rows
    with CaseBank(new, WordEncoder()) as bank:
        assert len(bank.search(axis(0), 10)) == 2


def test_imported_cases_go_into_the_namespace_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_words(monkeypatch)
    export(capsys, filled, tmp_path / "a.jsonl")
    told = Told(
        capsys, "cases", "import", tmp_path / "a.jsonl", "--home", filled, "--namespace", "ann", "--json"
    )
    assert told.json["added"] == 2
    stats = Told(capsys, "cases", "stats", "--home", filled, "--namespace", "ann", "--json").json
    assert (stats["namespace"], stats["total"]) == ("ann", 2)


def test_an_export_to_stdout_can_be_imported(
    capsys: pytest.CaptureFixture[str], filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_words(monkeypatch)
    (tmp_path / "a.jsonl").write_text(Told(capsys, "cases", "export", "--home", filled).out)
    told = Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--home", tmp_path / "new", "--json")
    assert told.json == {"read": 2, "added": 2, "known": 0, "skipped": []}


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[1]",
        "{}",
        '{"task": ""}',
        '{"task": 5}',
        '{"task": null}',
        '{"task": "a", "reward": 2}',
        '{"task": "a", "reward": NaN}',
        '{"task": "a", "reward": true}',
        '{"task": "a", "outcome": "splendid"}',
        '{"task": "a", "outcome": []}',
        '{"task": "a", "status": "asleep"}',
        '{"task": "a", "plan": "do it"}',
        '{"task": "a", "trajectory": [5]}',
        '{"task": "a", "trajectory": [{"tool_calls": [{}]}]}',
        '{"task": "a", "trajectory": [{"tool_calls": 5}]}',
        '{"task": "a", "answer": 5}',
        '{"task": "a", "id": {"a": 1}}',
        '{"task": "a", "pinned": "yes"}',
        '{"task": "a"',
        "[" * 50 + "]" * 50,
        "[" * 200_000,
        '{"task":' * 50_000,
    ],
    ids=lambda line: line[:40],
)
def test_a_bad_line_is_named_by_its_number_and_nothing_is_imported_when_strict(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path, line: str
) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"task": "good"}}\n\n{line}\n{{"task": "good too"}}\n')
    told = Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--strict", "--home", home)
    assert_one_line(told, says="a.jsonl, line 3: ")
    assert len(told.err) < 500
    assert not home.exists()


def test_bad_lines_are_skipped_and_named_by_their_numbers(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_words(monkeypatch)
    bad = ["nonsense", "{}", *["[]"] * 30]
    (tmp_path / "a.jsonl").write_text("\n".join(['{"task": "good"}', *bad]))
    told = Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--home", home)
    assert (told.code, told.out) == (0, "read 1, added 1, known 0, skipped 32\n")
    assert "line 2: skipped, this is no JSON" in told.err
    assert "and 12 more lines" in told.err
    told = Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--home", home, "--json")
    assert (told.err, [row["line"] for row in told.json["skipped"]]) == ("", list(range(2, 34)))


def test_a_file_that_is_no_text_is_named(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"task": "\xff\xfe"}\n')
    assert_one_line(Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--home", home), says="UTF-8")
    assert_one_line(Told(capsys, "cases", "import", tmp_path, "--home", home), says="cannot be read")
    assert not home.exists()


def test_texts_that_no_store_takes_as_they_are_are_imported_all_the_same(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_words(monkeypatch)
    nested = json.loads("[" * 300 + "]" * 300)
    rows = [
        {"task": "half a pair \ud83d of surrogates"},
        {"task": "a zero \0 byte"},
        {"task": "deep", "trajectory": [{**step(), "tool_calls": [{"name": "x", "args": {"x": nested}}]}]},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = Told(capsys, "cases", "import", tmp_path / "a.jsonl", "--home", home, "--json")
    assert (told.code, told.json["added"]) == (0, 3)
    with CaseBank(home, WordEncoder()) as bank:
        assert len(bank.search(axis(0), 10)) == 3


def test_an_export_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    told = Told(capsys, "cases", "export", "absent/a.jsonl", "--home", filled)
    assert_one_line(told, says="absent/a.jsonl cannot be written")


def test_a_quarantined_case_comes_back_and_a_deleted_one_does_not(
    capsys: pytest.CaptureFixture[str], filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_words(monkeypatch)
    case_id = run_case("r1", "what is two and two", "calculate").id

    def shown() -> bool:
        with CaseBank(filled, WordEncoder()) as bank:
            return case_id in {candidate.case_id for candidate in bank.search(axis(0), 10)}

    assert (
        Told(capsys, "cases", "quarantine", case_id, "--home", filled, "--json").json["status"]
        == "quarantined"
    )
    assert not shown()
    assert Told(capsys, "cases", "restore", case_id, "--home", filled, "--json").json["status"] == "active"
    assert shown()
    assert Told(capsys, "cases", "delete", case_id, "--home", filled, "--json").json["deleted"] is True
    assert not shown()
    assert_one_line(Told(capsys, "cases", "restore", case_id, "--home", filled), says=case_id)
    stats = Told(capsys, "cases", "stats", "--home", filled, "--json").json
    assert (stats["total"], stats["status"], stats["outcome"]) == (1, {"active": 1}, {"success": 1})


# -- as processes


def test_as_a_process_it_keeps_the_two_streams_and_the_exit_codes_apart(tmp_path: Path, filled: Path) -> None:
    listed = memento("cases", "stats", "--home", filled, "--json", cwd=tmp_path)
    assert (listed.returncode, listed.stderr, json.loads(listed.stdout)["total"]) == (0, "", 2)
    wrong = memento("cases", "stats", "--hoem", filled, cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    failed = memento("tools", "call", "calculate", '{"expression": "1/0"}', cwd=tmp_path)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)


def test_a_reader_that_has_gone_away_is_no_reason_to_complain(tmp_path: Path, filled: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run(
        [sys.executable, "-m", "memento", "cases", "list", "--home", str(filled)],
        env=child_environment(),
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (told.returncode, told.stderr) == (1, b"")


def test_a_task_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    told = subprocess.run(
        [
            sys.executable.encode(),
            b"-m",
            b"memento",
            b"run",
            b"\xff",
            b"--home",
            str(tmp_path / "home").encode(),
        ],
        env=child_environment(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr.count(b"\n")) == (2, b"", 1), told.stderr


HEAVY = ("chromadb", "langchain_core", "langgraph", "numpy", "pandas", "scipy", "sqlalchemy", "torch")


@pytest.mark.parametrize(
    "code",
    ["import memento", "sys.argv = ['memento', '--help']\ntry:\n    main()\nexcept SystemExit:\n    pass"],
    ids=["import", "help"],
)
def test_neither_the_import_nor_the_help_waits_for_a_heavy_library(code: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys\nfrom memento.cli import main\n{code}\nprint(set({HEAVY!r}) & sys.modules.keys())",
        ],
        env=child_environment(),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_common_names_graph_memory_and_tools_are_left_to_the_user() -> None:
    code = """
import importlib, pkgutil, sys, warnings
warnings.simplefilter("ignore")
import memento
def load(package):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith(("__main__", "studio")):
            importlib.import_module(module.name)
load(memento)
assert "memento.memory.policy" in sys.modules and "memento.graph.agent" in sys.modules
print(sorted({"graph", "memory", "tools"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
