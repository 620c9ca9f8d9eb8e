"""Namespaces: whose memory it is. Each is a wall: its cases, runs, outcomes and deletions are no other's."""

import re

from memento.memory.errors import UsageError


def checked_namespace(namespace: str) -> str:
    """The namespace, if it can be one: a short printable name.

    Raises:
        UsageError: it is empty, longer than 200 characters, has characters that cannot be printed, or is a
            way up a folder tree.
    """
    if not isinstance(namespace, str) or not namespace.strip():
        raise UsageError("a namespace is a name, not an empty text")
    if len(namespace) > 200 or not namespace.isprintable():  # noqa: PLR2004
        raise UsageError("a namespace has at most 200 printable characters")
    # No path is ever made of it here, but it may be by whoever reads it elsewhere.
    if {part.strip() for part in re.split(r"[/\\]", namespace)} & {".", ".."}:
        raise UsageError(f"a namespace is a name, not a path: {namespace!r}")
    return namespace
