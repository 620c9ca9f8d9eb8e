"""From a setting to a chat model, and what that model can do."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from memento.errors import UsageError
from memento.graph.parts import Model
from memento.settings import has_openai

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable

LOCAL = "local"


def model_name(setting: Any) -> str:
    """What a model setting is called in the ledger, and by which `model_source` knows it.

    Raises:
        UsageError: it is neither a text nor a chat model.
    """
    from langchain_core.language_models import BaseChatModel

    if isinstance(setting, str) and setting.strip():
        return setting.strip()
    if isinstance(setting, BaseChatModel):
        return f"{type(setting).__name__}@{id(setting):x}"
    raise UsageError(f"a model is 'provider:model', 'local' or a LangChain chat model, not {setting!r}")


def model_source(objects: "Mapping[str, BaseChatModel]") -> Callable[[str], Model]:
    """A function from a name to its model, each made once; `objects` are those that the user made."""
    made: dict[str, Model] = {}
    lock = threading.Lock()

    def model(name: str) -> Model:
        with lock:
            if name not in made:
                made[name] = describe(name, objects[name] if name in objects else load_chat_model(name))
            return made[name]

    return model


def load_chat_model(name: str) -> "BaseChatModel":
    """The chat model of a name.

    Raises:
        UsageError: there is no such model, or what it needs is missing; the message says what to do.
    """
    if name == LOCAL:
        from memento.local_model import local_model

        return local_model()
    from langchain.chat_models import init_chat_model

    extra: dict[str, Any] = {}
    if name.startswith("openai:"):
        # Without this a model behind another address reports no usage when it streams.
        extra["stream_usage"] = True
        if not os.environ.get("OPENAI_API_KEY"):
            if not has_openai():
                raise UsageError(f"the model {name!r} needs OPENAI_API_KEY (or OPENAI_BASE_URL) to be set")
            extra["api_key"] = "none"
    try:
        chat: BaseChatModel = init_chat_model(name, **extra)
    except ImportError as error:
        raise UsageError(f"the model {name!r} needs another package: {_line(error)}") from None
    except Exception as error:  # noqa: BLE001 - each provider has its own way to say that it cannot
        raise UsageError(f"unknown model {name!r}: {_line(error)}") from None
    return chat


def describe(name: str, chat: "BaseChatModel") -> Model:
    """What a chat model can do."""
    from langchain_core.language_models import BaseChatModel

    kind = type(chat)
    binds_tools = kind.bind_tools is not BaseChatModel.bind_tools
    can_structure = binds_tools or kind.with_structured_output is not BaseChatModel.with_structured_output
    profile = getattr(chat, "profile", None) or {}
    return Model(
        name=name.split("@", maxsplit=1)[0],
        chat=chat,
        # llama.cpp's template of the local model knows no tools.
        native_tools=binds_tools and name != LOCAL and profile.get("tool_calling") is not False,
        small=name == LOCAL,
        structured=(lambda schema: _structured(chat, schema)) if can_structure else None,
    )


def _structured(chat: "BaseChatModel", schema: dict[str, Any]) -> "Runnable[Any, Any]":
    if type(chat).__module__.startswith("langchain_openai"):
        return chat.with_structured_output(
            schema, method="json_schema", include_raw=True, strict=is_strict(schema)
        )
    return chat.with_structured_output(schema, include_raw=True)


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object closed, all of its properties required."""
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(
            properties
        ):
            return False
    return all(is_strict(part) for part in schema.values())


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
