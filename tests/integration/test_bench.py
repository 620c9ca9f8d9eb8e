"""memento bench: arms side by side in simulated worlds, from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memento.bench.arms import MeanArm
from memento.bench.simulation import Cell, run_cell
from memento.bench.worlds import World, make_world
from memento.cli import _code
from tests.memory_tools import started

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 40


def bench(
    capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str, tasks: int = STEPS
) -> dict[str, Any]:
    given = ["bench", "--tasks", str(tasks), "--out", str(folder), "--json", *arguments]
    assert _code(given) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_arms_are_compared_over_the_same_seeds_and_plotted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = bench(
        capsys, tmp_path, "--world", "quality", "--arms", "none,random,similarity,oracle", "--seeds", "2"
    )
    arms = found["worlds"]["quality"]
    assert list(arms) == ["none", "random", "similarity", "oracle"]
    assert arms["oracle"]["last"] == max(arm["last"] for arm in arms.values())
    assert "last_minus_none" not in arms["none"]
    assert (found["span"], found["finished"], found["wanted"]) == (STEPS // 2, 8, 8)
    gap = arms["oracle"]["last_minus_similarity"]
    assert 0 < gap["low"] < gap["points"] < gap["high"]
    assert arms["none"]["shown_last"] == 0
    assert arms["random"]["shown_last"] == 4
    assert (tmp_path / "quality.png").stat().st_size > 10_000


def test_a_placebo_shows_as_many_other_cases_and_gains_nothing_over_chance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = "none,random,similarity,similarity:placebo,oracle,oracle:placebo"
    arguments = ["--world", "quality", "--arms", arms, "--seeds", "4"]
    found = bench(capsys, tmp_path, *arguments, tasks=300)["worlds"]["quality"]
    assert found["similarity:placebo"]["shown_last"] == 4
    chance = found["random"]["last"]
    assert found["oracle"]["last"] > chance + 0.2
    assert found["oracle"]["last_minus_placebo"]["low"] > 20
    for name in ("similarity:placebo", "oracle:placebo"):
        assert abs(found[name]["last"] - chance) < 0.03
        assert found[name]["last_minus_random"]["low"] < 0 < found[name]["last_minus_random"]["high"]
    again = run_cell("quality", "oracle:placebo", seed=0, steps=STEPS)
    assert again == run_cell("quality", "oracle:placebo", seed=0, steps=STEPS)


def test_a_placebo_that_learns_is_told_of_the_cases_that_it_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[list[int]] = []
    told: list[list[int]] = []
    choose, learn = MeanArm.choose, MeanArm.learn

    def chooses(self: MeanArm, step: int) -> list[int]:
        chosen.append(choose(self, step))
        return chosen[-1]

    def learns(self: MeanArm, step: int, shown: list[int], *rest: Any) -> None:
        told.append(shown)
        learn(self, step, shown, *rest)

    monkeypatch.setattr(MeanArm, "choose", chooses)
    monkeypatch.setattr(MeanArm, "learn", learns)
    placebo = run_cell("quality", "case-mean:placebo", seed=1, steps=STEPS)
    assert told == chosen
    assert placebo.success != run_cell("quality", "case-mean", seed=1, steps=STEPS).success


def test_what_the_floor_costs_and_whether_predictions_come_true_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--world", "quality", "--arms", "none,similarity,kernel", "--seeds", "2"]
    arms = bench(capsys, tmp_path, *arguments, tasks=160)["worlds"]["quality"]
    kernel = arms["kernel"]
    rows = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]
    cells = [Cell(**row) for row in sorted(rows, key=lambda row: row["seed"]) if row["arm"] == "kernel"]
    floors = [[step for step in range(80) if cell.floor[step]] for cell in cells]
    assert kernel["floor_first"] == pytest.approx(sum(map(len, floors)) / 160)
    assert 0 < kernel["floor_first"] < 0.15
    assert all(cell.shown[step] == 0 for cell, steps in zip(cells, floors, strict=True) for step in steps)
    shown = [np.delete(cell.success[:80], steps).mean() for cell, steps in zip(cells, floors, strict=True)]
    assert kernel["first_without_floor"] == pytest.approx(np.mean(shown))
    assert kernel["first_without_floor_minus_none"]["low"] is not None
    assert "first_without_floor" not in arms["similarity"]
    found = kernel["calibration_last"]
    assert found["count"] == sum(sum(cell.shown[80:]) for cell in cells)
    assert 0 <= found["coverage"] <= 1
    predicted = [point[0] for point in found["curve"]]
    assert predicted == sorted(predicted)
    assert sum(point[2] for point in found["curve"]) == found["count"]
    assert arms["none"]["calibration_last"] is None
    monkeypatch.setenv("COLUMNS", "100")
    assert _code(["bench", "--tasks", "160", "--out", str(tmp_path), *arguments]) == 0
    out = capsys.readouterr().out
    assert "kernel, first, off its floor (" in out
    assert "in σ" in out
    assert "…" not in out


def test_the_table_fits_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    options = ["--world", "similar", "--arms", "none,similarity,case-mean", "--seeds", "2"]
    assert _code(["bench", "--tasks", str(STEPS), "--out", str(tmp_path), *options]) == 0
    out = capsys.readouterr().out
    assert "similar: expected success, %, 2 seeds" in out
    assert [line.split()[0] for line in out.splitlines()[2:5]] == ["none", "similarity", "case-mean"]
    assert "…" not in out


def test_held_out_tasks_and_several_attempts_have_their_own_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--world", "quality", "--arms", "none,similarity,kernel", "--seeds", "2", "--attempts", "2"]
    found = bench(capsys, tmp_path, *options, "--mode", "held-out")
    arms = found["worlds"]["quality"]
    assert (found["mode"], found["attempts"]) == ("held-out", 2)
    cells = [run_cell("quality", "none", seed, STEPS, "held-out", 2) for seed in (0, 1)]
    assert arms["none"]["last"] == pytest.approx(np.mean([np.mean(c.success[c.taught :]) for c in cells]))
    assert arms["none"]["best_of_last"] == pytest.approx(
        np.mean([np.mean(c.best_of[c.taught :]) for c in cells])
    )
    assert arms["kernel"]["best_of_last"] > arms["kernel"]["last"]
    assert {"points", "low", "high"} == set(arms["kernel"]["best_of_last_minus_none"])
    monkeypatch.setenv("COLUMNS", "100")
    given = ["bench", "--tasks", str(STEPS), "--out", str(tmp_path), "--mode", "held-out", *options]
    assert _code(given) == 0
    out = capsys.readouterr().out
    assert "held out" in out
    assert "expected success of any of 2 attempts" in out
    assert "…" not in out
    assert _code([*given, "--attempts", "3"]) == 2
    assert f"is of {STEPS} tasks, held-out, 2 attempts each" in capsys.readouterr().err


def test_a_world_of_one_s_own_is_run_from_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world("quality", 3, 30)
    names = ("tasks", "cases", "base", "effects", "luck", "sources")
    np.savez(tmp_path / "mine.npz", **{name: getattr(world, name) for name in names})
    given = [
        "bench",
        "--world",
        str(tmp_path / "mine.npz"),
        "--arms",
        "none,oracle",
        "--seeds",
        "2",
        "--json",
    ]
    assert _code([*given, "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    arms = found["worlds"][str(tmp_path / "mine.npz")]
    assert found["span"] == 15
    assert arms["none"]["last"] == pytest.approx(world.base[15:].mean(), abs=1e-3)
    assert (tmp_path / "out" / "mine.npz.png").is_file()
    assert _code(["bench", "--world", str(tmp_path / "other.npz"), "--out", str(tmp_path / "new")]) == 2
    assert "other.npz cannot be read as a world" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_stopped_bench_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = bench(capsys, tmp_path, "--world", "similar", "--arms", "none,oracle", "--seeds", "2")
    log = tmp_path / "cells.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:2]) + lines[2][:50])  # as a kill leaves it
    again = bench(capsys, tmp_path, "--world", "similar", "--arms", "none,oracle", "--seeds", "2")
    assert again == first
    assert log.read_text().splitlines(keepends=True)[:2] == lines[:2]
    assert sorted(log.read_text().splitlines(keepends=True)) == sorted(lines)


def test_a_bench_that_is_told_to_end_says_how_to_go_on_and_leaves_no_worker(tmp_path: Path) -> None:
    asked = ["--world", "similar", "--arms", "none,kernel", "--tasks", "1000", "--seeds", "20", "--json"]
    process = started("bench", *asked, "--out", tmp_path, cwd=tmp_path)
    cells = tmp_path / "cells.jsonl"
    while process.poll() is None and not (cells.is_file() and cells.read_text()):
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)  # which a worker, who has them too, would keep open
    assert (process.returncode, err.count("\n")) == (0, 1)
    assert 1 <= json.loads(out)["finished"] < 40
    assert "goes on from there" in err


def test_the_memory_s_own_policy_is_driven_by_the_rewards_and_the_same_way_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, again = (run_cell("quality", "kernel", seed=5, steps=STEPS) for _ in range(2))
    assert first == again
    monkeypatch.setattr(World, "reward", lambda *_: 0.0)
    assert run_cell("quality", "kernel", seed=5, steps=STEPS).shown != first.shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--world", "nowhere"], "no world nowhere: use some of misleading"),
        (["--arms", "kernel,magic"], "no arm magic: use some of none"),
        (["--arms", ","], "no arm"),
        (["--seeds", "0"], "seeds"),
        (["--attempts", "0"], "attempts"),
        (["--mode", "online"], "mode"),
        (["--mode", "held-out", "--tasks", "3"], "at least 8 tasks"),
        (["--arms", "kernel:sugar"], "no arm kernel:sugar"),
    ],
)
def test_a_name_that_is_not_there_is_wrong_usage(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(["bench", "--out", str(tmp_path / "new"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_whose_cells_do_not_fit_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(capsys, tmp_path, "--world", "similar", "--arms", "none", "--seeds", "1")
    options = ["bench", "--world", "similar", "--arms", "none", "--seeds", "1", "--out", str(tmp_path)]
    log = tmp_path / "cells.jsonl"
    row = log.read_text()
    for tasks, text, said in (
        (7, row, f"line 1, is of {STEPS} tasks, prequential, 1 attempt each"),
        (STEPS, row + "not a cell\n", "line 2, is no finished cell"),
        (STEPS, row.replace('"code": "', '"code": "0'), "line 1, was made by another version"),
    ):
        log.write_text(text)
        assert _code([*options, "--tasks", str(tasks)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert said in error
        assert log.read_text() == text
