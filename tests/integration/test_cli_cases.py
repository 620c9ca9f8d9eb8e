"""Looking at the cases and correcting them by command."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from memento.memory import Case, CaseBank, build_policy
from tests.command_line import Told, assert_one_line, use_words
from tests.conftest import WordEncoder
from tests.memory_tools import add_run, axis, demonstration, run_case

if TYPE_CHECKING:
    from pathlib import Path

OLD = (datetime.now(UTC) - timedelta(days=30)).isoformat(timespec="milliseconds")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def filled(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that a test may change."""
    use_words(monkeypatch)
    return fill(home)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that the tests only look at."""
    return fill(tmp_path_factory.mktemp("looked-at") / "home")


def fill(home: Path) -> Path:
    """Five cases: one old, one of a run that failed, one quarantined and pinned, two that were shown."""
    with CaseBank(home, WordEncoder()) as bank:
        bank.add(Case(id="old", task="an old question about größe", created_at=OLD, note="from the archive"))
        add_run(bank.ledger, "r1", run_case("r1", "what is two and two", "calculate"), axis(3), answer="5")
        bank.ledger.feedback("r1", 0.0)
        bank.add(Case(id="apart", task="kept apart", status="quarantined", pinned=True), axis(4))
        good, bad = bank.add_many([demonstration("good one"), demonstration("bad one")], [axis(1), axis(2)])
        policy = build_policy("similarity", bank=bank, k=1)
        for vector, reward in ((axis(1), 1.0), (axis(1), 0.5), (axis(2), 0.0)):
            policy.record(policy.select(vector), reward=reward)
        assert [case.id for case in bank.all()][-2:] == [good, bad]
    return home


def tasks(told: Told) -> list[str]:
    assert (told.code, told.err) == (0, "")
    return [case["task"].split()[0] for case in told.json["cases"]]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], ["an", "what", "kept", "good", "bad"]),
        (["--status", "quarantined"], ["kept"]),
        (["--outcome", "failure"], ["what"]),
        (["--outcome", "unknown", "--not-pinned"], ["an"]),
        (["--source", "run"], ["what"]),
        (["--source", "demonstration", "--outcome", "success"], ["good", "bad"]),
        (["--pinned"], ["kept"]),
        (["--text", "ONE good"], ["good"]),
        (["--text", "GRÖSSE"], ["an"]),
        (["--text", "archive"], ["an"]),
        (["--text", "nowhere"], []),
        (["--newer", "7d"], ["what", "kept", "good", "bad"]),
        (["--older", "2w"], ["an"]),
        (["--older", "2020-01-01"], []),
        (["--min-value", "0.7"], ["good"]),
        (["--max-value", "0.7"], ["bad"]),
        (["--sort", "value", "--limit", "2"], ["bad", "good"]),
        (["--sort", "shown", "--limit", "1"], ["good"]),
        (["--limit", "2"], ["good", "bad"]),
        (["--namespace", "other"], []),
    ],
    ids=lambda value: " ".join(value) or "all",
)
def test_a_list_is_of_what_is_asked_for(
    capsys: pytest.CaptureFixture[str], looked_at: Path, asked: list[str], expected: list[str]
) -> None:
    assert tasks(Told(capsys, "cases", "list", "--home", looked_at, "--json", *asked)) == expected


@pytest.mark.parametrize("span", ["soon", "7x", "-3d", "99999999y", "2026-13-01"])
def test_a_time_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], looked_at: Path, span: str
) -> None:
    assert_one_line(Told(capsys, "cases", "list", f"--newer={span}", "--home", looked_at), says=repr(span))


def test_a_list_fits_into_eighty_columns_and_says_what_it_leaves_out(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    with CaseBank(filled, WordEncoder()) as bank:
        bank.add_many([demonstration(f"a [rather] long task {n} " * 9) for n in range(50)])
        newest = bank.all()[-1].id
    told = Told(capsys, "cases", "list", "--home", filled)
    lines = told.out.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert len(lines) == 42
    assert newest in lines[-2]
    assert "55 cases, the last 40 of them here" in lines[-1]


def test_a_list_has_the_value_of_what_was_shown(capsys: pytest.CaptureFixture[str], looked_at: Path) -> None:
    rows = Told(capsys, "cases", "list", "--home", looked_at, "--json").json["cases"]
    worth = {row["task"].split()[0]: (row["shown"], row["value"]) for row in rows}
    assert worth["good"] == (2, 0.75)
    assert worth["bad"] == (1, 0.0)
    assert worth["kept"] == (0, None)


def test_a_search_goes_by_meaning_by_words_or_by_both(
    capsys: pytest.CaptureFixture[str], looked_at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_words(monkeypatch)
    search = ("cases", "search", "the größe of an archive", "--home", looked_at, "--json")
    assert tasks(Told(capsys, *search, "--by", "words")) == ["an"]
    by_meaning = Told(capsys, *search, "--by", "meaning").json["cases"]
    assert len(by_meaning) == 5
    assert [case["similarity"] for case in by_meaning] == sorted(
        (c["similarity"] for c in by_meaning), reverse=True
    )
    best = Told(capsys, *search, "--limit", "1").json["cases"][0]
    assert (best["id"], best["words"]) == ("old", 4)
    assert best["similarity"] > 0.3
    assert tasks(Told(capsys, "cases", "search", "kept", "--home", looked_at, "--json"))[0] == "kept"


def test_a_search_by_words_needs_no_encoder_and_may_find_nothing(
    capsys: pytest.CaptureFixture[str], looked_at: Path
) -> None:
    told = Told(capsys, "cases", "search", "nowhere", "--by", "words", "--home", looked_at)
    assert (told.code, told.err, told.out) == (0, "", "nothing is like that\n")
    told = Told(capsys, "cases", "search", "kept", "--by", "meaning", "--home", looked_at)
    assert_one_line(told, says="MEMENTO_EMBEDDING")
    assert_one_line(Told(capsys, "cases", "search", " ", "--home", looked_at), says="words")


def test_show_has_all_of_a_case_and_what_was_changed_in_it(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    assert Told(capsys, "cases", "note", "old", "[checked] by Ann", "--home", filled).code == 0
    told = Told(capsys, "cases", "show", "old", "--home", filled)
    assert (told.code, told.err) == (0, "")
    for said in ("an old question about größe", "note [checked] by Ann", "by command line", "30 d ago"):
        assert said in told.out
    row = Told(capsys, "cases", "show", "old", "--home", filled, "--json").json
    assert [change["action"] for change in row["changes"]] == ["note", "add"]
    assert row["changes"][0]["before"] == {"note": "from the archive"}


def test_the_beginning_of_an_id_is_enough_where_it_says_which(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    whole = run_case("r1", "what is two and two", "calculate").id
    assert Told(capsys, "cases", "show", whole[:8], "--home", filled, "--json").json["id"] == whole
    assert_one_line(Told(capsys, "cases", "show", whole[:2], "--home", filled), says=repr(whole[:2]))
    assert_one_line(Told(capsys, "cases", "show", "%%%%", "--home", filled), says="no case")
    with CaseBank(filled, WordEncoder()) as bank:
        bank.add_many([Case(id="twin-1", task="a"), Case(id="twin-2", task="b"), Case(id="twin", task="c")])
    assert_one_line(Told(capsys, "cases", "delete", "twin-", "--home", filled), says="2 cases begin")
    assert Told(capsys, "cases", "show", "twin", "--home", filled, "--json").json["task"] == "c"


def test_a_case_is_edited_by_options_or_from_a_file(
    capsys: pytest.CaptureFixture[str], filled: Path, tmp_path: Path
) -> None:
    asked = ("--task", "a new question", "--plan", "first", "--plan", "then", "--reward", "1")
    row = Told(capsys, "cases", "edit", "old", *asked, "--home", filled, "--json").json
    assert (row["task"], row["plan"], row["outcome"]) == ("a new question", ["first", "then"], "success")
    vector = [float(value) for value in axis(7)]
    (tmp_path / "fields.json").write_text(json.dumps({"answer": "42", "vector": vector}))
    told = Told(capsys, "cases", "edit", "old", "--from", "fields.json", "--home", filled)
    assert (told.code, told.err) == (0, "")
    with CaseBank(filled, WordEncoder()) as bank:
        assert bank.search(axis(7), 1)[0].case_id == "old"
        assert [case.answer for case in bank.all() if case.id == "old"] == ["42"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ([], "--answer"),
        (["--reward", "2"], "from 0 to 1"),
        (["--task", " "], "not empty"),
        (["--from", "absent.json"], "absent.json"),
        (["--from", "list.json"], "list.json"),
        (["--from", "torn.json"], "torn.json"),
        (["--from", "strange.json"], "colour"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_an_edit_that_cannot_be_meant_is_refused_and_nothing_changes(
    capsys: pytest.CaptureFixture[str],
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: list[str],
    says: str,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    for name, text in (("list", "[1]"), ("torn", '{"answer": '), ("strange", '{"colour": "red"}')):
        (tmp_path / f"{name}.json").write_text(text)
    before = Told(capsys, "cases", "show", "old", "--home", filled, "--json").json
    assert_one_line(Told(capsys, "cases", "edit", "old", *asked, "--home", filled), says=says)
    assert Told(capsys, "cases", "show", "old", "--home", filled, "--json").json == before


@pytest.mark.parametrize(
    ("editor", "code", "answer"),
    [
        ("json.dumps({**case, 'answer': 'from the editor'})", 0, "from the editor"),
        ("text", 0, ""),
        ("sys.exit(3)", 1, ""),
        ("'no json'", 2, ""),
    ],
    ids=["changed", "left alone", "failed", "spoilt"],
)
def test_without_options_a_case_is_edited_in_the_editor(
    capsys: pytest.CaptureFixture[str],
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    editor: str,
    code: int,
    answer: str,
) -> None:
    (tmp_path / "editor.py").write_text(
        "import json, pathlib, sys\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n"
        f"case = json.loads(text)\nfile.write_text({editor})\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {tmp_path / 'editor.py'}")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert Told(capsys, "cases", "edit", "old", "--home", filled).code == code
    row = Told(capsys, "cases", "show", "old", "--home", filled, "--json").json
    assert (row["answer"], len(row["changes"])) == (answer, 2 if answer else 1)


def test_undo_takes_back_the_last_change_and_says_which(
    capsys: pytest.CaptureFixture[str], filled: Path
) -> None:
    def show() -> Any:
        return Told(capsys, "cases", "list", "--home", filled, "--json").json

    before = show()
    for command in (
        ["delete", "old"],
        ["pin", "apart", "--off"],
        ["quarantine", "old"],
        ["restore", "apart"],
    ):
        assert Told(capsys, "cases", *command, "--home", filled).code == 0
        told = Told(capsys, "cases", "undo", "--home", filled)
        assert (told.code, told.err) == (0, "")
        assert command[0].replace("pin", "unpin") in told.out
        assert show() == before
    assert Told(capsys, "cases", "undo", "--home", filled, "--json").json["undone"][0]["action"] == "add"
    told = Told(capsys, "cases", "changes", "--limit", "2", "--home", filled)
    assert "undo by command line" in told.out


def test_nothing_to_undo_is_said(capsys: pytest.CaptureFixture[str], filled: Path) -> None:
    told = Told(capsys, "cases", "undo", "--home", filled, "--namespace", "other")
    assert_one_line(told, code=1, says="nothing is left to undo")
