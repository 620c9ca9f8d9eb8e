"""memento cases why: what would be shown for a task, or was in a run, and why."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.commands.common import (
    HomeOption,
    JsonOption,
    NamespaceOption,
    console,
    print_json,
    printable,
    reading,
    settings_for,
    short,
)
from memento.errors import UsageError

if TYPE_CHECKING:
    from memento.memory import Case
    from memento.memory.why import Explanation, Reason

_MOST = 10


def why(
    task: Annotated[str, typer.Argument(help="A task, in words; with --run it is left out.")] = "",
    run: Annotated[
        str | None, typer.Option(help="A past run instead, as `memento runs list` names it.")
    ] = None,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why which cases would be shown for a task, or were in a run.

    Example: memento cases why "convert 3 miles to km"
    """
    if (run is None) == (not task.strip()):
        raise UsageError("give a task in words, or a past run with --run RUN_ID")
    if run is not None:
        _past(run, home, as_json=as_json)
    else:
        _next(task, home, namespace, as_json=as_json)


def _next(task: str, home: Path | None, namespace: str | None, *, as_json: bool) -> None:
    from memento.api import open_bank
    from memento.memory import build_policy
    from memento.memory.why import explain

    settings = settings_for(home, namespace=namespace)
    with open_bank(settings) as bank:
        policy = build_policy(settings.policy, bank=bank, k=settings.k)
        found = explain(policy, bank.embed([task])[0])
        cases = bank.get_many([reason.case_id for reason in found.candidates])
    if as_json:
        print_json(asdict(found))
    else:
        _print(found, cases)


def _print(found: "Explanation", cases: dict[str, "Case"]) -> None:
    from rich.table import Column, Table

    screen = console()
    chances = ", ".join(f"{name} {100 * chance:.0f} %" for name, chance in found.chances.items())
    screen.print(f"[bold]policy[/] {found.policy}, after {found.outcomes} outcomes: {chances}")
    if not found.candidates:
        screen.print("there is no case to show")
        return
    span = f"{found.without_low:.2f} to {found.without_high:.2f}"
    screen.print(f"[bold]without cases[/] a reward of {found.without:.2f} is expected (95 %: {span})")
    names = ("case", "shown", "Q", "similar", "outcomes")
    columns = (Column(name, no_wrap=True, justify="left" if name == "case" else "right") for name in names)
    table = Table(*columns, "its task; what makes Q, against", box=None, padding=(0, 1, 0, 0))
    for reason in found.candidates[:_MOST]:
        q = f"{reason.q:.2f} ± {(reason.high - reason.q):.2f}"
        about = printable(short(cases[reason.case_id].task, 50)) if reason.case_id in cases else ""
        more = f"[dim]{_made_of(reason)}[/]"
        shown, similar = f"{100 * reason.chance:.0f} %", f"{reason.similarity:.2f}"
        table.add_row(reason.case_id[:10], shown, q, similar, f"{reason.outcomes:.1f}", f"{about}\n{more}")
    screen.print(table)
    left = len(found.candidates) - _MOST
    if left > 0:
        screen.print(f"[dim]and {left} more that were considered (--json has all)[/]")
    for case_id, similarity, status in found.withheld:
        screen.print(f"[dim]withheld: {case_id[:10]}, similar {similarity:.2f}, {status}[/]")


def _made_of(reason: "Reason") -> str:
    terms = ", ".join(f"{name} {term:+.2f}" for name, term in reason.made_of.items() if abs(term) >= 0.005)  # noqa: PLR2004
    return "; ".join(part for part in (terms, reason.against) if part)


def _past(run_id: str, home: Path | None, *, as_json: bool) -> None:
    from memento.memory import CaseBank, build_policy
    from memento.memory.ledger import no_such_run
    from memento.memory.why import explain_run

    settings = settings_for(home)
    with reading(home) as ledger:
        row = ledger.run(run_id)
    if row is None:
        raise no_such_run(run_id)
    own = {"namespace": row["namespace"], "shared": row["shared"], "read_only": True}
    with CaseBank(settings.home, settings.embedding, **own) as bank:
        explained = explain_run(build_policy("auto", bank=bank, k=settings.k), row)
        cases = bank.get_many([reason.case_id for reason in explained.candidates]) if explained else {}
    if as_json:
        found = {name: row[name] for name in _RUN_FIELDS}
        print_json({**found, "explanation": None if explained is None else asdict(explained)})
        return
    _print_run(row)
    if explained is not None:
        console().print("\n[bold]from the runs before it, as far as is known now[/]")
        _print(explained, cases)


def _print_run(row: dict[str, Any]) -> None:
    screen = console()
    screen.print(f"[bold]policy[/] {row['policy']}, run {row['number']}: arm {_arm(row)}")
    screen.print(f"[bold]cases[/] {in_words(row, len(row['retrieved']))}")
    for slot in row["retrieved"]:
        screen.print(f"  {slot['case_id'][:10]}  {slot_in_words(slot)}, used: {_used(slot['used'])}")
    shown = {slot["case_id"] for slot in row["retrieved"]}
    others = [f"{case_id[:10]} Q {q:.2f}" for case_id, _, q in row["candidates"] if case_id not in shown]
    screen.print(f"[dim]considered too: {', '.join(others[:_MOST]) or 'none'}[/]")


_RUN_FIELDS = (
    "run_id",
    "policy",
    "number",
    "arm",
    "arm_propensity",
    "slate_propensity",
    "empty_propensity",
    "stop_propensity",
    "explored",
    "expected",
    "without",
    "without_std",
    "usual_cosine",
    "retrieved",
    "candidates",
)


def in_words(chosen: Mapping[str, Any], shown: int) -> str:
    """Why so many cases were shown, in a line; `chosen` has the fields of a selection."""
    if chosen["policy"] == "none":
        return "none: the policy shows none"
    if chosen["arm"] == "none":
        return "none, on purpose: a few runs go without, so that what memory is worth can be measured"
    considered = len(chosen["candidates"])
    if not considered:
        return "none: there is none yet"
    alone, together = chosen["without"], chosen["expected"]
    if not shown:
        worth = "" if alone is None else f" to {alone:.2f}, the reward expected without"
        return f"none of {considered}: none is expected to add{worth}"
    how = "the nearest" if chosen["arm"] == "similarity" else "chosen by what cases did so far"
    how = "to learn what they do" if chosen["explored"] else how
    worth = "" if together is None else f", a reward of {together:.2f} expected"
    worth += "" if alone is None else f"{';' if together is None else ','} {alone:.2f} without cases"
    return f"{shown} of {considered}, {how}{worth}"


def slot_in_words(slot: Mapping[str, Any]) -> str:
    """Why one case was shown: how near its task is, the reward that it promises with its 95 % interval, and
    how likely it was to come next.
    """
    q = f"Q {slot['q']:.2f} ± {1.96 * slot['q_std']:.2f}"
    return f"similar {slot['similarity']:.2f}, {q}, drawn with probability {slot['propensity']:.2f}"


def _arm(row: dict[str, Any]) -> str:
    how = " (explored)" if row["explored"] else ""
    return f"{row['arm']}{how}, probability {row['arm_propensity']:.2f}"


def _used(used: bool | None) -> str:
    return "not known" if used is None else "yes" if used else "no"
