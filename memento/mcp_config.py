"""The standard `mcpServers` configuration file."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memento.errors import UsageError
from memento.tools.mcp_server import McpConfig

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_TEXTS = ("command", "cwd", "url")
_LISTS = ("args", "allow", "deny")
_OBJECTS = ("env", "headers")


def read_servers(path: Path, environment: Mapping[str, str]) -> list[McpConfig]:
    """The servers of a file like {"mcpServers": {"files": {"command": "npx", "args": [...], "env": {...}},
    "far": {"url": "https://...", "headers": {...}, "allow": ["search_*"], "deny": [...]}}}. `${NAME}` in a
    text stands for a variable of the environment; a server that names one which is not set, and no default,
    needs it.

    Raises:
        UsageError: it cannot be read, or says something else; no value is shown.
    """
    try:
        given = json.loads(path.expanduser().read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RuntimeError):
        raise UsageError(f'mcp: {path} is no JSON file like {{"mcpServers": {{...}}}}') from None
    servers = given.get("mcpServers") if isinstance(given, dict) else None
    if not isinstance(servers, dict):
        raise UsageError(f'mcp: {path} has no object "mcpServers"')
    return [
        _server(name, about, environment)
        for name, about in servers.items()
        if not (isinstance(about, dict) and about.get("disabled") is True)
    ]


def _server(name: str, about: Any, environment: Mapping[str, str]) -> McpConfig:
    if not isinstance(about, dict) or bool(about.get("command")) == bool(about.get("url")):
        raise UsageError(f'mcp: the server {name!r} needs either "command" or "url"')
    if about.get("type", "http" if about.get("url") else "stdio") == "sse":
        raise UsageError(f"mcp: the server {name!r} speaks sse: only streamable HTTP is spoken here")
    for keys, kind in ((_TEXTS, str), (_LISTS, list), (_OBJECTS, dict)):
        for key in keys:
            if about.get(key) is not None and not _is_of(about[key], kind):
                raise UsageError(f"mcp: {key!r} of the server {name!r} is of the wrong kind")
    missing = _missing(about, environment)
    if missing:
        return McpConfig(name=name, needs=f"it needs the variable {missing[0]}, which is not set")
    texts: dict[str, Any] = {key: _filled(about[key], environment) for key in _TEXTS if about.get(key)}
    lists: dict[str, Any] = {
        key: tuple(_filled(one, environment) for one in about[key]) for key in _LISTS if key in about
    }
    objects: dict[str, Any] = {
        key: {inner: _filled(one, environment) for inner, one in about[key].items()}
        for key in _OBJECTS
        if about.get(key)
    }
    return McpConfig(name=name, **texts, **lists, **objects)


def _is_of(value: Any, kind: type) -> bool:
    """Whether it is a text, or a list or object of texts."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, kind) and all(isinstance(one, str) for one in parts)


def _missing(about: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """The variables that it names and that are not set."""
    given = json.dumps([about.get(key) for key in (*_TEXTS, *_LISTS, *_OBJECTS)])
    found = (match.groups() for match in _VARIABLE.finditer(given))
    return [name for name, default in found if default is None and name not in environment]


def _filled(text: str, environment: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: environment.get(found[1], found[2] or ""), text)
