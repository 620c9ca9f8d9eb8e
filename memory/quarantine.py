"""Harm control: which cases are kept from being shown, by what came of showing them.

A verdict is a function of the ledger's rewards, whenever and in whatever order they came: a late one leads to
what it would have led to at once, and corrected ones restore. A reward's weight says how much the model
learns from it, and which of a run's rewards counts; here each counts the same, or a case that a judge without
a reference sees fail would have to fail four times as often before it is withheld.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection, RowMapping, String, bindparam, select, text, update

from memento.memory.case import Case
from memento.memory.changes import HARM_CONTROL, Change, record
from memento.memory.database import among
from memento.memory.harm import Sums, helps_near
from memento.memory.journal import rewrite
from memento.memory.schema import cases, retrievals, runs

_NEWEST = 500
"""So many of a case's outcomes are looked at for a kind of task on which it helps."""
_SURE = 2.0
"""Standard deviations by which what is expected without cases is lowered, before a case is blamed: bounds of
harm are only as right as that is."""
_TRUSTED_AFTER = 2
_TRUSTED_LATER = 6
"""So many outcomes end the probation of a case; more that of one that was made from what anybody may have
written, or with a case in view that is quarantined."""


@dataclass(frozen=True)
class Judged:
    """A run as it counts for or against the cases that it showed."""

    namespace: str
    number: int
    learn: bool
    without: float | None
    without_std: float | None
    case_ids: Sequence[str]


def read_judged(connection: Connection, run_id: str) -> Judged:
    """The run of that id, which is there."""
    run = connection.execute(select(*_RUN).where(runs.c.run_id == run_id)).one()
    shown = select(retrievals.c.case_id).where(retrievals.c.run_id == run_id).order_by(retrievals.c.rank)
    return Judged(*run, connection.execute(shown).scalars().all())


def judge(connection: Connection, run: Judged, before: float | None, after: float) -> None:
    """Take a run's counting reward, which was `before` and is `after` now, to the account of the cases it
    showed: quarantine those that harm beyond doubt, restore those of which that is no longer so, and say
    which are on probation.
    """
    if not run.learn or run.without is None or not run.case_ids:
        return
    least = _least(run.without, run.without_std)
    was, now = None if before is None else before - least, after - least
    found = connection.execute(_THESE, {"this": run.namespace, "ids": run.case_ids}).mappings()
    rows = [row for row in found if run.number > (row["judged_after"] or 0)]
    accounts = [_account(row).changed(was, now, 1.0 / len(run.case_ids)) for row in rows]
    if not rows:
        return
    changes = zip(rows, accounts, strict=True)
    connection.execute(
        _KEEP, [{"this": run.namespace, "case": row["id"], **account.columns()} for row, account in changes]
    )
    for row, account in zip(rows, accounts, strict=True):
        _verdict(connection, row, account)
    _set_probation(connection, rows, accounts)


def _judge_children(connection: Connection, namespace: str, case_id: str) -> None:
    """Say which of the cases that were made with this one in view are on probation, now that its status is
    another.
    """
    about = (cases.c.namespace == namespace, ~cases.c.deleted, cases.c.body.cast(String).contains(case_id))
    ids = list(connection.execute(select(cases.c.id).where(*about)).scalars())
    found = connection.execute(_THESE, {"this": namespace, "ids": ids}).mappings().all()
    rows = [row for row in found if case_id in _parents(row)]
    _set_probation(connection, rows, [_account(row) for row in rows])


def _verdict(connection: Connection, row: RowMapping, account: "Account") -> None:
    by_a_person = row["status"] != "active" and not row["harmful"]
    if by_a_person or row["pinned"]:
        return
    harmful = account.sums().bounds()[1] < 0 and not _helps_somewhere(connection, row)
    if harmful == bool(row["harmful"]):
        return
    this = (cases.c.namespace == row["namespace"], cases.c.id == row["id"])
    body = connection.execute(select(cases.c.body).where(*this)).scalar_one()
    case = replace(Case.from_dict(body), status="quarantined" if harmful else "active")
    rewrite(connection, row["namespace"], row["id"], case)
    _to_audit(connection, row, case)
    connection.execute(update(cases).where(*this).values(harmful=harmful))
    _judge_children(connection, row["namespace"], row["id"])


def _set_probation(connection: Connection, rows: Sequence[RowMapping], accounts: Sequence["Account"]) -> None:
    """Put cases on probation, or take them off it: by what came of them, and by what they were made with, as
    it is now, so that the order in which either became known leaves no trace.
    """
    parents = sorted({parent for row in rows for parent in _parents(row)})
    asked = {"this": rows[0]["namespace"], "ids": parents} if parents else None
    bad = set(connection.execute(_QUARANTINED, asked).scalars()) if asked else set()
    for row, account in zip(rows, accounts, strict=True):
        tainted = not bad.isdisjoint(_parents(row))
        vouched_for = row["judged_after"] is not None
        new = (row["source_run"] is not None or row["untrusted"]) and not vouched_for
        enough = _TRUSTED_LATER if row["untrusted"] or tainted else _TRUSTED_AFTER
        did_well = account.outcomes >= enough and account.total >= 0
        probation = (new or tainted) and not did_well
        if probation != bool(row["probation"]):
            this = (cases.c.namespace == row["namespace"], cases.c.id == row["id"])
            connection.execute(update(cases).where(*this).values(probation=probation))


def _parents(row: RowMapping) -> Sequence[str]:
    """The cases that were in view when the row's was made."""
    return row["parents"] or ()


def _to_audit(connection: Connection, row: RowMapping, case: Case) -> None:
    verdict = Change(
        case_id=case.id,
        action="restore" if case.status == "active" else "quarantine",
        by=HARM_CONTROL,
        before={"status": row["status"]},
        after={"status": case.status},
    )
    record(connection, row["namespace"], [verdict])


@dataclass(frozen=True)
class Account:
    """The sums of memory/harm.py over a case's outcomes, in millionths: whole numbers, so that neither the
    order in which rewards come nor their correction leaves a trace.
    """

    outcomes: int
    weight: int
    square: int
    total: int

    def changed(self, was: float | None, now: float, share: float) -> "Account":
        """With one outcome more, or another surplus for one that is in."""
        added = Account(self.outcomes, self.weight, self.square, self.total + _millionths(share * now))
        if was is not None:
            return replace(added, total=added.total - _millionths(share * was))
        weight, square = self.weight + _millionths(share), self.square + _millionths(share**2)
        return replace(added, outcomes=self.outcomes + 1, weight=weight, square=square)

    def sums(self) -> Sums:
        return Sums(self.weight / _MILLION, self.square / _MILLION, self.total / _MILLION)

    def columns(self) -> dict[str, int]:
        return {f"harm_{name}": getattr(self, name) for name in _SUMS}


_MILLION = 1_000_000
_SUMS = ("outcomes", "weight", "square", "total")
_RUN = (runs.c.namespace, runs.c.number, runs.c.learn, runs.c.without, runs.c.without_std)
_ACCOUNT = [f"harm_{name}" for name in _SUMS]
_COLUMNS = ("namespace", "id", "vector", "status", "source_run", "probation", "harmful", "judged_after")
_THESE = (
    select(
        *(cases.c[name] for name in (*_COLUMNS, *_ACCOUNT)),
        cases.c.body["parents"].label("parents"),
        *(cases.c.body[name].as_boolean().label(name) for name in ("pinned", "untrusted")),
    )
    .where(cases.c.namespace == bindparam("this"), among(cases.c.id, "ids"))
    .where(~cases.c.deleted)
    .order_by(cases.c.id)
)
_QUARANTINED = (
    select(cases.c.id)
    .where(cases.c.namespace == bindparam("this"), among(cases.c.id, "ids"))
    .where(cases.c.status == "quarantined", ~cases.c.deleted)
)
_KEEP = update(cases).where(cases.c.namespace == bindparam("this"), cases.c.id == bindparam("case"))


def _millionths(value: float) -> int:
    return round(value * _MILLION)


def _account(row: RowMapping) -> Account:
    return Account(*(row[f"harm_{name}"] or 0 for name in _SUMS))


def _least(without: float, std: float | None) -> float:
    """What was expected without cases at the least."""
    return min(max(without - _SURE * (std or 0.0), 0.0), 1.0)


# From the case's slots, newest first, to their runs: SQLite would else go through all runs of the namespace.
_OUTCOMES_OF = text(
    """
    SELECT run.without, run.without_std, run.vector,
      (SELECT count(*) FROM retrievals AS slot WHERE slot.run_id = run.run_id),
      (SELECT reward FROM rewards WHERE rewards.run_id = run.run_id ORDER BY weight DESC, id DESC LIMIT 1)
    FROM retrievals AS shown CROSS JOIN runs AS run
    WHERE shown.case_id = :case_id AND run.run_id = shown.run_id AND run.namespace = :namespace
      AND run.learn AND run.without IS NOT NULL AND run.number > :after
    ORDER BY shown.rowid DESC LIMIT :newest
    """
)


def _helps_somewhere(connection: Connection, row: RowMapping) -> bool:
    """Whether the case helps on tasks like its own, by its newest outcomes."""
    asked = {"case_id": row["id"], "namespace": row["namespace"], "newest": _NEWEST}
    found = connection.execute(_OUTCOMES_OF, {**asked, "after": row["judged_after"] or 0}).all()[::-1]
    rows = [
        (reward - _least(without, std), 1.0 / size, vector)
        for without, std, vector, size, reward in found
        if reward is not None
    ]
    return helps_near(
        np.frombuffer(row["vector"], np.float32),
        np.stack([np.frombuffer(vector, np.float32) for _, _, vector in rows]),
        np.asarray([surplus for surplus, _, _ in rows], np.float64),
        np.asarray([share for _, share, _ in rows], np.float64),
    )
