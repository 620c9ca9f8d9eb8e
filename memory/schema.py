"""The ledger's tables, and how its database is opened."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    URL,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import DatabaseError

from memento.memory.errors import UsageError

SCHEMA_VERSION = 2

metadata = MetaData()

facts = Table(
    "facts",  # what the home is made of: schema version, encoder, dimensions
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),  # grows with every change, so readers can catch up
    Column("learn", Boolean, nullable=False),
    Column("task", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float32
    Column("policy", String, nullable=False),
    Column("arm", String, nullable=False),
    Column("arm_propensity", Float, nullable=False),
    Column("stop_propensity", Float),
    Column("slate_propensity", Float),  # of all that was shown, over the arms; NULL: not known
    Column("empty_propensity", Float),  # of showing nothing, over the arms
    Column("explored", Boolean),  # shown to learn from it, not as the best known
    Column("expected", Float),  # the reward that was expected of what was shown
    Column("without", Float),  # and of showing nothing
    Column("without_std", Float),
    Column("spent", Float),  # what exploring was expected to cost
    Column("gained", Float),  # what the best known was expected to gain over the plain arms
    Column("usual_cosine", Float),  # of tasks to cases that have nothing to do with them
    Column("use_is", String),  # how it is known which cases were used: seen | said
    Column("candidates", JSON, nullable=False),  # [[case id, similarity, q], ...]
    Column("plan", JSON, nullable=False),
    Column("trajectory", JSON, nullable=False),
    Column("answer", Text, nullable=False),
    Column("status", String, nullable=False),  # answered | not solved | failed
    Column("case_id", String),  # the case that it made, or repeated
    Column("models", JSON, nullable=False),
    Column("usage", JSON, nullable=False),  # tokens and model calls
    Column("cost", Float),
    Column("started_at", String, nullable=False),
    Column("seconds", Float),
    Index("runs_by_change", "revision"),
    Index("runs_by_revision", "namespace", "revision"),
    Index("runs_by_number", "namespace", "number"),
    Index("runs_by_case", "namespace", "case_id"),
)

retrievals = Table(
    "retrievals",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("case_id", String, nullable=False),
    Column("similarity", Float, nullable=False),
    Column("q", Float, nullable=False),
    Column("q_std", Float, nullable=False),
    Column("propensity", Float, nullable=False),  # given what was drawn before it
    Column("used", Boolean),  # NULL: not known
    Column("direction", LargeBinary),  # of the case's vector, float16: memory/components.py
    Column("did", String),  # a hash of the tools that the case called, in order; empty where none
    Column("doubt", Float),  # how far the case was from being worth showing, when it was shown
    Index("retrievals_by_case", "case_id"),
)

rewards = Table(
    "rewards",  # append-only
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False, index=True),
    Column("reward", Float, nullable=False),
    Column("source", String, nullable=False),
    Column("weight", Float, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", String, nullable=False),
)

cases = Table(
    "cases",  # the journal: what the bank must hold
    metadata,
    Column("namespace", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("body", JSON, nullable=False),  # Case.to_dict()
    Column("vector", LargeBinary, nullable=False),  # float32
    Column("status", String, nullable=False),
    Column("signature", String, nullable=False),  # task and sequence of tools: what a repetition repeats
    Column("outcome", String, nullable=False),
    Column("tools", JSON, nullable=False),  # those that it called, in order
    Column("source_run", String, index=True),
    Column("order", Integer, nullable=False),
    Column("in_bank", Boolean, nullable=False),  # whether Chroma has this version of it
    Column("deleted", Boolean, nullable=False),
    Column("probation", Boolean),  # new, or of a parent that harms
    Column("harmful", Boolean),  # quarantined by its outcomes, not by a person
    Column("judged_after", Integer),  # the run from which on its outcomes count against it
    Column("harm_outcomes", Integer),  # the account of memory/quarantine.py, in millionths but for the first
    Column("harm_weight", Integer),
    Column("harm_square", Integer),
    Column("harm_total", Integer),
    Index("cases_behind", "namespace", "in_bank"),
    Index("cases_by_signature", "namespace", "signature"),
    Index("cases_by_status", "namespace", "status"),
    Index("cases_by_order", "namespace", "order"),
)


def open_engine(path: Path) -> Engine:
    """The ledger's database at `path`, made if it is not there.

    Raises:
        UsageError: the file is no ledger, or a newer version wrote it.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": 30})

    # SQLite's driver begins transactions late, which lets two read-then-write transactions collide:
    # every transaction here begins as a writer, but for those that say that they only read.
    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(
                text("INSERT OR IGNORE INTO facts VALUES ('schema', :version)"),
                {"version": str(SCHEMA_VERSION)},
            )
            found = _upgraded(connection)
    except DatabaseError as error:
        engine.dispose()
        raise UsageError(f"{path} cannot be read as a ledger: {error.orig}") from None
    if found != str(SCHEMA_VERSION):
        engine.dispose()
        raise UsageError(f"{path.parent} was written by another version of Memento (schema {found})")
    return engine


def _upgraded(connection: Connection) -> str:
    """The schema's version, after what an older one lacks was added: new columns, empty in old rows."""
    found = str(connection.execute(text("SELECT value FROM facts WHERE name = 'schema'")).scalar_one())
    if found != "1":
        return found
    for table in (runs, retrievals, cases):
        there = {row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table.name})")}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")
    connection.execute(
        text("UPDATE facts SET value = :version WHERE name = 'schema'"), {"version": str(SCHEMA_VERSION)}
    )
    return str(SCHEMA_VERSION)
