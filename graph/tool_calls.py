"""Carrying out the tool calls of one message, within what the run allows."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest

from memento.graph.approval import Decision, Waiting, needs_approval
from memento.graph.text import clean
from memento.graph.tool_budget import Budgets, Uses, add_use
from memento.memory import ToolCall
from memento.tools.traits import traits_of


@dataclass(frozen=True, kw_only=True)
class ToolRules:
    """What holds for the tool calls of a run. `approve` names the tools and effects that a person must
    approve; `can_ask` says whether there is one. `redact` takes secrets out of what tools say.
    """

    budgets: Budgets
    approve: Sequence[str]
    can_ask: bool
    redact: Callable[[str], str]


@dataclass(kw_only=True)
class Calls:
    """The calls of one message: with which tools, by which rules, after which earlier calls of the run.
    `uses` is brought up to date.
    """

    tools: Mapping[str, BaseTool]
    rules: ToolRules
    earlier: Sequence[ToolCall]
    decisions: Mapping[str, Decision]
    uses: Uses = field(default_factory=dict)

    async def run(self, asked: AIMessage) -> list[ToolMessage]:
        """The answers to all calls of the message, in order."""
        wanted = {call["name"] for call in asked.tool_calls}
        node = ToolNode(
            [tool for name, tool in self.tools.items() if name in wanted],
            handle_tool_errors=tool_error,
            awrap_tool_call=self._call,
        )
        out = await node.ainvoke({"messages": [asked]})
        parts = out if isinstance(out, list) else [out]
        answers = [message for part in parts for message in _messages(part)]
        return [self._without_secrets(message) for message in answers if isinstance(message, ToolMessage)]

    async def _call(self, request: ToolCallRequest, execute: Callable[..., Any]) -> Any:
        name, tool = request.tool_call["name"], request.tool
        if tool is None:
            return _refused(
                request, f"there is no tool {name}: the tools are {', '.join(self.tools) or 'none'}"
            )
        if refusal := self._refusal(request, tool):
            return _refused(request, refusal)
        if (known := self._known(request, tool)) is not None:
            return ToolMessage(known, name=name, tool_call_id=request.tool_call["id"])
        if problem := self.rules.budgets.spent(name, self.uses):
            return _refused(request, f"{problem}: go on without it")
        return await self._executed(request, execute)

    async def _executed(self, request: ToolCallRequest, execute: Callable[..., Any]) -> Any:
        name = request.tool_call["name"]
        left = self.rules.budgets.seconds_left(name, self.uses)
        add_use(self.uses, name, calls=1)
        began = time.monotonic()
        try:
            async with asyncio.timeout(left):
                answer = await execute(request)
        except TimeoutError:
            answer = _refused(request, f"stopped: the seconds of {name} are used up for this run")
        size = len(str(answer.content).encode("utf-8", "ignore")) if isinstance(answer, ToolMessage) else 0
        add_use(self.uses, name, seconds=time.monotonic() - began, size=size)
        return answer

    def _refusal(self, request: ToolCallRequest, tool: BaseTool) -> str:
        """Why a call that a person must approve is not made; empty when it may be."""
        if not needs_approval(tool, self.rules.approve):
            return ""
        decision = self.decisions.get(str(request.tool_call["id"]))
        if decision is None:
            return (
                "this call needs a person's approval, and nobody can be asked in this run: go on without it"
            )
        if decision["approved"]:
            return ""
        said = f" ({decision['message']})" if decision["message"] else ""
        return f"a person refused this call{said}: do not repeat it"

    def _known(self, request: ToolCallRequest, tool: BaseTool) -> str | None:
        """What the same call gave earlier in the run, if nothing was changed since."""
        if not traits_of(tool).repeatable:
            return None
        same = _key(request.tool_call["name"], request.tool_call["args"])
        for call in reversed(self.earlier):
            made_by = self.tools.get(call["name"])
            if made_by is None or not traits_of(made_by).repeatable:
                return None
            if not call["error"] and _key(call["name"], call["args"]) == same:
                return str(call["result"])
        return None

    def _without_secrets(self, message: ToolMessage) -> ToolMessage:
        if isinstance(message.content, str):
            return message.model_copy(update={"content": self.rules.redact(clean(message.content))})
        blocks = [
            {**block, "text": self.rules.redact(clean(block["text"]))}
            if isinstance(block, dict) and isinstance(block.get("text"), str)
            else block
            for block in message.content
        ]
        return message.model_copy(update={"content": blocks})


def waiting_calls(
    asked: AIMessage, tools: Mapping[str, BaseTool], rules: ToolRules, decisions: Mapping[str, Decision]
) -> list[Waiting]:
    """The calls of a message on which a person has to decide first, if there is one to ask."""
    if not rules.can_ask:
        return []
    return [
        Waiting(id=str(call["id"]), name=call["name"], args=call["args"])
        for call in asked.tool_calls
        if call["name"] in tools
        and needs_approval(tools[call["name"]], rules.approve)
        and str(call["id"]) not in decisions
    ]


def tool_error(error: Exception) -> str:
    """What the model is told of a tool's error: its own words where it meant them for the model, and
    otherwise the kind only, since a message may hold paths or secrets.
    """
    if isinstance(error, ToolException):
        return f"Error: {error}"
    if type(error).__name__ in {"ValidationError", "ToolInvocationError"}:
        return f"Error: wrong arguments. {_first_lines(str(error))}"
    return f"Error: the tool failed ({type(error).__name__}). Try other arguments or another tool."


def _refused(request: ToolCallRequest, why: str) -> ToolMessage:
    call = request.tool_call
    return ToolMessage(f"Error: {why}.", name=call["name"], tool_call_id=call["id"], status="error")


def _messages(part: Any) -> Sequence[Any]:
    """The messages of a part of what a tool node gives: an update, or a command that carries one."""
    update = part if isinstance(part, dict) else getattr(part, "update", None)
    found = update.get("messages", ()) if isinstance(update, dict) else ()
    return found if isinstance(found, list | tuple) else ()


def _key(name: str, args: Any) -> str:
    return json.dumps([name, args], sort_keys=True, default=str)


def _first_lines(text: str) -> str:
    return " ".join(text.split())[:400]
