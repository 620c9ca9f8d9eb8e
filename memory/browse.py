"""Looking through the journal of cases: by what they are, what they say, how old they are and what became of
the runs that showed them. It reads the ledger alone, so it works beside whatever process owns the bank.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, func, or_, select, text, true

from memento.memory.case import Case
from memento.memory.case_filter import Filter, Order
from memento.memory.changes import read_changes
from memento.memory.errors import UsageError
from memento.memory.ledger import Ledger
from memento.memory.schema import cases


@dataclass(frozen=True)
class Listed:
    """A case, in how many runs it was shown, and its value: the mean reward of those, None where unknown."""

    case: Case
    shown: int
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        return {**self.case.to_dict(), "shown": self.shown, "value": self.value}


@dataclass(frozen=True)
class Page:
    """Cases, and of how many they are the last."""

    rows: list[Listed]
    total: int


@dataclass(frozen=True)
class Counts:
    """How many cases a namespace has, in all, by what they are, and ever shown."""

    total: int
    status: dict[str, int]
    outcome: dict[str, int]
    source: dict[str, int]
    pinned: int
    shown: int


def list_cases(
    ledger: Ledger,
    namespace: str,
    wanted: Filter | None = None,
    order: Order = "age",
    last: int | None = None,
) -> Page:
    """The wanted cases of a namespace: oldest first, or with another order the greatest last. With `last`,
    only so many from the end; the newest of many cost no more than those of few.
    """
    wanted = wanted or Filter()
    by_age = order == "age" and not wanted.text and not _asks_value(wanted)
    with ledger.home.reader.connect() as connection:
        if by_age:
            total = count_wanted(connection, namespace, wanted)
            found = _newest(connection, namespace, wanted, last)
        else:
            found = list(read(connection, namespace, wanted))
            total = len(found)
        became = what_became(connection, namespace, [case.id for case in found])
    rows = [Listed(case, *became.get(case.id, (0, None))) for case in found]
    if by_age:
        return Page(rows, total)
    rows = [row for row in rows if _worth(row.value, wanted)]
    if order != "age":
        rows.sort(key=lambda row: row.shown if order == "shown" else _known_last(row.value))
    return Page(rows if last is None else rows[len(rows) - min(last, len(rows)) :], len(rows))


def read(connection: Connection, namespace: str, wanted: Filter) -> Iterator[Case]:
    """The cases that a filter wants, whatever their value, oldest first."""
    words = words_of(wanted.text)
    query = query_for(namespace, wanted).where(*(may_have(word) for word in words))
    for body in connection.execute(query).scalars():
        said = said_by(body) if words else ""
        if all(has_word(said, word) for word in words):
            yield Case.from_dict(body)


def what_became(
    connection: Connection, namespace: str, case_ids: Collection[str]
) -> dict[str, tuple[int, float | None]]:
    """In how many of the namespace's runs each case was shown, and the mean reward of those that have one."""
    return {
        case_id: (shown, value)
        for case_id, shown, value in connection.execute(
            _SHOWN, {"namespace": namespace, "ids": json.dumps(list(case_ids))}
        )
    }


def count(ledger: Ledger, namespace: str) -> Counts:
    """How many cases there are of each kind."""
    live = (cases.c.namespace == namespace, ~cases.c.deleted)
    from_run = cases.c.source_run.is_not(None)
    pinned = cases.c.body["pinned"].as_boolean()
    query = (
        select(cases.c.status, cases.c.outcome, from_run, pinned, func.count())
        .where(*live)
        .group_by(cases.c.status, cases.c.outcome, from_run, pinned)
    )
    status: dict[str, int] = {}
    outcome: dict[str, int] = {}
    source: dict[str, int] = {}
    pins = 0
    with ledger.home.reader.connect() as connection:
        for one_status, one_outcome, made_by_run, pin, number in connection.execute(query):
            status[one_status] = status.get(one_status, 0) + number
            outcome[one_outcome] = outcome.get(one_outcome, 0) + number
            kind = "run" if made_by_run else "demonstration"
            source[kind] = source.get(kind, 0) + number
            pins += number if pin else 0
        shown = connection.execute(_EVER_SHOWN, {"namespace": namespace}).scalar_one()
    return Counts(sum(status.values()), status, outcome, source, pins, int(shown))


def whole_id(ledger: Ledger, namespace: str, given: str, *, deleted: bool = False) -> str:
    """The id of the case that is meant: its id, or the beginning of it where that is enough. With `deleted`,
    the whole id of one that was deleted will do.

    Raises:
        UsageError: there is no such case, or there are several.
    """
    begins = cases.c.id.startswith(given, autoescape=True)
    query = select(cases.c.id).where(cases.c.namespace == namespace, ~cases.c.deleted, begins)
    with ledger.home.reader.connect() as connection:
        found = list(connection.execute(query.order_by(cases.c.id).limit(1000)).scalars())
        known = deleted and bool(read_changes(connection, namespace, given, limit=1))
    if given in found or known:
        return given
    if len(found) == 1 and len(given) >= _SHORTEST:
        return str(found[0])
    if len(found) > 1 and len(given) >= _SHORTEST:
        raise UsageError(f"{len(found)} cases begin with {given!r}: give more of the id")
    raise UsageError(f"there is no case {given!r} in namespace {namespace!r}: see `memento cases list`")


def words_of(text_: str) -> list[str]:
    """The words of a text, each once, without regard to case."""
    return list(dict.fromkeys(re.findall(r"\w+", text_.casefold())))


def has_word(said: str, word: str) -> bool:
    """Whether a word of what is said begins so; a short one must be it whole. Scripts that may have no spaces
    between words are looked into anywhere.
    """
    if not word.isascii():
        return word in said
    return re.search(rf"\b{re.escape(word)}" + (r"\b" if len(word) < _WHOLE_BELOW else ""), said) is not None


def may_have(word: str) -> ColumnElement[bool]:
    """True of every case that has a word, and of some that have not: SQLite reads them far faster."""
    if not word.isascii():
        return true()
    text_ = cases.c.body.cast(String)
    # What is not ASCII is escaped there, and without regard to case it may be ASCII: ß is ss.
    return or_(text_.contains(word, autoescape=True), text_.contains("\\u"))


def said_by(body: dict[str, Any]) -> str:
    """All that a case, as the journal has it, says that a person would look for."""
    return "\n".join([body["task"], *body["plan"], body["answer"], body["note"]]).casefold()


_SHORTEST = 4
"""Of an id, so much must be given at the least."""
_WHOLE_BELOW = 3

_SHOWN = text(
    """
    SELECT shown.case_id, count(*), avg((
      SELECT reward FROM rewards WHERE rewards.run_id = run.run_id ORDER BY weight DESC, id DESC LIMIT 1))
    FROM retrievals AS shown CROSS JOIN runs AS run ON run.run_id = shown.run_id -- in this order
    WHERE run.namespace = :namespace AND shown.case_id IN (SELECT value FROM json_each(:ids))
    GROUP BY shown.case_id
    """
)
_EVER_SHOWN = text(
    """
    SELECT count(*) FROM cases WHERE namespace = :namespace AND NOT deleted AND EXISTS (
      SELECT 1 FROM retrievals AS shown JOIN runs AS run ON run.run_id = shown.run_id
      WHERE shown.case_id = cases.id AND run.namespace = cases.namespace)
    """
)


def _newest(connection: Connection, namespace: str, wanted: Filter, last: int | None) -> list[Case]:
    query = query_for(namespace, wanted).order_by(None).order_by(cases.c.order.desc()).limit(last)
    return [Case.from_dict(body) for body in connection.execute(query).scalars()][::-1]


def count_wanted(connection: Connection, namespace: str, wanted: Filter) -> int:
    """How many cases a filter wants, whatever they say and their value."""
    query = query_for(namespace, wanted).order_by(None).with_only_columns(func.count())
    return int(connection.execute(query).scalar_one())


def query_for(namespace: str, wanted: Filter) -> Select[Any]:
    """The bodies of the cases that a filter wants, whatever they say and their value, oldest first."""
    query = select(cases.c.body).where(cases.c.namespace == namespace, ~cases.c.deleted)
    made_at = cases.c.body["created_at"].as_string()
    if wanted.status is not None:
        query = query.where(cases.c.status == wanted.status)
    if wanted.outcome is not None:
        query = query.where(cases.c.outcome == wanted.outcome)
    if wanted.source is not None:
        query = query.where(cases.c.source_run.is_not(None).is_(wanted.source == "run"))
    if wanted.pinned is not None:
        query = query.where(cases.c.body["pinned"].as_boolean().is_(wanted.pinned))
    if wanted.newer is not None:
        query = query.where(made_at >= wanted.newer)
    if wanted.older is not None:
        query = query.where(made_at <= wanted.older)
    return query.order_by(cases.c.order)


def _asks_value(wanted: Filter) -> bool:
    return wanted.min_value is not None or wanted.max_value is not None


def _worth(value: float | None, wanted: Filter) -> bool:
    if not _asks_value(wanted):
        return True
    low = 0.0 if wanted.min_value is None else wanted.min_value
    high = 1.0 if wanted.max_value is None else wanted.max_value
    return value is not None and low <= value <= high


def _known_last(value: float | None) -> tuple[bool, float]:
    return (value is not None, value or 0.0)
