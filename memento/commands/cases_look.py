"""memento cases list, search, show, changes and stats: they need no lock, and work while a server runs."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from memento.commands import case_views
from memento.commands.common import (
    CaseId,
    HomeOption,
    JsonOption,
    NamespaceOption,
    console,
    print_json,
    printable,
    reading,
    settings_for,
)
from memento.errors import UsageError
from memento.memory.case import Outcome, Status
from memento.memory.case_filter import Filter, Order, Source

if TYPE_CHECKING:
    from memento.memory import Ledger
    from memento.settings import Settings

_SHOWN_AT_ONCE = 40
_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}

StatusOption = Annotated[Status | None, typer.Option(help="Only those.")]
OutcomeOption = Annotated[Outcome | None, typer.Option(help="Only those that ended so.")]
SourceOption = Annotated[Source | None, typer.Option(help="Only those that a run, or a person, made.")]
PinnedOption = Annotated[
    bool | None, typer.Option("--pinned/--not-pinned", help="Only those.", show_default=False)
]
NewerOption = Annotated[str | None, typer.Option(help="Made since then: 12h, 7d, 2w, 1y or a date.")]
OlderOption = Annotated[str | None, typer.Option(help="Made before then.")]


def list_cases(
    text: Annotated[str, typer.Option(help="Only those with all of these words.")] = "",
    status: StatusOption = None,
    outcome: OutcomeOption = None,
    source: SourceOption = None,
    pinned: PinnedOption = None,
    newer: NewerOption = None,
    older: OlderOption = None,
    min_value: Annotated[
        float | None, typer.Option(min=0, max=1, help="Mean reward of the runs that showed it.")
    ] = None,
    max_value: Annotated[float | None, typer.Option(min=0, max=1, help="The same, at the most.")] = None,
    sort: Annotated[Order, typer.Option(help="The greatest come last.")] = "age",
    limit: Annotated[
        int | None, typer.Option(min=0, help="The last so many; 0: all. Default: 40, with --json all.")
    ] = None,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """The cases, oldest first. Example: memento cases list --outcome failure --newer 7d"""
    from memento.memory import browse

    wanted = Filter(
        text=text,
        status=status,
        outcome=outcome,
        source=source,
        pinned=pinned,
        newer=_moment(newer),
        older=_moment(older),
        min_value=min_value,
        max_value=max_value,
    )
    space = settings_for(home, namespace=namespace).namespace
    most = limit if limit is not None else 0 if as_json else _SHOWN_AT_ONCE
    with reading(home) as ledger:
        page = browse.list_cases(ledger, space, wanted, sort, most or None)
    if as_json:
        print_json({"cases": [row.to_dict() for row in page.rows]})
    else:
        case_views.print_list(page.rows, page.total)


def search(
    words: Annotated[str, typer.Argument(help="What is looked for.")],
    by: Annotated[
        Literal["both", "meaning", "words"],
        typer.Option(help="What its task means, the words in it, or both."),
    ] = "both",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The best so many.")] = 10,
    status: StatusOption = None,
    outcome: OutcomeOption = None,
    source: SourceOption = None,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """The cases that come nearest, best first. Example: memento cases search "miles to km" --by meaning"""
    from memento.memory.find import find_cases

    if not words.strip():
        raise UsageError("say what to look for, in words")
    settings = settings_for(home, namespace=namespace)
    wanted = Filter(status=status, outcome=outcome, source=source)
    with reading(home) as ledger:
        vector = None if by == "words" else _meaning(settings, ledger, words)
        asked = "" if by == "meaning" else words
        rows = find_cases(ledger, settings.namespace, words=asked, vector=vector, n=limit, wanted=wanted)
    if as_json:
        print_json({"cases": [row.to_dict() for row in rows]})
    elif rows:
        case_views.print_found(rows)
    else:
        print("nothing is like that")


def show(
    case_id: CaseId, home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False
) -> None:
    """One case, whole, with what was changed in it. Example: memento cases show CASE_ID"""
    from memento.memory import browse, changes, journal

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger:
        found = browse.whole_id(ledger, space, case_id)
        with ledger.home.reader.connect() as connection:
            case = journal.read_one(connection, space, found)
            became = browse.what_became(connection, space, [found]).get(found, (0, None))
            told = changes.read_changes(connection, space, found)
        support = ledger.support(space, found)
    if case is None:
        raise UsageError(f"there is no case {case_id!r} in namespace {space!r}: see `memento cases list`")
    row = browse.Listed(case, *became)
    if as_json:
        print_json({**row.to_dict(), "support": support, "changes": [asdict(change) for change in told]})
    else:
        case_views.print_case(row, support, told[::-1])


def list_changes(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest so many.")] = 20,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who changed which case, newest first. Example: memento cases changes --limit 5"""
    from memento.memory import changes

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger, ledger.home.reader.connect() as connection:
        told = changes.read_changes(connection, space, limit=limit)
    if as_json:
        print_json({"changes": [asdict(change) for change in told]})
        return
    case_views.print_changes(told)


def stats(home: HomeOption = None, namespace: NamespaceOption = None, as_json: JsonOption = False) -> None:
    """How many cases there are, and whether they help. Example: memento cases stats --json"""
    from memento.memory import browse
    from memento.memory.effect import describe
    from memento.memory.logged import effect_of_memory

    space = settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger:
        counts = asdict(browse.count(ledger, space))
        effects = effect_of_memory(ledger, space)
    if as_json:
        print_json({"namespace": space, **counts, "effect": [asdict(effect) for effect in effects]})
        return
    console().print(f"[bold]{printable(space)}[/] {counts.pop('total')} cases")
    for name, value in counts.items():
        parts = (
            ", ".join(f"{kind} {number}" for kind, number in value.items())
            if isinstance(value, dict)
            else value
        )
        console().print(f"[bold]{name}[/] {parts}")
    console().print("[bold]does memory help?[/]")
    for effect in effects:
        console().print(f"  {describe(effect)}", soft_wrap=True)


def _moment(given: str | None) -> str | None:
    """The time that is meant by a span until now, or by a date."""
    if given is None:
        return None
    span, unit = given[:-1].strip(), given[-1:]
    try:
        if span.isdecimal() and unit in _UNITS:
            then = datetime.now(UTC) - timedelta(seconds=int(span) * _UNITS[unit])
        else:
            then = datetime.fromisoformat(given)
    except (ValueError, OverflowError):
        raise UsageError(f"{given!r} is no span (12h, 7d, 2w, 1y) and no date (2026-11-25)") from None
    return then.astimezone(UTC).isoformat(timespec="milliseconds")


def _meaning(settings: "Settings", ledger: "Ledger", words: str) -> Any:
    """The vector of what is looked for, by the encoder that the home was made with."""
    from memento.memory.centre import CentredEncoder
    from memento.memory.embeddings import load_encoder

    encoder = load_encoder(settings.embedding)
    made_with = ledger.fact("embedding")
    if made_with is not None and made_with != encoder.name:
        raise UsageError(
            f"{ledger.home.path} was made with the embedding {made_with!r}: set MEMENTO_EMBEDDING to that, "
            "or search with --by words"
        )
    return CentredEncoder(encoder, ledger, read_only=True).embed([words])[0]
