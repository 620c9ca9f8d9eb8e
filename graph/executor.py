"""The executor: one subtask's loop between the model and the tools, as a graph of its own.

Its messages stay in it: sharing the parent's channel would leak the tool chatter into the conversation.
"""

import json
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from memento.graph import prompts, render
from memento.graph.approval import Decision, Waiting
from memento.graph.call_schema import call_schema
from memento.graph.executor_turns import turns_as_text, turns_for_model
from memento.graph.parts import Model
from memento.graph.state import Usage, add_usage, usage_of
from memento.graph.structured import Reply, ServiceError, ask, malformed, text_of
from memento.graph.text import clean, clean_json, identifier, storable
from memento.graph.tool_budget import Uses
from memento.graph.tool_calls import Calls, ToolRules, waiting_calls
from memento.memory import ToolCall
from memento.tools.traits import traits_of

_SAME_CALL = 3
_TRIES = 2


class ExecutorState(TypedDict):
    """`result` is the subtask's, None while it is open; `problem` says why there is none; `failed` that it
    was the model's service that failed. While calls are `waiting` for a person, the loop rests; it is started
    again with the `decisions`.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    calls: list[ToolCall]
    tool_use: Uses
    waiting: list[Waiting]
    decisions: dict[str, Decision]
    usage: Usage
    broken: int
    result: str | None
    problem: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class ExecutorContext:
    """How one subtask is carried out. `earlier` are the calls of the run's subtasks before it."""

    model: Model
    native: bool
    max_tool_calls: int
    max_model_calls: int
    tools: Sequence[BaseTool]
    rules: ToolRules
    earlier: Sequence[ToolCall]

    @property
    def by_name(self) -> dict[str, BaseTool]:
        return {tool.name: tool for tool in self.tools}


ExecutorGraph = CompiledStateGraph[Any, Any, Any, Any]


def compile_executor() -> ExecutorGraph:
    """The loop over the tools of its context. It is only ever run with ainvoke or astream."""

    async def call_model(state: ExecutorState, runtime: Runtime[ExecutorContext]) -> dict[str, Any]:
        update = await _call_model(state, runtime.context)
        return {**update, "waiting": _waiting(state, update, runtime.context)}

    async def call_tools(state: ExecutorState, runtime: Runtime[ExecutorContext]) -> dict[str, Any]:
        return await _call_tools(state, runtime.context)

    async def note_results(state: ExecutorState, runtime: Runtime[ExecutorContext]) -> dict[str, Any]:
        return _note_results(state, runtime.context)

    builder = StateGraph(ExecutorState, context_schema=ExecutorContext)
    builder.add_node("call_model", call_model)
    builder.add_node("tools", call_tools)
    builder.add_node("note_results", note_results)
    builder.add_conditional_edges(START, _at_start, ["tools", "call_model"])
    builder.add_conditional_edges("call_model", _after_model, ["tools", "call_model", END])
    builder.add_edge("tools", "note_results")
    builder.add_conditional_edges("note_results", _after_tools, ["call_model", END])
    return builder.compile(checkpointer=False, name="executor")


def start(messages: list[AnyMessage], usage: Usage, tool_use: Uses) -> ExecutorState:
    return ExecutorState(
        messages=messages,
        calls=[],
        tool_use=tool_use,
        waiting=[],
        decisions={},
        usage=usage,
        broken=0,
        result=None,
        problem="",
        failed=False,
    )


async def _call_model(state: ExecutorState, context: ExecutorContext) -> dict[str, Any]:
    by_name = context.by_name
    if state["usage"]["model_calls"] >= context.max_model_calls:
        return _stopped(f"reached {context.max_model_calls} model calls")
    try:
        if context.native:
            return await _native_call(state, context, by_name)
        if len(state["calls"]) >= context.max_tool_calls:
            return _stopped(f"reached {context.max_tool_calls} tool calls")
        turns = turns_as_text(state["messages"], _untrusted(context.tools))
        reply = await ask(context.model, turns, call_schema(context.tools))
    except ServiceError as error:
        usage = add_usage(state["usage"], usage_of(None))
        return {**_stopped(f"the executor's model failed ({error})"), "failed": True, "usage": usage}
    return {**_json_call(state, reply, by_name), "usage": add_usage(state["usage"], reply.usage)}


async def _native_call(
    state: ExecutorState, context: ExecutorContext, tools: dict[str, BaseTool]
) -> dict[str, Any]:
    try:
        chat = context.model.chat.bind_tools(list(tools.values())) if tools else context.model.chat
        message = await chat.ainvoke(turns_for_model(state["messages"], _untrusted(context.tools)))
    except Exception as error:  # noqa: BLE001 - each client has errors of its own
        usage = add_usage(state["usage"], usage_of(None))
        return {**_broken(state, malformed(error)), "usage": usage}
    usage = add_usage(state["usage"], usage_of(message))
    if not isinstance(message, AIMessage):
        return {**_broken(state, "the reply was no message of a model"), "usage": usage}
    if message.tool_calls or message.invalid_tool_calls:
        # After the last call that it may make, the model is still asked what came of it.
        left = context.max_tool_calls - len(state["calls"])
        if left <= 0:
            return {**_stopped(f"reached {context.max_tool_calls} tool calls"), "usage": usage}
        return {"messages": _asked(message, left, tools), "usage": usage}
    text = clean(text_of(message).strip())
    if problem := _problem(message, text):
        return {**_broken(state, problem), "usage": usage}
    return {"messages": [message], "result": text, "usage": usage}


def _problem(message: AIMessage, text: str) -> str:
    """Why a message is no result; empty when it is one."""
    if message.additional_kwargs.get("refusal"):
        return "the model refused"
    if message.response_metadata.get("finish_reason") in {"length", "content_filter"}:
        return "the reply was cut off"
    return "" if text else "the reply was empty"


def _asked(message: AIMessage, left: int, tools: Container[str]) -> list[AnyMessage]:
    """The model's message with no more tool calls than are left, and an answer to each it botched. All of it
    goes back to the model's service, which refuses names that no tool can have.
    """
    valid = [
        tool_call(
            name=_tool_name(call["name"], tools),
            args=clean_json(call["args"]),
            id=call["id"] or f"call_{number}",
        )
        for number, call in enumerate(message.tool_calls[:left])
    ]
    invalid = [
        invalid_tool_call(
            name=_tool_name(call["name"], tools),
            args=clean(call["args"] or ""),
            id=call["id"] or f"invalid_{number}",
            error=None,
        )
        for number, call in enumerate(message.invalid_tool_calls[: max(left - len(valid), 0)])
    ]
    asked = AIMessage(
        clean_json(message.content),
        tool_calls=valid,
        invalid_tool_calls=invalid,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
    )
    botched = [
        ToolMessage(
            "The arguments were no valid JSON object: call the tool again.",
            tool_call_id=str(call["id"]),
            name=str(call["name"]),
            status="error",
        )
        for call in invalid
    ]
    return [asked, *botched]


def _json_call(state: ExecutorState, reply: Reply, by_name: dict[str, BaseTool]) -> dict[str, Any]:
    """What a reply in `call_schema` asks for."""
    value = reply.value or {}
    call = value.get("call")
    if not isinstance(call, dict) or not isinstance(call.get("tool"), str):
        return _broken(state, reply.problem or 'there is no "call" with a "tool"')
    args = clean_json(call.get("args"))
    if not isinstance(args, dict):
        return _broken(state, '"args" is no object')
    if call["tool"] == "answer" and "answer" not in by_name:
        text = clean(str(args.get("text") or "").strip())
        return {"result": text} if text else _broken(state, "the answer was empty")
    name = _tool_name(call["tool"], by_name)
    asked = AIMessage(
        render.call_json(name, args),
        tool_calls=[{"name": name, "args": args, "id": f"call_{len(state['calls'])}"}],
    )
    return {"messages": [asked]}


def _waiting(state: ExecutorState, update: dict[str, Any], context: ExecutorContext) -> list[Waiting]:
    """The calls that the model just asked for and that wait for a person."""
    said = update.get("messages") or [None]
    asked = next((message for message in said if isinstance(message, AIMessage)), None)
    if asked is None or update.get("problem"):
        return []
    return waiting_calls(asked, context.by_name, context.rules, state["decisions"])


async def _call_tools(state: ExecutorState, context: ExecutorContext) -> dict[str, Any]:
    calls = Calls(
        tools=context.by_name,
        rules=context.rules,
        earlier=[*context.earlier, *state["calls"]],
        decisions=state["decisions"],
        uses=dict(state["tool_use"]),
    )
    return {"messages": await calls.run(_asked_last(state)[0]), "tool_use": calls.uses}


def _asked_last(state: ExecutorState) -> tuple[AIMessage, list[AnyMessage]]:
    """The model's last message, and what came after it."""
    at = max(i for i, message in enumerate(state["messages"]) if isinstance(message, AIMessage))
    asked = state["messages"][at]
    assert isinstance(asked, AIMessage)  # noqa: S101 - it was found by this
    return asked, state["messages"][at + 1 :]


def _note_results(state: ExecutorState, context: ExecutorContext) -> dict[str, Any]:
    """Take the new tool results down, and see whether the subtask is done or going in circles. Without native
    calls the first call that works is the subtask's result.
    """
    asked, answers = _asked_last(state)
    arguments: dict[str, Any] = {str(call["id"]): call["args"] for call in asked.tool_calls}
    arguments |= {str(call["id"]): {"input": call["args"]} for call in asked.invalid_tool_calls}
    strangers = _untrusted(context.tools)
    new = [
        _noted(message, arguments.get(message.tool_call_id, {}), untrusted=message.name in strangers)
        for message in answers
        if isinstance(message, ToolMessage)
    ]
    get_stream_writer()({"event": "tool_calls", "calls": new})
    calls = [*state["calls"], *new]
    update: dict[str, Any] = {"calls": calls}
    repeated = Counter(json.dumps([c["name"], c["args"]], sort_keys=True, default=str) for c in calls)
    if not context.native and new and not new[-1]["error"]:
        update["result"] = new[-1]["result"]
    elif max(repeated.values(), default=0) >= _SAME_CALL:
        update |= _stopped(f"made the same call {_SAME_CALL} times")
    return update


def _noted(message: ToolMessage, args: dict[str, Any], *, untrusted: bool) -> ToolCall:
    text = clean(str(message.text))
    failed = message.status == "error"
    call = ToolCall(
        name=str(message.name or "unknown"),
        args=storable(args),
        result="" if failed else text,
        error=text if failed else None,
    )
    return {**call, "untrusted": True} if untrusted else call


def _untrusted(tools: Sequence[BaseTool]) -> set[str | None]:
    """The names of the tools whose results anybody may have written."""
    return {tool.name for tool in tools if traits_of(tool).untrusted}


def _tool_name(name: str | None, tools: Container[str]) -> str:
    return str(name) if name in tools else identifier(name or "")


def _at_start(state: ExecutorState) -> Literal["tools", "call_model"]:
    """Where a person has decided, the calls that waited for it come first."""
    return "tools" if state["decisions"] else "call_model"


def _after_model(state: ExecutorState) -> Literal["tools", "call_model", "__end__"]:
    if state["result"] is not None or state["problem"] or state["waiting"]:
        return "__end__"
    last = state["messages"][-1]
    asking = isinstance(last, ToolMessage) or (isinstance(last, AIMessage) and bool(last.tool_calls))
    return "tools" if asking else "call_model"


def _after_tools(state: ExecutorState) -> Literal["call_model", "__end__"]:
    return "__end__" if state["result"] is not None or state["problem"] else "call_model"


def _stopped(problem: str) -> dict[str, Any]:
    return {"problem": problem}


def _broken(state: ExecutorState, problem: str) -> dict[str, Any]:
    """Say what was wrong and let the model try again, so often."""
    if state["broken"] + 1 >= _TRIES:
        return _stopped(problem)
    return {
        "broken": state["broken"] + 1,
        "messages": [HumanMessage(prompts.BROKEN.format(problem=problem))],
    }
