"""memento cases export and import."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memento.commands.common import (
    HomeOption,
    JsonOption,
    NamespaceOption,
    notice,
    print_done,
    print_json,
    reading,
    settings_for,
)
from memento.commands.stopping import heeded_interrupt
from memento.errors import StoppedError

if TYPE_CHECKING:
    from memento.memory.importing import Imported
    from memento.settings import Settings

_NAMED = 20


def export(
    file: Annotated[Path | None, typer.Argument(help="Default: stdout.")] = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="With their vectors, which are long.")] = False,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the cases as JSON lines. Example: memento cases export cases.jsonl"""
    from memento.memory import exchange

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger:
        lines = exchange.export_lines(ledger, space, vectors=vectors)
        if file is not None:
            count = exchange.write_file(file, lines)
            print_done({"file": str(file), "exported": count}, as_json=as_json)
        elif as_json:
            print_json({"cases": [json.loads(line) for line in lines]})
        else:
            _print_lines(lines)


def import_(
    file: Annotated[Path, typer.Argument(help="JSON lines: as export writes them, or Memento's own.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Import nothing where a line is bad. Default: skip that line.")
    ] = False,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add cases from a file. Those that are there stay as they are, so an import that was stopped goes on
    when it is run again.

    Example: memento cases import cases.jsonl
    """
    from memento.memory.importing import check_file

    settings = settings_for(home, namespace=namespace)
    total = check_file(file, strict=strict)
    told = _import(file, settings, total, strict=strict, quiet=as_json)
    if as_json:
        print_json(asdict(told))
        return
    for bad in told.skipped[:_NAMED]:
        notice(f"{file}, line {bad.line}: skipped, {bad.problem}")
    if len(told.skipped) > _NAMED:
        notice(f"and {len(told.skipped) - _NAMED} more lines that were skipped (--json has all)")
    print_done({**asdict(told), "skipped": len(told.skipped)}, as_json=False)


def _import(file: Path, settings: "Settings", total: int, *, strict: bool, quiet: bool) -> "Imported":
    from memento.api import open_alone
    from memento.memory.importing import import_file
    from memento.memory.progress import progress_bar

    done = 0

    def told(cases: int) -> None:
        nonlocal done
        done = cases
        bar.at(done, total)
        check_interrupt()

    shown = None if quiet else total
    try:
        with (
            heeded_interrupt() as check_interrupt,
            open_alone(settings) as bank,
            progress_bar("importing cases", shown) as bar,
        ):
            return import_file(bank, file, strict=strict, progress=told)
    except KeyboardInterrupt:
        kept = f"the first {done:,} of {total:,} cases of {file} are in" if done else "no case is in yet"
        raise StoppedError(f"stopped: {kept}; give the same command again for the rest") from None


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
