"""memento cases: what is remembered, and its correction."""

import json
from pathlib import Path
from typing import Annotated

import typer

from memento.commands.common import (
    HomeOption,
    JsonOption,
    NamespaceOption,
    console,
    notice,
    print_json,
    printable,
    reading,
    settings_for,
    short,
)
from memento.commands.why import why
from memento.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Look at the case bank, and correct it.")
CaseId = Annotated[str, typer.Argument(help="The case, as `memento cases list` names it.")]


@app.command("list")
def list_cases(
    home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """The cases, oldest first. Example: memento cases list --json"""
    from memento.memory import journal

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger, ledger.home.reader.connect() as connection:
        cases = journal.read_all(connection, space)
    if as_json:
        print_json({"cases": [case.to_dict() for case in cases]})
        return
    from rich.table import Column, Table

    table = Table(Column("case", no_wrap=True), "outcome", "status", "tools", "task", box=None)
    for case in cases:
        table.add_row(case.id, case.outcome, case.status, " ".join(case.tools), printable(short(case.task)))
    console().print(table)


@app.command("show")
def show(
    case_id: CaseId, home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """One case, whole. Example: memento cases show CASE_ID"""
    from memento.memory import journal

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger:
        with ledger.home.reader.connect() as connection:
            case = journal.read_one(connection, space, case_id)
        support = ledger.support(space, case_id)
    if case is None:
        raise UsageError(f"there is no case {case_id!r} in namespace {space!r}: see `memento cases list`")
    row = {**case.to_dict(), "support": support}
    if as_json:
        print_json(row)
        return
    for key, value in row.items():
        text = json.dumps(value, ensure_ascii=False, indent=1) if isinstance(value, list) else value
        console().print(f"[bold]{key}[/] {printable(text)}")


app.command("why")(why)


@app.command("stats")
def stats(home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False) -> None:
    """How many cases there are, and whether they help. Example: memento cases stats --json"""
    from collections import Counter
    from dataclasses import asdict

    from memento.memory import journal
    from memento.memory.effect import describe
    from memento.memory.logged import effect_of_memory

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger:
        with ledger.home.reader.connect() as connection:
            cases = journal.read_all(connection, space)
        effects = effect_of_memory(ledger, space)
    row = {
        "namespace": space,
        "total": len(cases),
        "status": dict(Counter(case.status for case in cases)),
        "outcome": dict(Counter(case.outcome for case in cases)),
    }
    if as_json:
        print_json({**row, "effect": [asdict(effect) for effect in effects]})
        return
    console().print("\n".join(f"[bold]{key}[/] {printable(value)}" for key, value in row.items()))
    console().print("[bold]does memory help?[/]")
    for effect in effects:
        console().print(f"  {describe(effect)}", soft_wrap=True)


@app.command("delete")
def delete(
    case_id: CaseId, home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """Remove a case for good. Example: memento cases delete CASE_ID"""
    from memento.api import open_to_correct

    with open_to_correct(settings_for(home, namespace=namespace)) as bank:
        bank.delete(case_id)
    _done({"id": case_id, "deleted": True}, as_json=as_json)


@app.command("quarantine")
def quarantine(
    case_id: CaseId, home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """Keep a case but show it no more. Example: memento cases quarantine CASE_ID"""
    _set_status(case_id, "quarantined", home, namespace, as_json=as_json)


@app.command("restore")
def restore(
    case_id: CaseId, home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """Show a quarantined case again. Example: memento cases restore CASE_ID"""
    _set_status(case_id, "active", home, namespace, as_json=as_json)


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Default: stdout.")] = None,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the cases as JSON lines. Example: memento cases export cases.jsonl"""
    from memento.memory import exchange

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger:
        lines = exchange.export_lines(ledger, space)
    if as_json and file is None:
        print_json({"cases": [json.loads(line) for line in lines]})
    elif file is None:
        for line in lines:
            print(line)
    else:
        try:
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}") from None
        _done({"file": str(file), "exported": len(lines)}, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON lines, one case each, as export writes them.")],
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add cases from a file: all of them, or none if a line is bad. Cases that are there stay as they are.

    Example: memento cases import cases.jsonl
    """
    from memento.api import open_bank
    from memento.memory import exchange

    settings = settings_for(home, namespace=namespace)
    cases = exchange.read_cases(file, settings.namespace)
    with open_bank(settings) as bank:
        if not as_json:
            notice(f"embedding {len(cases)} cases")
        before = bank.count()
        for start in range(0, len(cases), 256):
            bank.add_many(cases[start : start + 256])
        added = bank.count() - before
    _done({"read": len(cases), "added": added}, as_json=as_json)


def _set_status(
    case_id: str, status: str, home: Path | None, namespace: str | None, *, as_json: bool
) -> None:
    from memento.api import open_to_correct

    with open_to_correct(settings_for(home, namespace=namespace)) as bank:
        bank.set_status(case_id, "quarantined" if status == "quarantined" else "active")
    _done({"id": case_id, "status": status}, as_json=as_json)


def _done(row: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
    else:
        print(", ".join(f"{key} {value}" for key, value in row.items()))
