"""What the commands share: options, output, and the ledger for those that only read."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.errors import UsageError
from memento.settings import Settings, has_openai, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from memento.memory import Ledger

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The memory's folder. Default: MEMENTO_HOME, or your data folder."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")
]
CaseId = Annotated[
    str, typer.Argument(help="The case, as `memento cases list` names it, or how that begins.")
]
NamespaceOption = Annotated[str | None, typer.Option("--namespace", help="Whose memory it is.")]


def settings_for(home: Path | None = None, **given: Any) -> Settings:
    """The settings from flags over the environment."""
    return load_settings(home=home, **given)


def dated(parent: str) -> Path:
    """A folder named after now, where none is given."""
    return Path(parent) / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


def make_out(folder: Path) -> None:
    """Make the folder of --out.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}): give another with --out DIR") from None


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def notice(text: str) -> None:
    print(text, file=sys.stderr)


def say_models(settings: Settings) -> None:
    """Say so where the local model stands in for a missing key."""
    does = {"planner": "plans", "executor": "executes"}
    left_open = [verb for role, verb in does.items() if getattr(settings, role) is None]
    if left_open and not has_openai():
        stands_in = f"the small local model {' and '.join(left_open)}"
        notice(f"no OPENAI_API_KEY or OPENAI_BASE_URL is set: {stands_in}")


@contextmanager
def reading(home: Path | None) -> Iterator["Ledger"]:
    """The ledger of a home that is there, beside whatever process owns its bank."""
    from memento.memory import Ledger

    with Ledger(settings_for(home).home, create=False) as ledger:
        yield ledger


def short(text: Any, limit: int = 70) -> str:
    """One line of a text, cut where it is long."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def printable(value: Any) -> str:
    """A text for the terminal: Rich would take brackets in it for markup."""
    from rich.markup import escape

    return escape(str(value))


def print_done(row: dict[str, Any], *, as_json: bool) -> None:
    """What a command did, as one line or one JSON object."""
    if as_json:
        print_json(row)
    else:
        print(", ".join(f"{key} {value}" for key, value in row.items()))
