"""The executor's messages as its model gets them: what strangers may have written is marked as data."""

from collections.abc import Container, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from memento.graph import render
from memento.graph.text import clean, clean_json


def turns_for_model(messages: Sequence[AnyMessage], strangers: Container[str | None]) -> list[AnyMessage]:
    """For models that know tools. `strangers` are the tools whose results anybody may have written."""
    return [_for_model(message, strangers) for message in messages]


def turns_as_text(messages: Sequence[AnyMessage], strangers: Container[str | None]) -> list[AnyMessage]:
    """Tool calls and results as plain turns, for models that know no tools."""
    turns: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            result = clean(str(message.text), limit=4000)
            result = render.as_data(result) if message.name in strangers else result
            turns.append(HumanMessage(render.tool_result_text(result)))
        elif isinstance(message, AIMessage):
            turns.append(AIMessage(message.content))
        else:
            turns.append(message)
    return turns


def _for_model(message: AnyMessage, strangers: Container[str | None]) -> AnyMessage:
    """A tool's result as a model can take it, whatever its size and characters and whoever wrote it."""
    if not isinstance(message, ToolMessage):
        return message
    content = clean_json(message.content)
    if message.name in strangers:
        content = render.as_data(content) if isinstance(content, str) else _blocks_as_data(content)
    return message.model_copy(update={"content": content})


def _blocks_as_data(blocks: list[Any]) -> list[Any]:
    return [
        {**block, "text": render.as_data(str(block["text"]))}
        if isinstance(block, dict) and "text" in block
        else render.as_data(block)
        if isinstance(block, str)
        else block
        for block in blocks
    ]
