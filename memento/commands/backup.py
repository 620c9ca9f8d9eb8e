"""memento backup: one file with all that a home knows, and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from memento.commands.common import HomeOption, JsonOption, print_json, settings_for

app = typer.Typer(no_args_is_help=True, help="Back a home up to one file, and restore it.")


@app.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="Where to write the backup; nothing may be there yet.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the ledger as it is at this moment; the home may be in use. The case bank is no part of it, since
    it is filled from the ledger.

    Example: memento backup create memory.backup
    """
    from memento.memory import backup
    from memento.memory.progress import progress_bar

    with progress_bar("copying", 1) as bar:
        made = backup.create(settings_for(home).home, file, bar.at)
    _told(asdict(made), as_json=as_json)


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `memento backup create` wrote.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the place of a home's ledger, which is kept beside it; or make a home of a backup.

    Example: memento backup restore memory.backup --home DIR
    """
    from memento.memory import backup
    from memento.memory.progress import progress_bar

    with progress_bar("copying", 1) as bar:
        restored, kept = backup.restore(settings_for(home).home, file, bar.at)
    _told({**asdict(restored), "before": kept}, as_json=as_json)


def _told(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
    else:
        print(", ".join(f"{key} {value}" for key, value in row.items() if value is not None))
