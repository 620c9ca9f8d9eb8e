"""How cases look in a terminal, 80 columns wide."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memento.commands.common import console, printable, short

if TYPE_CHECKING:
    from rich.table import Table

    from memento.memory import Case, Step
    from memento.memory.browse import Listed
    from memento.memory.changes import Change
    from memento.memory.find import Found

_ENDED = {"success": "[green]✓[/]", "failure": "[red]✗[/]", "unknown": "?"}
_LONG = 600


def print_list(rows: Sequence["Listed"], total: int) -> None:
    """One line a case: how it ended, its age, in how many runs it was shown and their mean reward."""
    table = _table("ok", "age", "shown", "value")
    for row in rows:
        table.add_row(*_common(row), _titled(row.case))
    console().print(table)
    left = total - len(rows)
    more = f", the last {len(rows)} of them here: --limit 0 shows all" if left else ""
    console().print(f"[dim]{total} cases{more}[/]")


def print_found(rows: Sequence["Found"]) -> None:
    """One line a case, with its cosine and how many of the words it has."""
    table = _table("ok", "age", "similar", "words")
    for row in rows:
        similar = "" if row.similarity is None else _decimal(row.similarity)
        id_, ended, age, *_ = _common(row.listed)
        table.add_row(id_, ended, age, similar, str(row.words), _titled(row.listed.case))
    console().print(table)


def print_case(row: "Listed", support: int, told: Sequence["Change"]) -> None:
    """All of one case."""
    case, screen = row.case, console()
    screen.print(f"[bold]{printable(case.task)}[/]")
    state = [case.status, *(["pinned"] if case.pinned else [])]
    reward = "" if case.reward is None else f", reward {case.reward:g}"
    made = f"made by run {case.source_run}" if case.source_run else "a demonstration"
    screen.print(f"[dim]case[/] {printable(case.id)}")
    screen.print(
        f"[dim]is[/] {' and '.join(state)}; {case.outcome}{reward}; {made}, {age_of(case.created_at)} ago"
    )
    worth = "" if row.value is None else f", mean reward {_decimal(row.value)}"
    screen.print(f"[dim]was[/] shown in {row.shown} runs{worth}; made or repeated by {support}")
    if case.parents:
        screen.print(f"[dim]made with[/] {printable(' '.join(case.parents))}")
    if case.note:
        screen.print(f"[dim]note[/] {printable(case.note)}")
    for number, subtask in enumerate(case.plan, start=1):
        screen.print(f"[bold]{number}.[/] {printable(subtask)}")
    for step in case.trajectory:
        for line in _calls(step):
            screen.print(f"   {printable(line)}")
    screen.print(f"[bold]answer[/] {printable(case.answer)}")
    for change in told:
        screen.print(f"[dim]{printable(change_line(change))}[/]", no_wrap=True, overflow="ellipsis")


def print_changes(told: Sequence["Change"]) -> None:
    """One line a change, with the beginning of its case's id."""
    for change in told:
        line = f"{printable(change.case_id[:10])} [dim]{printable(change_line(change))}[/]"
        console().print(line, no_wrap=True, overflow="ellipsis")


def change_line(change: "Change") -> str:
    """One change on one line: when, what, by whom, and of each field what was before and is after."""
    undone = " (undone)" if change.undone else ""
    line = f"{change.at[:16].replace('T', ' ')} {change.action} by {change.by}{undone}"
    if change.before is None or change.after is None:
        return line
    fields = (f"{name} {_value(change.before[name])} → {_value(change.after[name])}" for name in change.after)
    return f"{line}: {'; '.join(fields)}"


def age_of(moment: str) -> str:
    """How long ago a time was, in two characters or three and a unit; ? where it is no time."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return "?"
    seconds = (datetime.now(UTC) - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds()
    for unit, size in (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return "now"


def _table(*names: str) -> "Table":
    from rich.table import Column, Table

    right = {"age", "shown", "value", "similar", "words"}
    columns = [Column(name, no_wrap=True, justify="right" if name in right else "left") for name in names]
    task = Column("task", no_wrap=True, overflow="ellipsis", ratio=1)
    return Table(Column("case", overflow="fold"), *columns, task, box=None, padding=(0, 1, 0, 0), expand=True)


def _common(row: "Listed") -> list[str]:
    case = row.case
    value = "" if row.value is None else _decimal(row.value)
    return [printable(case.id), _ENDED[case.outcome], age_of(case.created_at), str(row.shown), value]


def _titled(case: "Case") -> str:
    marks = [*([case.status] if case.status != "active" else []), *(["pinned"] if case.pinned else [])]
    mark = f"[yellow]{' '.join(marks)}[/] " if marks else ""
    return mark + printable(short(case.task, 200))


def _calls(step: "Step") -> list[str]:
    if not step["tool_calls"]:
        return [short(step["result"], _LONG)] if step["result"] else []
    lines = []
    for call in step["tool_calls"]:
        args = ", ".join(f"{name}={_value(value)}" for name, value in call["args"].items())
        ended = f"error: {call['error']}" if call["error"] else call["result"]
        lines.append(f"{call['name']}({args}) → {short(ended, _LONG)}")
    return lines


def _value(value: Any) -> str:
    return short(json.dumps(value, ensure_ascii=False, default=str), 60)


def _decimal(value: float) -> str:
    return f"{value:.2f}"
