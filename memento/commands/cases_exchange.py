"""memento cases export and import."""

import json
from pathlib import Path
from typing import Annotated

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
from memento.errors import UsageError


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
        print_done({"file": str(file), "exported": len(lines)}, as_json=as_json)


def import_(
    file: Annotated[Path, typer.Argument(help="JSON lines, one case each, as export writes them.")],
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add cases from a file: all of them, or none if a line is bad. Cases that are there stay as they are.

    Example: memento cases import cases.jsonl
    """
    from memento.api import open_alone
    from memento.memory import exchange

    settings = settings_for(home, namespace=namespace)
    cases = exchange.read_cases(file, settings.namespace)
    with open_alone(settings) as bank:
        if not as_json:
            notice(f"embedding {len(cases)} cases")
        before = bank.count()
        for start in range(0, len(cases), 256):
            bank.add_many(cases[start : start + 256])
        added = bank.count() - before
    print_done({"read": len(cases), "added": added}, as_json=as_json)
