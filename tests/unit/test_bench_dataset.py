"""Datasets: what a line may be, and that a wrong one is told by its number."""

import json
from pathlib import Path

import pytest

from memento.bench.agents import make_plan
from memento.bench.dataset import read_dataset
from memento.errors import UsageError


def write(folder: Path, *lines: object) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "tasks.jsonl").write_text(text + "\n", encoding="utf-8")
    return folder / "tasks.jsonl"


def test_both_shapes_of_a_row_are_read(tmp_path: Path) -> None:
    rows = read_dataset(
        write(
            tmp_path,
            {"task": " What is 2 + 3? ", "reference": "5", "id": 7, "source": "sums"},
            "",
            {"task": "Who wrote Emma?", "reference": ["Jane Austen", "Austen"]},
            {"question": "Where?", "ground_truth": "Rome<|answer_split|>Roma ", "data_source": "popqa"},
        )
    )
    assert [(row.number, row.task, row.references, row.id, row.source) for row in rows] == [
        (0, "What is 2 + 3?", ("5",), "7", "sums"),
        (1, "Who wrote Emma?", ("Jane Austen", "Austen"), "1", ""),
        (2, "Where?", ("Rome", "Roma"), "2", "popqa"),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "this is no JSON"),
        ("[1]", "this is no JSON object"),
        ({"reference": "5"}, "'task' should be a text"),
        ({"task": " ", "reference": "5"}, "'task' should be a text that is not empty"),
        ({"task": "x" * 100_001, "reference": "5"}, "'task' has more than 100,000 characters"),
        ({"task": "x"}, "'reference' should be a text, or a list"),
        ({"task": "x", "reference": 5}, "'reference' should be a text, or a list"),
        ({"task": "x", "reference": [5]}, "'reference' should be a text, or a list"),
        ({"task": "x", "reference": []}, "'reference' should hold an answer"),
        ({"task": "x", "reference": "5", "source": 1.5}, "'source' should be a text"),
        ({"question": "x"}, "'ground_truth' should be a text"),
    ],
)
def test_a_line_that_is_no_row_is_told_by_its_number(line: object, said: str, tmp_path: Path) -> None:
    file = write(tmp_path, {"task": "x", "reference": "5"}, "", line)
    with pytest.raises(UsageError, match=f"tasks.jsonl, line 3: {said}"):
        read_dataset(file, most=1)


def test_a_file_without_tasks_or_without_text_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no task"):
        read_dataset(write(tmp_path, "", " "))
    with pytest.raises(UsageError, match="No such file"):
        read_dataset(tmp_path / "none.jsonl")
    (tmp_path / "tasks.jsonl").write_bytes(b'{"task": "x", "reference": "y"}\n{"task": "\xff"}\n')
    with pytest.raises(UsageError, match="line 2: this is no UTF-8"):
        read_dataset(tmp_path / "tasks.jsonl")


def test_held_out_keeps_tasks_that_are_worded_alike_on_one_side(tmp_path: Path) -> None:
    tasks = ["Who?", "What?", "When?", "Where?", "Why?", "How?", "who", "Which?"]
    rows = read_dataset(write(tmp_path, *({"task": task, "reference": "x"} for task in tasks)))
    plan = make_plan(rows, ["none"], "held-out", attempts=1)
    assert (plan.teach, plan.test) == ([0, 1, 2, 3, 4, 6], [5, 7])
    assert make_plan(rows, ["none"], "prequential", attempts=1).test == []
