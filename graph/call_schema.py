"""The JSON schema of a tool call, for models that know no tools."""

from collections.abc import Sequence
from typing import Any

from langchain_core.tools import BaseTool

_DEFS = "#/$defs/"


def call_schema(tools: Sequence[BaseTool]) -> dict[str, Any]:
    """The JSON schema of one tool call, or of an answer without one."""
    answer = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    options: list[dict[str, Any]] = []
    shared: dict[str, Any] = {}
    for tool in tools:
        # `$defs` are looked for at the root, where those of one tool must not be taken for another's.
        args = _renamed(_args_schema(tool), f"{tool.name}_")
        shared |= {f"{tool.name}_{name}": part for name, part in args.pop("$defs", {}).items()}
        options.append(_option(tool.name, args))
    options.append(_option("answer", answer))
    return {
        "title": "tool_call",
        "description": "The next tool call.",
        "type": "object",
        "properties": {"call": {"anyOf": options}},
        "required": ["call"],
        "additionalProperties": False,
        **({"$defs": shared} if shared else {}),
    }


def _option(name: str, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"const": name}, "args": args},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def _args_schema(tool: BaseTool) -> dict[str, Any]:
    schema: Any = tool.tool_call_schema
    full = schema if isinstance(schema, dict) else schema.model_json_schema()
    kept = ("type", "properties", "required", "$defs", "additionalProperties")
    return {"type": "object", **{key: full[key] for key in kept if key in full}}


def _renamed(schema: Any, prefix: str) -> Any:
    """The schema with its references to `$defs` under their new names."""
    if isinstance(schema, list):
        return [_renamed(part, prefix) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"{_DEFS}{prefix}{part.removeprefix(_DEFS)}"
        if key == "$ref" and isinstance(part, str)
        else _renamed(part, prefix)
        for key, part in schema.items()
    }
