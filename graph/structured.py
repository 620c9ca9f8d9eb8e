"""Asking a model for JSON in a schema. Whatever it answers instead is a problem to report, not an error."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from pydantic import ValidationError

from memento.graph import prompts
from memento.graph.parts import Model
from memento.graph.state import Usage, usage_of

# Any other error of a client, a ValueError too, comes from a body that is no reply at all: a proxy's page.
_MALFORMED = (RecursionError, OutputParserException, ValidationError)


class ServiceError(Exception):
    """A model's service failed: no fault of what the model said."""


@dataclass(frozen=True)
class Reply:
    """`value` is what the model said, None where that was not usable: then `problem` says why."""

    value: dict[str, Any] | None
    problem: str
    usage: Usage


async def ask(model: Model, messages: Sequence[AnyMessage], schema: dict[str, Any]) -> Reply:
    """One model call.

    Raises:
        ServiceError: the call itself failed.
    """
    try:
        if model.structured is None:
            request = HumanMessage(prompts.AS_JSON.format(schema=json.dumps(schema)))
            raw = await model.chat.ainvoke([*messages, request])
            return _reply(raw, None)
        answer = await model.structured(schema).ainvoke(list(messages))
        return _reply(answer.get("raw"), answer.get("parsed"))
    except Exception as error:  # noqa: BLE001 - each client has errors of its own
        return Reply(None, malformed(error), usage_of(None))


def malformed(error: Exception) -> str:
    """What was wrong with a reply that a client could not even read.

    Raises:
        ServiceError: the error is not about what the model said.
    """
    name = type(error).__name__
    if isinstance(error, _MALFORMED) or "FinishReason" in name:
        return f"the reply could not be read ({name})"
    raise ServiceError(f"{name}: {_status(error)}") from error


def parse_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text, None where there is none."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, _end = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_of(message: Any) -> str:
    return str(message.text) if isinstance(message, AIMessage) else ""


def _reply(raw: Any, parsed: Any) -> Reply:
    usage = usage_of(raw)
    if isinstance(raw, AIMessage) and raw.additional_kwargs.get("refusal"):
        return Reply(None, "the model refused", usage)
    value = parsed if isinstance(parsed, dict) else parse_object(text_of(raw))
    if value is None:
        return Reply(
            None, "the reply was empty" if not text_of(raw).strip() else "the reply was no JSON", usage
        )
    return Reply(value, "", usage)


def _status(error: Exception) -> str:
    """What is safe to say of a service's error: its text may hold a key or a prompt."""
    status = getattr(error, "status_code", None)
    return f"HTTP {status}" if status else "no answer"
