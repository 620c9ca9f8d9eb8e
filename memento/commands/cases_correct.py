"""memento cases edit, note, pin, quarantine, restore, delete and undo: what a person may do to a case."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.commands import case_views
from memento.commands.common import (
    CaseId,
    HomeOption,
    JsonOption,
    NamespaceOption,
    print_done,
    print_json,
    reading,
    settings_for,
)
from memento.errors import MementoError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memento.memory import CaseBank

_BY = "command line"
_IN_EDITOR = ("task", "plan", "trajectory", "answer", "reward", "note")


def edit(
    case_id: CaseId,
    task: Annotated[str | None, typer.Option(help="What is asked.")] = None,
    plan: Annotated[list[str] | None, typer.Option(help="A subtask; once for each.")] = None,
    answer: Annotated[str | None, typer.Option(help="How it is answered.")] = None,
    reward: Annotated[float | None, typer.Option(help="From 0 (wrong) to 1 (right).")] = None,
    file: Annotated[
        Path | None, typer.Option("--from", help="A JSON file with any of a case's fields, and its vector.")
    ] = None,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what a case says; without an option, in your editor. A new task is embedded anew.

    Example: memento cases edit CASE_ID --answer 42
    """
    given = {"task": task, "plan": plan or None, "answer": answer, "reward": reward}
    fields = {name: value for name, value in given.items() if value is not None}
    if file is not None:
        fields = {**_from_file(file), **fields}
    if not fields and not sys.stdin.isatty():
        raise UsageError("say what to change, with --task, --plan, --answer, --reward or --from FILE")
    with _corrected(case_id, home, namespace, embeds="task" in fields or not fields) as (bank, found):
        changed = fields or _in_editor(bank, found)
        case = bank.edit(found, **changed)
    if as_json:
        print_json(case.to_dict())
    else:
        print_done({"id": found, "changed": " ".join(changed) or "nothing"}, as_json=False)


def note(
    case_id: CaseId,
    text: Annotated[str, typer.Argument(help="Takes the place of the note that is there; empty: none.")],
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a note on a case, which no model is shown. Example: memento cases note CASE_ID checked"""
    with _corrected(case_id, home, namespace) as (bank, found):
        kept = bank.note(found, text).note
    print_done({"id": found, "note": kept}, as_json=as_json)


def pin(
    case_id: CaseId,
    off: Annotated[bool, typer.Option("--off", help="Take the pin away.")] = False,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a case from being quarantined by its outcomes. Example: memento cases pin CASE_ID"""
    with _corrected(case_id, home, namespace) as (bank, found):
        pinned = bank.pin(found, pinned=not off).pinned
    print_done({"id": found, "pinned": pinned}, as_json=as_json)


def quarantine(
    case_id: CaseId, home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """Keep a case but show it no more. Example: memento cases quarantine CASE_ID"""
    with _corrected(case_id, home, namespace) as (bank, found):
        bank.set_status(found, "quarantined")
    print_done({"id": found, "status": "quarantined"}, as_json=as_json)


def restore(
    case_id: CaseId, home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """Show a quarantined case again. Example: memento cases restore CASE_ID"""
    with _corrected(case_id, home, namespace) as (bank, found):
        bank.set_status(found, "active")
    print_done({"id": found, "status": "active"}, as_json=as_json)


def delete(
    case_id: CaseId,
    purge: Annotated[
        bool,
        typer.Option("--purge", help="Remove all traces; no undo; a deleted one's too, by its whole id."),
    ] = False,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a case from every result; its runs' statistics stay, and undo brings it back.

    With --purge, for privacy requests, nothing of it is left in any file of the home: its texts and vector,
    its runs with what they wrote, its audit, the copies of the ledger that migrations, restores and repairs
    left there, and the unused parts of the files. Other runs that were shown it stay, and teach nothing any
    more. It takes as long as filling the case bank anew. Out of its reach are backups and exports elsewhere,
    a Chroma server's own files, and what the disk keeps of files that were removed.

    Example: memento cases delete CASE_ID --purge
    """
    gone: dict[str, Any] = {}
    with _corrected(case_id, home, namespace, deleted=purge) as (bank, found):
        if purge:
            gone = _purge(bank, found, home)
        else:
            bank.delete(found)
    print_done({"id": found, "deleted": True, **gone}, as_json=as_json)


def _purge(bank: "CaseBank", case_id: str, home: Path | None) -> dict[str, Any]:
    from memento.toolbox import run_folders

    gone = bank.purge(case_id, and_of_run=run_folders(settings_for(home)).remove)
    return {"purged": True, "runs": len(gone.runs), "shown": gone.shown, "same_task": gone.same_task}


def undo(home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False) -> None:
    """Take back the last change that is not undone yet. Example: memento cases undo"""
    from memento.api import open_to_correct

    settings = settings_for(home, namespace=namespace)
    with open_to_correct(settings, by=_BY) as bank:
        undone = bank.undo()
    if not undone:
        raise MementoError(f"nothing is left to undo in namespace {settings.namespace!r}")
    if as_json:
        print_json({"undone": [asdict(change) for change in undone]})
        return
    print(f"undone: {case_views.change_line(undone[0])}, case {undone[0].case_id}")
    if len(undone) > 1:
        print(f"and {len(undone) - 1} more that were done at once")


@contextmanager
def _corrected(
    case_id: str, home: Path | None, namespace: str | None, *, embeds: bool = False, deleted: bool = False
) -> "Iterator[tuple[CaseBank, str]]":
    """The bank, and the whole id of the case that is meant, which with `deleted` need not be there any more.
    Without `embeds`, no encoder is needed.
    """
    from memento.api import open_alone, open_to_correct
    from memento.memory.browse import whole_id

    settings = settings_for(home, namespace=namespace)
    with reading(home) as ledger:
        found = whole_id(ledger, settings.namespace, case_id, deleted=deleted)
    with (open_alone if embeds else open_to_correct)(settings, by=_BY) as bank:
        yield bank, found


def _from_file(file: Path) -> dict[str, Any]:
    try:
        fields = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{file} is no JSON: it should be an object with fields of a case") from None
    if not isinstance(fields, dict) or not fields:
        raise UsageError(f"{file} is no JSON object with fields of a case")
    return fields


def _in_editor(bank: "CaseBank", case_id: str) -> dict[str, Any]:
    """The fields that a person changed in their editor."""
    case = bank.get(case_id)
    assert case is not None  # noqa: S101 - its id was looked up under the bank's lock
    was = {name: value for name, value in case.to_dict().items() if name in _IN_EDITOR}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"case-{case_id[:12]}.json"
        file.write_text(json.dumps(was, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            subprocess.run([*editor.split(), str(file)], check=True)  # noqa: S603 - the user's own editor
        except (OSError, subprocess.CalledProcessError):
            raise MementoError(f"the editor {editor!r} did not end well: nothing is changed") from None
        fields = _from_file(file)
    return {name: value for name, value in fields.items() if value != was.get(name)}
