"""Credentials are kept out of the stores, and ordinary texts are left alone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.memory.redact import MARK, TOO_DEEP, redact, redact_text

SECRETS = [
    ("use {} please", "sk-proj-4fT9xQ2mB7vL0aZcR5yW1nK8"),
    ("use {} please", "sk-ant-api03-Zk3_qLw9-xYt7RbV2mNp5"),
    ("use {}", "sk_live_51Hq8pLkT3vXw9"),
    ("use {}", "gsk_" + "a1B2" * 8),
    ("TAVILY: {}", "tvly-dev-8Jq2LmX0pRt6"),
    ("git clone https://{}@github.com/a/b", "ghp_" + "a1B2c3D4" * 4),
    ("use {}", "github_pat_" + "11ABC_d3F" * 4),
    ("use {}", "glpat-x7Kq2LmN0pRt6sUv"),
    ("use {}", "xoxb-123456789012-abcdefABCDEF"),
    ("use {}", "hf_" + "aBcDeFgHiJ" * 3),
    ("use {}", "lsv2_pt_" + "0123456789abcdef" * 2),
    ("id {}", "AKIAIOSFODNN7EXAMPLE"),
    ("use {}", "AIzaSyA1234567890abcdefghijklmnopqrstuv"),
    ("use {}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"),
    ("{}", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"),
    ("{}", "-----BEGIN PRIVATE KEY-----\nMIIEow that was cut off"),
    ("Authorization: Bearer {}", "mF_9.B5f-4.1JqM"),
    ("curl -H 'Authorization: Basic {}' x", "dXNlcjpwYXNzd29yZA=="),
    ("AWS_SECRET_ACCESS_KEY={}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("api_key = {} # mine", "0123456789abcdef"),
    ("x-api-key: {}", "0123456789abcdef"),
    ("https://x.org/?apikey={}&q=1", "0123456789abcdef"),
    ('{{"password": "{}"}}', "correct horse battery"),
    ('{{\\"password\\": \\"{}\\"}}', "hunter2!x"),
    ("password: {}", "hunter2"),
    ("Pwd={};Server=x", "Tr0ub4dor&3"[:9]),
    ("client_secret='{}'", "8Q~xyzXYZ.123"),
    ("secret={}", "a1b2c3d4e5"),
    ("GITLAB_TOKEN={}", "a1b2c3d4e5f6"),
    ("postgres://ann:{}@db.example.org/x", "p@ss:w0rd"),
    ("redis://:{}@localhost:6379", "s3cr3t"),
]

ORDINARY = [
    "What is 17% of 2340?",
    "The secret: patience and practice.",
    "The secret of success is hard work; password strength matters.",
    "Explain the bearer authentication scheme and bearer certificates.",
    "How many tokens: count them",
    "token: a unit of text",
    "max_tokens = 100",
    "Which API key should I use?",
    "Is a sk-learn pipeline a good idea?",
    "See https://example.org:8080/path?user=ann@example.org and http://localhost:8080",
    "Write to ann@example.org: she knows.",
    "risk-assessment-of-long-hyphenated-words-in-a-title",
    "SELECT pk_user_accounts_table_id FROM fk_constraint_names_of_tables",
    "commit 3f786850e387550fdaaf9d0b2a4a1f7b7f6b2c1d",
    "ISBN 978-3-16-148410-0, 2024-01-31T12:00:00Z, +49 30 1234567",
    "eyJ is how a JWT begins",
    "a = b; c: d",
    "naïve café — “quotes” 🙂",
    "[redacted]",
    "",
]

PIECES = st.sampled_from(
    [secret for _, secret in SECRETS]
    + [shape.split("{}")[0] for shape, _ in SECRETS]
    + [
        *ORDINARY,
        " ",
        "\n",
        '"',
        "'",
        "\\",
        "/",
        "@",
        ":",
        "=",
        ",",
        "://u:",
        "password=",
        "secret: '",
        "bearer ",
        MARK,
    ]
)


@pytest.mark.parametrize(("shape", "secret"), SECRETS, ids=[shape + secret[:12] for shape, secret in SECRETS])
def test_a_credential_goes_and_what_is_around_it_stays(shape: str, secret: str) -> None:
    assert redact_text(shape.format(secret)) == shape.format(MARK)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_is_left_alone(text: str) -> None:
    assert redact_text(text) == text


@given(st.one_of(st.text(), st.lists(PIECES, max_size=8).map("".join)))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@given(st.text(st.characters(exclude_categories=[])))
def test_every_text_can_be_stored_afterwards(text: str) -> None:
    redact_text(text).encode()


def test_values_under_telling_names_go_whole() -> None:
    given_ = {
        "password": "abc",
        "apiKey": 123456,
        "api_key": "",
        "secret": None,
        "n": [{"access_token": "x"}],
        "token": "the",
    }
    assert redact(given_) == {
        "password": MARK,
        "apiKey": MARK,
        "api_key": "",
        "secret": None,
        "n": [{"access_token": MARK}],
        "token": "the",
    }


def test_names_are_redacted_too_and_other_values_stay() -> None:
    secret = "sk-proj-4fT9xQ2mB7vL0aZcR5yW1nK8"
    assert redact({secret: (1, 2.5, True, None, secret)}) == {MARK: [1, 2.5, True, None, MARK]}


def test_what_is_nested_without_end_is_cut_off() -> None:
    value: Any = "bottom"
    for _ in range(5000):
        value = [value]
    depth, seen = 0, redact(value)
    while isinstance(seen, list):
        depth, seen = depth + 1, seen[0]
    assert (depth, seen) == (64, TOO_DEEP)


@pytest.mark.parametrize(
    "piece",
    [
        "a-",
        "a.",
        "a://",
        "a://u:",
        "token",
        "secret=",
        "password='",
        'password=\\"',
        "eyJ",
        "eyJaaaaaaaa.",
        "bearer ",
        "sk-",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_a_long_text_takes_no_long_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.perf_counter()
    redact_text(text)
    assert time.perf_counter() - started < 2
