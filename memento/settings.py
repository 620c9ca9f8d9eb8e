"""What can be set, by argument or by environment (MEMENTO_*)."""

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from platformdirs import user_data_path
from pydantic import (
    Field,
    NonNegativeFloat,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from memento.errors import UsageError
from memento.memory.namespace import checked_namespace

PREFIX = "MEMENTO_"

Unit = Literal["calls", "seconds", "bytes"]


class Settings(BaseSettings):
    """How an agent is built. Each field is also read from the environment, as MEMENTO_ and its name.

    `planner`, `executor` and `judge` are "provider:model" strings of LangChain's init_chat_model, "local",
    or chat model objects; None picks OpenAI where its key or address is set, and else the local model.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    home: Path = Field(default_factory=lambda: user_data_path("memento", appauthor=False))
    planner: Any = None
    executor: Any = None
    judge: Any = None
    embedding: Any = None
    chroma_url: str | None = None
    ledger_url: str | None = None
    namespace: str = "default"
    shared_namespace: str | None = None
    k: int = Field(default=4, ge=0, le=64)
    policy: Literal["auto", "none", "similarity", "kernel", "neural"] = "auto"
    learn: bool = True
    grow: bool = True
    tool_calls: Literal["auto", "native", "json"] = "auto"
    search: Literal["auto", "tavily", "searxng", "ddgs"] = "auto"
    searxng_url: str | None = None
    vision: Any = None
    transcriber: str | None = None
    transcriber_url: str | None = None
    transcriber_key: SecretStr | None = None
    files: Annotated[tuple[Path, ...], NoDecode] = Field(default_factory=lambda: (Path.cwd(),))
    max_cycles: int = Field(default=3, ge=1)
    max_subtasks: int = Field(default=8, ge=1)
    max_tool_calls: int = Field(default=8, ge=1)
    max_model_calls: int = Field(default=40, ge=1)
    timeout: float = Field(default=600, gt=0)
    mcp: Path | None = None
    workspaces: Path | None = None
    code_image: str | None = None
    unsafe_code: bool = False
    max_tools: int = Field(default=12, ge=1)
    allow_tools: Annotated[tuple[str, ...] | None, NoDecode] = None
    approve: Annotated[tuple[str, ...], NoDecode] = ()
    ask: bool = True
    tool_budgets: dict[str, dict[Unit, NonNegativeFloat]] = Field(
        default_factory=lambda: dict[str, dict[Unit, float]](
            {"*": {"calls": 200, "seconds": 600, "bytes": 4_000_000}}
        )
    )

    _given: frozenset[str] = PrivateAttr(frozenset())

    def gives(self, name: str) -> bool:
        """Whether a setting was an argument, rather than from the environment or a default."""
        return name in self._given

    if not TYPE_CHECKING:  # for type checkers the fields are the signature

        def __init__(self, **given: Any) -> None:
            """Settings from the arguments over the environment.

            Raises:
                UsageError: a value cannot be meant, or there is an unknown MEMENTO_ variable; one line.
            """
            _check_environment(type(self).model_fields)
            try:
                super().__init__(**given)
                self._given = frozenset(given)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                message = str(first["msg"]).removeprefix("Value error, ")
                raise UsageError(f"{where}: {message}" if where else message) from None

    @field_validator("namespace", "shared_namespace")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        return None if value is None else checked_namespace(value)

    @field_validator("files", mode="before")
    @classmethod
    def _folders(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.lstrip().startswith("["):
            return tuple(value.split(os.pathsep))
        return (value,) if isinstance(value, Path) else _from_json(value)

    @field_validator("files")
    @classmethod
    def _there(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        expanded = tuple(folder.expanduser() for folder in folders)
        missing = [str(folder) for folder in expanded if not folder.exists()]
        if missing:
            raise ValueError(f"there is no folder {missing[0]}")
        return expanded

    @field_validator("allow_tools", "approve", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.lstrip().startswith("["):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return _from_json(value)

    @model_validator(mode="after")
    def _available(self) -> Self:
        if self.ledger_url is not None:
            raise ValueError("ledger_url is not available: the ledger is in the home")
        return self


def load_settings(**given: Any) -> Settings:
    """The settings from the environment, with what is given (and not None) over them.

    Raises:
        UsageError: a value cannot be meant, or there is an unknown MEMENTO_ variable; one line.
    """
    return Settings(**{name: value for name, value in given.items() if value is not None})


def load_dotenv_file(path: Path) -> None:
    """Put what a .env file sets into the environment, without overriding what is there.

    Raises:
        UsageError: the file cannot be read. No value is ever shown.
    """
    from dotenv.parser import parse_stream

    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path} cannot be read: it should be a text file of NAME=value lines") from None
    found: dict[str, str] = {}
    for binding in bindings:
        text = binding.original.string
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        if binding.error or binding.key == "" or "\0" in text:
            raise UsageError(f"{path}, line {line}: this is no NAME=value line")
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    for name, value in found.items():
        os.environ.setdefault(name, value)


def _check_environment(fields: Collection[str]) -> None:
    known = {f"{PREFIX}{name}".upper() for name in fields}
    unknown = sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise UsageError(f"unknown setting {unknown[0]}: the settings are {', '.join(sorted(known))}")


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(f"this is no JSON list, nor folders with {os.pathsep!r} between them") from None


def has_openai() -> bool:
    return bool(os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"))


def default_models(settings: Settings) -> Settings:
    """The settings with the models filled in that were left open."""
    planner, executor = ("openai:gpt-4.1", "openai:o4-mini") if has_openai() else ("local", "local")
    return settings.model_copy(
        update={
            "planner": planner if settings.planner is None else settings.planner,
            "executor": executor if settings.executor is None else settings.executor,
        }
    )
