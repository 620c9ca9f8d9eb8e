"""The ledger's tables. memory/migrate.py brings older ones up to them."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = 5
"""One more with every change to the tables that follow."""

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
    Column("forgone", Float),  # what the best known would have gained, where paid exploring took its place
    Column("gained", Float),  # what the slate was promised to add to the better of nothing and the nearest
    Column("usual_cosine", Float),  # of tasks to cases that have nothing to do with them
    Column("use_is", String),  # how it is known which cases were used: seen | said
    Column("shared", String),  # the namespace whose cases were candidates too
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
    Column("dissent", Float),  # how far cases on like tasks did otherwise: memory/dissent.py
    Column("direction", LargeBinary),  # of the case's vector, float16: memory/components.py
    Column("did", String),  # a hash of the tools that the case called, in order; empty where none
    Column("form", String),  # and of how it called them: memory/form.py
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
    Column("form", String),  # a hash of how it called them: memory/form.py; empty where it called none
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
    Index("cases_to_bank", "namespace", "in_bank", "order"),
    Index("cases_by_signature", "namespace", "signature"),
    Index("cases_by_state", "namespace", "status", "deleted"),
    Index("cases_by_order", "namespace", "order"),
)

changes = Table(
    "changes",  # who corrected what in the case bank, and what was before: memory/changes.py
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("number", Integer, nullable=False),  # what was done at once shares it
    Column("namespace", String, nullable=False),
    Column("case_id", String, nullable=False),
    Column("at", String, nullable=False),
    Column("by", String, nullable=False),
    Column("action", String, nullable=False),
    Column("before", JSON(none_as_null=True)),  # of the case, what changed
    Column("after", JSON(none_as_null=True)),
    Column("kept", JSON(none_as_null=True)),  # what undoing needs beside that
    Column("vector", LargeBinary),  # the case's, where it changed
    Column("undone", Boolean, nullable=False),
    Index("changes_by_number", "namespace", "number"),
    Index("changes_by_case", "namespace", "case_id"),
)
