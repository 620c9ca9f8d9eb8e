"""memento bench on a dataset: the real agent, an arm after another, against a scripted model."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from memento.cli import _code
from memento.memory import Ledger
from tests.agent import final
from tests.integration.solving_model import KEY
from tests.openai_stub import OpenAIStub, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUM = re.compile(r"(\d+) \+ (\d+)")
SUMS = [(2, 3), (5, 1), (4, 9), (7, 2), (8, 8), (3, 6), (6, 7), (9, 5)]
ARMS = ("none", "similarity")


def add(request: Request) -> Any:
    """Right on sums that begin with an even number, and on every sum where another one is shown before."""
    sums = _SUM.findall(request.text)
    first, second = map(int, sums[-1])
    right = first % 2 == 0 or len(set(sums)) > 1
    wanted = request.response_format["json_schema"]["schema"]["properties"] if request.response_format else {}
    return final(str(first + second if right else 0), used=[] if "used_cases" in wanted else None)


@pytest.fixture
def adding(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIStub]:
    with OpenAIStub(add) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server
        assert server.violations == []


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = [{"task": f"What is {a} + {b}?", "reference": str(a + b), "source": "sums"} for a, b in SUMS]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def bench(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    assert _code(["bench", *map(str, arguments), "--json"]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def results(folder: Path, arm: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / arm / "tasks.jsonl").read_text().splitlines()]


def test_each_arm_meets_the_tasks_in_order_with_a_memory_of_its_own(
    tmp_path: Path, dataset: Path, adding: OpenAIStub, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = bench(capsys, dataset, "--arms", "none,similarity", "--out", out)
    none, similarity = (found["arms"][arm] for arm in ARMS)
    assert none["success"] == none["best_of"] == pytest.approx(4 / 8)
    assert similarity["success"] == pytest.approx(1.0)  # a case is shown from the second task on
    gap = similarity["success_minus_none"]
    assert gap["points"] == pytest.approx(50.0)
    assert gap["low"] < gap["points"] < gap["high"]
    assert "success_minus_none" not in none
    assert (none["shown"], none["unknown"], none["failed"]) == (0, 0, 0)
    assert similarity["shown"] > 1
    assert (found["finished"], found["wanted"], found["tasks"], found["repeats"]) == (16, 16, 8, 0)
    for arm in ARMS:
        rows = results(out, arm)
        assert [row["number"] for row in rows] == list(range(8))
        with Ledger(out / arm / "home") as ledger:
            assert {run["run_id"] for run in ledger.runs()} == {row["run_id"] for row in rows}
    assert len(adding.requests) == 16


def test_what_memory_did_is_said_from_each_arms_own_runs_and_plotted(
    tmp_path: Path, dataset: Path, adding: OpenAIStub, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = bench(capsys, dataset, "--arms", "similarity,neural,auto", "--out", out)
    assert list(found["effect_of_memory"]) == ["neural", "auto"]
    for effects in found["effect_of_memory"].values():
        assert [effect["name"] for effect in effects][:2] == ["floor", "SNIPS"]
    assert (out / "success.png").read_bytes().startswith(b"\x89PNG")
    assert _code(["bench", str(dataset), "--arms", "similarity,neural,auto", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "auto, effect of memory by floor: not known yet" in said
    assert f"plot: {out / 'success.png'}" in said


def recall(request: Request) -> Any:
    """Right where a case of the very same sum is shown."""
    sums = _SUM.findall(request.text)
    a, b = map(int, sums[-1])
    return final(str(a + b if sums.count(sums[-1]) > 1 else 0))


def test_a_placebo_shows_as_many_other_cases_and_gains_only_what_any_would_bring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"task": f"What is {a} + {b}?", "reference": str(a + b)} for a, b in [*SUMS, *SUMS]]
    dataset, out = tmp_path / "twice.jsonl", tmp_path / "out"
    dataset.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MEMENTO_K", "1")
    with OpenAIStub(recall) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        found = bench(capsys, dataset, "--arms", "similarity,similarity:placebo", "--out", out)
        assert server.violations == []
    chosen, shuffled = found["arms"]["similarity"], found["arms"]["similarity:placebo"]
    assert chosen["success"] == pytest.approx(8 / 16)  # the second time that a sum is asked
    assert chosen["shown"] == shuffled["shown"] == pytest.approx(15 / 16)
    assert chosen["success_minus_placebo"]["points"] == 100 * (chosen["success"] - shuffled["success"]) > 0
    assert "success_minus_placebo" not in shuffled
    assert len(results(out, "similarity-placebo")) == 16
    assert _code(["bench", str(dataset), "--arms", "similarity,similarity:placebo", "--out", str(out)]) == 0
    assert "− placebo" in capsys.readouterr().out


def test_a_stopped_bench_goes_on_and_repeats_no_run(
    tmp_path: Path,
    dataset: Path,
    adding: OpenAIStub,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from memento.bench import agents

    run, made = agents._run, []

    def stops(*arguments: Any) -> Any:
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(arguments)
        return run(*arguments)

    out = tmp_path / "out"
    options = (dataset, "--arms", "none,similarity", "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr(agents, "_run", stops)
        first = bench(capsys, *options)
    assert (first["finished"], first["tasks"]) == (5, 2)
    kept = (out / "none" / "tasks.jsonl").read_text()
    with (out / "none" / "tasks.jsonl").open("a") as log:
        log.write('{"arm": "none", "numb')  # as a kill leaves it
    found = bench(capsys, *options)
    assert (found["finished"], found["tasks"]) == (16, 8)
    assert (out / "none" / "tasks.jsonl").read_text().startswith(kept)
    assert len(adding.requests) == 16
    assert bench(capsys, *options) == found
    assert len(adding.requests) == 16


def test_held_out_tasks_are_scored_and_teach_nothing(
    tmp_path: Path, dataset: Path, adding: OpenAIStub, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = bench(capsys, dataset, "--arms", "none,similarity", "--mode", "held-out", "--out", out)
    assert (found["tasks"], found["finished"]) == (2, 16)
    assert found["arms"]["none"]["success"] == pytest.approx(0.5)  # 6 + 7 and 9 + 5
    assert found["arms"]["similarity"]["success"] == pytest.approx(1.0)
    rows = results(out, "similarity")
    assert [row["teaches"] for row in rows] == [True] * 6 + [False] * 2
    with Ledger(out / "similarity" / "home") as ledger:
        assert len(ledger.outcomes_since("default", 0)) == 6


def test_several_attempts_are_runs_of_the_same_task_one_after_another(
    tmp_path: Path,
    dataset: Path,
    adding: OpenAIStub,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    options = ("--arms", "none,similarity", "--attempts", 2, "--tasks", 3, "--out", out)
    found = bench(capsys, dataset, *options)
    assert [(row["number"], row["attempt"]) for row in results(out, "none")] == [
        (number, attempt) for number in range(3) for attempt in range(2)
    ]
    assert found["wanted"] == found["finished"] == 12
    assert found["arms"]["none"]["best_of"] == pytest.approx(2 / 3)  # no memory: the same again
    monkeypatch.setenv("COLUMNS", "100")
    assert _code(["bench", str(dataset), *map(str, options)]) == 0
    told = capsys.readouterr().out
    assert "best of 2" in told
    assert "success, %, 3 tasks" in told
    assert "…" not in told


def test_runs_that_a_service_cuts_short_are_told_and_made_again(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    options = (dataset, "--arms", "none", "--tasks", 3, "--out", out)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIStub(lambda _: Reply("no such key", status=401)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        found = bench(capsys, *options)
        assert found["arms"]["none"]["failed"] == found["arms"]["none"]["unknown"] == 3
        assert found["arms"]["none"]["success"] == 0
        assert _code(["bench", str(dataset), "--arms", "none", "--out", str(tmp_path / "other")]) == 1
        said = capsys.readouterr().err
        assert "5 runs in a row were cut short" in said
    with OpenAIStub(add) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        found = bench(capsys, *options)
    assert (found["arms"]["none"]["failed"], found["finished"]) == (0, 3)
    assert found["arms"]["none"]["success"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arms", "none,oracle"], "the arm oracle is only for simulated worlds"),
        (["--arms", "random:placebo"], "the arm random:placebo is only for simulated worlds"),
        (["--arms", "magic"], "no arm magic: use some of none, similarity, kernel, neural, auto"),
        (["--world", "quality"], "--world is for simulated worlds"),
        (["--seeds", "2"], "--seeds is for simulated worlds"),
        (["--tasks", "1", "--mode", "held-out"], "at least two kinds"),
    ],
)
def test_what_a_dataset_cannot_have_is_wrong_usage(
    arguments: list[str], said: str, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(["bench", str(dataset), "--out", str(tmp_path / "new"), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_line_that_is_no_row_ends_it_before_anything_is_run(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dataset.open("a") as file:
        file.write("nonsense\n")
    assert _code(["bench", str(dataset), "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert "sums.jsonl, line 9: this is no JSON" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_of_another_bench_is_left_alone(
    tmp_path: Path, dataset: Path, adding: OpenAIStub, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    bench(capsys, dataset, "--arms", "none", "--tasks", 2, "--out", out)
    before = (out / "none" / "tasks.jsonl").read_text()
    for options, said in (
        (["--tasks", "3"], "other tasks"),
        (["--tasks", "2", "--attempts", "2"], "other attempts"),
    ):
        assert _code(["bench", str(dataset), "--arms", "none", "--out", str(out), *options]) == 2
        assert said in capsys.readouterr().err
    assert (out / "none" / "tasks.jsonl").read_text() == before
