"""The settings: from arguments and from MEMENTO_ variables, and one line for what cannot be meant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from memento import Settings, UsageError
from memento.settings import default_models, load_dotenv_file, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def refused(**given: Any) -> str:
    with pytest.raises(UsageError) as told:
        load_settings(**given)
    with pytest.raises(UsageError):
        Settings(**{name: value for name, value in given.items() if value is not None})
    message = str(told.value)
    assert "\n" not in message
    return message


def test_without_anything_set_the_home_is_in_the_users_data_folder(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path / "user-data" / "memento"
    assert (settings.namespace, settings.k, settings.policy, settings.learn, settings.grow) == (
        "default",
        4,
        "auto",
        True,
        True,
    )
    assert (settings.max_cycles, settings.max_subtasks, settings.max_tool_calls) == (3, 8, 8)
    assert (settings.max_model_calls, settings.timeout, settings.files) == (40, 600, (Path.cwd(),))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("home", "/somewhere", Path("/somewhere")),
        ("planner", "openai:gpt-4.1-mini", "openai:gpt-4.1-mini"),
        ("judge", "local", "local"),
        ("embedding", "openai:text-embedding-3-small", "openai:text-embedding-3-small"),
        ("namespace", "ann", "ann"),
        ("shared_namespace", "team", "team"),
        ("k", "2", 2),
        ("policy", "kernel", "kernel"),
        ("learn", "false", False),
        ("grow", "0", False),
        ("tool_calls", "json", "json"),
        ("files", "/", (Path("/"),)),
        ("files", os.pathsep.join(["/", "/usr"]), (Path("/"), Path("/usr"))),
        ("files", '["/", "/usr"]', (Path("/"), Path("/usr"))),
        ("timeout", "1.5", 1.5),
    ],
)
def test_a_variable_sets_its_field_and_an_argument_goes_over_it(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any
) -> None:
    monkeypatch.setenv(f"MEMENTO_{name.upper()}", text)
    assert getattr(load_settings(), name) == getattr(Settings(), name) == value
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if default is not None:
        assert getattr(load_settings(**{name: default}), name) == default


def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMENTO_K", "")
    assert load_settings().k == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "many"),
        ("k", "-1"),
        ("k", "65"),
        ("k", "1.5"),
        ("policy", "nonsense"),
        ("learn", "perhaps"),
        ("namespace", "x" * 201),
        ("namespace", "../x"),
        ("shared_namespace", "../x"),
        ("tool_calls", "xml"),
        ("timeout", "0"),
        ("timeout", "nan"),
        ("timeout", "soon"),
        ("max_cycles", "0"),
        ("max_subtasks", "-1"),
        ("max_tool_calls", "0"),
        ("max_model_calls", "0"),
        ("ledger_url", "postgresql://ann:sesame@db/x"),
        ("files", "/nowhere/at/all"),
        ("files", "[/a"),
    ],
)
def test_a_value_that_cannot_be_meant_is_one_line_that_names_it_and_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert name in refused(**{name: value})
    monkeypatch.setenv(f"MEMENTO_{name.upper()}", value)
    message = refused()
    assert name in message
    assert "sesame" not in message


def test_an_unknown_variable_and_an_unknown_argument_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nonsense" in refused(nonsense=1)
    monkeypatch.setenv("MEMENTO_HOEM", "sesame")
    message = refused()
    assert "MEMENTO_HOEM" in message
    assert "MEMENTO_HOME" in message
    assert "sesame" not in message


@pytest.mark.parametrize(
    ("name", "value", "models"),
    [
        (None, "", ("local", "local")),
        ("OPENAI_API_KEY", "sk-x", ("openai:gpt-4.1", "openai:o4-mini")),
        ("OPENAI_BASE_URL", "http://localhost:1", ("openai:gpt-4.1", "openai:o4-mini")),
        ("MEMENTO_PLANNER", "openai:gpt-4.1-mini", ("openai:gpt-4.1-mini", "local")),
    ],
)
def test_models_that_are_left_open_follow_from_the_key(
    monkeypatch: pytest.MonkeyPatch, name: str | None, value: str, models: tuple[str, str]
) -> None:
    if name:
        monkeypatch.setenv(name, value)
    filled = default_models(load_settings())
    assert (filled.planner, filled.executor) == models


# -- .env


def test_an_env_file_sets_what_is_not_set_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMENTO_K", "1")
    (tmp_path / ".env").write_text(
        "# a comment\n\nMEMENTO_K=2\nexport MEMENTO_NAMESPACE='ann'\n"
        'OPENAI_API_KEY="sk-x"\nFOREIGN=${HOME}\nBARE\nTWICE=1\nTWICE=2\n'
    )
    load_dotenv_file(tmp_path / ".env")
    settings = default_models(load_settings())
    assert (settings.k, settings.namespace, settings.planner) == (1, "ann", "openai:gpt-4.1")
    assert os.environ["FOREIGN"] == "${HOME}"
    assert os.environ["TWICE"] == "2"
    assert "BARE" not in os.environ


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("\ufeffOPENAI_API_KEY=sk-x\r\n".encode())
    load_dotenv_file(tmp_path / ".env")
    assert os.environ["OPENAI_API_KEY"] == "sk-x"


def test_no_env_file_or_a_folder_of_that_name_is_nothing(tmp_path: Path) -> None:
    load_dotenv_file(tmp_path / ".env")
    (tmp_path / ".env").mkdir()
    load_dotenv_file(tmp_path / ".env")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"A=1\nsesame sesame\n", ".env, line 2"),
        (b"A=1\n\n\n'sesame\n", ".env, line 4"),
        (b"A='sesame\n", ".env, line 1"),
        (b"A=1\nB=sesame\0sesame\n", ".env, line 2"),
        (b"=sesame\n", ".env, line 1"),
        (b"\x89PNG\r\n\x1a\nsesame\xff\xfe", ".env cannot be read"),
    ],
)
def test_a_corrupt_env_file_is_one_line_with_the_place_and_no_value(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(UsageError) as told:
        load_dotenv_file(tmp_path / ".env")
    assert says in str(told.value)
    assert "sesame" not in str(told.value)
    assert "\n" not in str(told.value)


def test_an_env_file_that_is_refused_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MEMENTO_K=2\nno line at all\n")
    with pytest.raises(UsageError):
        load_dotenv_file(tmp_path / ".env")
    assert "MEMENTO_K" not in os.environ


def test_folders_may_be_named_from_the_home_folder() -> None:
    assert Settings(files=(Path("~"),)).files == (Path.home(),)
