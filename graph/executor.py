"""The executor: one subtask's loop between the model and the tools, as a graph of its own.

Its messages stay in it: sharing the parent's channel would leak the tool chatter into the conversation.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from memento.graph import prompts, render
from memento.graph.parts import Model
from memento.graph.state import Usage, add_usage, usage_of
from memento.graph.structured import Reply, ask, clean, malformed, text_of
from memento.memory import ToolCall

_SAME_CALL = 3
_TRIES = 2


class ExecutorState(TypedDict):
    """`result` is the subtask's, None while it is open; `problem` says why there is none."""

    messages: Annotated[list[AnyMessage], add_messages]
    calls: list[ToolCall]
    usage: Usage
    broken: int
    result: str | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class ExecutorContext:
    """How one subtask is carried out."""

    model: Model
    native: bool
    max_tool_calls: int
    max_model_calls: int


ExecutorGraph = CompiledStateGraph[Any, Any, Any, Any]


def compile_executor(tools: Sequence[BaseTool]) -> ExecutorGraph:
    """The loop over a fixed set of tools. It is only ever run with ainvoke."""
    by_name = {tool.name: tool for tool in tools}

    async def call_model(state: ExecutorState, runtime: Runtime[ExecutorContext]) -> dict[str, Any]:
        return await _call_model(state, runtime.context, tools, by_name)

    async def note_results(state: ExecutorState, runtime: Runtime[ExecutorContext]) -> dict[str, Any]:
        return _note_results(state, one_call=not runtime.context.native)

    builder = StateGraph(ExecutorState, context_schema=ExecutorContext)
    builder.add_node("call_model", call_model)
    builder.add_node("tools", ToolNode(tools, handle_tool_errors=_tool_error))
    builder.add_node("note_results", note_results)
    builder.add_edge(START, "call_model")
    builder.add_conditional_edges("call_model", _after_model, ["tools", "call_model", END])
    builder.add_edge("tools", "note_results")
    builder.add_conditional_edges("note_results", _after_tools, ["call_model", END])
    return builder.compile(checkpointer=False, name="executor")


def start(messages: list[AnyMessage], usage: Usage) -> ExecutorState:
    return ExecutorState(messages=messages, calls=[], usage=usage, broken=0, result=None, problem="")


def call_schema(tools: Sequence[BaseTool]) -> dict[str, Any]:
    """The JSON schema of one tool call, or of an answer without one."""
    answer = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    options = [_option(tool.name, _args_schema(tool)) for tool in tools] + [_option("answer", answer)]
    return {
        "title": "tool_call",
        "description": "The next tool call.",
        "type": "object",
        "properties": {"call": {"anyOf": options}},
        "required": ["call"],
        "additionalProperties": False,
    }


async def _call_model(
    state: ExecutorState, context: ExecutorContext, tools: Sequence[BaseTool], by_name: dict[str, BaseTool]
) -> dict[str, Any]:
    if state["usage"]["model_calls"] >= context.max_model_calls:
        return _stopped(f"reached {context.max_model_calls} model calls")
    if len(state["calls"]) >= context.max_tool_calls:
        return _stopped(f"reached {context.max_tool_calls} tool calls")
    if context.native:
        return await _native_call(state, context, tools)
    reply = await ask(context.model, _as_text(state["messages"]), call_schema(tools))
    return {**_json_call(state, reply, by_name), "usage": add_usage(state["usage"], reply.usage)}


async def _native_call(
    state: ExecutorState, context: ExecutorContext, tools: Sequence[BaseTool]
) -> dict[str, Any]:
    chat = context.model.chat.bind_tools(tools) if tools else context.model.chat
    try:
        message = await chat.ainvoke(state["messages"])
    except Exception as error:
        usage = add_usage(state["usage"], usage_of(None))
        return {**_broken(state, malformed(error)), "usage": usage}
    usage = add_usage(state["usage"], usage_of(message))
    if not isinstance(message, AIMessage):
        return {**_broken(state, "the reply was no message of a model"), "usage": usage}
    if message.tool_calls or message.invalid_tool_calls:
        left = context.max_tool_calls - len(state["calls"])
        return {"messages": _asked(message, left), "usage": usage}
    text = clean(text_of(message).strip())
    if message.additional_kwargs.get("refusal"):
        return {**_broken(state, "the model refused"), "usage": usage}
    if message.response_metadata.get("finish_reason") in {"length", "content_filter"}:
        return {**_broken(state, "the reply was cut off"), "usage": usage}
    if not text:
        return {**_broken(state, "the reply was empty"), "usage": usage}
    return {"messages": [message], "result": text, "usage": usage}


def _asked(message: AIMessage, left: int) -> list[AnyMessage]:
    """The model's message with no more tool calls than are left, and an answer to each it botched."""
    valid, invalid = message.tool_calls[:left], message.invalid_tool_calls[: max(left - len(message.tool_calls), 0)]
    for number, call in enumerate([*valid, *invalid]):
        call["id"] = call["id"] or f"call_{number}"
    asked = AIMessage(
        message.content,
        tool_calls=valid,
        invalid_tool_calls=invalid,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
    )
    botched = [
        ToolMessage(
            "The arguments were no valid JSON object: call the tool again.",
            tool_call_id=str(call["id"]),
            name=call["name"] or "unknown",
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
    args = call.get("args")
    if not isinstance(args, dict):
        return _broken(state, '"args" is no object')
    if call["tool"] == "answer" and "answer" not in by_name:
        text = clean(str(args.get("text") or "").strip())
        return {"result": text} if text else _broken(state, "the answer was empty")
    asked = AIMessage(
        render.call_json(call["tool"], args),
        tool_calls=[{"name": call["tool"], "args": args, "id": f"call_{len(state['calls'])}"}],
    )
    return {"messages": [asked]}


def _note_results(state: ExecutorState, *, one_call: bool) -> dict[str, Any]:
    """Take the new tool results down, and see whether the subtask is done or going in circles. With
    `one_call` the first call that works is the subtask's result."""
    asked_at = max(i for i, message in enumerate(state["messages"]) if isinstance(message, AIMessage))
    asked, answers = state["messages"][asked_at], state["messages"][asked_at + 1 :]
    assert isinstance(asked, AIMessage)  # noqa: S101 - asked_at was found by this
    arguments: dict[str, Any] = {str(call["id"]): call["args"] for call in asked.tool_calls}
    arguments |= {str(call["id"]): {"input": call["args"]} for call in asked.invalid_tool_calls}
    new = [
        _noted(message, arguments.get(message.tool_call_id, {}))
        for message in answers
        if isinstance(message, ToolMessage)
    ]
    get_stream_writer()({"event": "tool_calls", "calls": new})
    calls = [*state["calls"], *new]
    update: dict[str, Any] = {"calls": calls}
    repeated = Counter(json.dumps([c["name"], c["args"]], sort_keys=True, default=str) for c in calls)
    if one_call and new and not new[-1]["error"]:
        update["result"] = new[-1]["result"]
    elif max(repeated.values(), default=0) >= _SAME_CALL:
        update |= _stopped(f"made the same call {_SAME_CALL} times")
    return update


def _noted(message: ToolMessage, args: dict[str, Any]) -> ToolCall:
    text = clean(str(message.text))
    failed = message.status == "error"
    return ToolCall(
        name=str(message.name or "unknown"),
        args=args,
        result="" if failed else text,
        error=text if failed else None,
    )


def _after_model(state: ExecutorState) -> Literal["tools", "call_model", "__end__"]:
    if state["result"] is not None or state["problem"]:
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


def _as_text(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Tool calls and results as plain turns, for models that know no tools."""
    turns: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            turns.append(HumanMessage(render.tool_result_text(clean(str(message.text), limit=4000))))
        elif isinstance(message, AIMessage):
            turns.append(AIMessage(message.content))
        else:
            turns.append(message)
    return turns


def _tool_error(error: Exception) -> str:
    """What the model is told of a tool's error: its own words where it meant them for the model, and
    otherwise the kind only, since a message may hold paths or secrets."""
    if isinstance(error, ToolException):
        return f"Error: {error}"
    if type(error).__name__ in {"ValidationError", "ToolInvocationError"}:
        return f"Error: wrong arguments. {_first_lines(str(error))}"
    return f"Error: the tool failed ({type(error).__name__}). Try other arguments or another tool."


def _first_lines(text: str) -> str:
    return " ".join(text.split())[:400]


def _option(name: str, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"const": name}, "args": args},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def _args_schema(tool: BaseTool) -> dict[str, Any]:
    schema = tool.tool_call_schema
    if isinstance(schema, dict):
        full: dict[str, Any] = schema
    else:
        full = schema.model_json_schema()
    kept = ("type", "properties", "required", "$defs", "additionalProperties")
    return {"type": "object", **{key: full[key] for key in kept if key in full}}
