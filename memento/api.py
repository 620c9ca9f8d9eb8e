"""The front door: from settings to parts, and from parts to a graph."""

import os
import threading
from typing import TYPE_CHECKING

from memento.errors import UsageError
from memento.settings import Settings, default_models, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool
    from langgraph.types import Checkpointer

    from memento.graph import Agent, Context, Evaluator
    from memento.memory import CaseBank, Policy
    from memento.memory.embeddings import Encoder, Vectors
    from memento.toolbox import Toolbox
    from memento.tools import ToolConfig, ToolStatus
    from memento.tools.pages import Embed


def build_graph(
    settings: Settings | None = None,
    tools: "Sequence[BaseTool] | None" = None,
    evaluator: "Evaluator | None" = None,
    bank: "CaseBank | None" = None,
    checkpointer: "Checkpointer" = None,
) -> "Agent":
    """The agent as a compiled LangGraph graph. Nothing is opened before its first run.

    `tools` are the whole set; None is the built-in one. `evaluator(run)` gives a reward in [0, 1], an
    Evaluation or None for unknown. With `bank`, its home is the run's.

    Raises:
        UsageError: the settings cannot be meant, or name another home than the bank's.
    """
    from memento.evaluators import default_evaluator
    from memento.graph import Parts, compile_agent
    from memento.memory.redact import redactor, secret_values
    from memento.models import model_source

    chosen = default_models(load_settings() if settings is None else settings)
    context, objects = _defaults(chosen)
    if bank is not None:
        context = _of_bank(context, chosen, bank)
    model = model_source(objects)
    box = _toolbox(chosen, tools)
    parts = Parts(
        defaults=context,
        model=model,
        policy=_policies(chosen, bank),
        tools=box.tools,
        redact=redactor(secret_values(os.environ)),
        end_run=box.end_run,
        evaluate=default_evaluator(evaluator, model),
    )
    return compile_agent(parts, checkpointer)


def as_tool(
    graph: "Agent",
    name: str = "memento",
    description: str = "Solve a task with an agent that remembers what worked before. Give the whole task.",
) -> "BaseTool":
    """The agent as a LangChain tool with one argument, `task`, that returns the answer."""
    from langchain_core.tools import StructuredTool

    from memento.graph import Context

    # Each call is a run of its own, in no thread: neither the graph's nor that of the agent that calls it.
    nobody = Context(ask=False)
    alone: Agent = graph.copy({"checkpointer": False})

    def run(task: str) -> str:
        return str(alone.invoke({"task": task}, context=nobody)["answer"])

    async def arun(task: str) -> str:
        return str((await alone.ainvoke({"task": task}, context=nobody))["answer"])

    return StructuredTool.from_function(run, arun, name=name, description=description)


def open_bank(settings: Settings, *, by: str = "python", kind: "type[CaseBank] | None" = None) -> "CaseBank":
    """The case bank of the settings' home; `by` is who the audit says it was that corrected it."""
    from memento.memory import CaseBank

    return (kind or CaseBank)(
        settings.home,
        settings.embedding,
        settings.namespace,
        chroma_url=settings.chroma_url,
        shared=settings.shared_namespace,
        by=by,
    )


def open_alone(settings: Settings, *, by: str = "command line") -> "CaseBank":
    """The same with no shared namespace under it: who corrects cases, or brings some in, says where."""
    return open_bank(settings.model_copy(update={"shared_namespace": None}), by=by)


def open_to_correct(settings: Settings, *, by: str = "command line") -> "CaseBank":
    """The case bank of a home that is there, for what embeds nothing: it needs no encoder.

    Raises:
        UsageError: it is not there.
    """
    from memento.memory import Home, Ledger
    from memento.memory.embeddings import KnownByName

    with Home.open(settings.home, create=False) as home:
        with Ledger(home) as ledger:
            name = ledger.fact("embedding")
        if name is not None:
            settings = settings.model_copy(update={"embedding": KnownByName(name)})
        return open_alone(settings, by=by)


def check_models(settings: Settings) -> None:
    """Make sure that the settings' models can be made, before anything is written.

    Raises:
        UsageError: one cannot; the message says what to do.
    """
    from memento.local_model import weights
    from memento.models import load_chat_model, model_name

    for setting in {settings.planner, settings.executor, settings.judge} - {None}:
        name = model_name(setting)
        if name == "local":
            weights()
        elif isinstance(setting, str):
            load_chat_model(name)


def built_in_status(settings: Settings) -> "list[ToolStatus]":
    """The tools with their state, the absent ones too."""
    from memento.toolbox import server_status
    from memento.tools import tool_status

    found = tool_status(_tool_config(settings))
    return [*found, *server_status(settings, [row.name for row in found])]


def ready_tools(settings: Settings) -> "list[BaseTool]":
    """The tools that can be used here."""
    from memento.graph.background import run_sync
    from memento.toolbox import Toolbox, mcp_servers
    from memento.tools import builtin_tools

    config = _tool_config(settings)
    return list(run_sync(Toolbox(builtin_tools(config), config, mcp_servers(settings)).tools()))


def _toolbox(settings: Settings, tools: "Sequence[BaseTool] | None") -> "Toolbox":
    """The tools given, or else the built-in ones: a small model has no room for many."""
    from memento.toolbox import Toolbox, mcp_servers
    from memento.tools import basic_tools, builtin_tools

    if tools is not None:
        return Toolbox(tools)
    config = _tool_config(settings)
    fixed = basic_tools(config) if settings.executor == "local" else builtin_tools(config)
    return Toolbox(fixed, config, mcp_servers(settings))


def _tool_config(settings: Settings) -> "ToolConfig":
    from pydantic import SecretStr

    from memento.senses import hearing, seeing
    from memento.toolbox import code_sessions, run_folders
    from memento.tools import ToolConfig

    folders = run_folders(settings)
    code, code_needs = code_sessions(settings, folders)
    key = os.environ.get("TAVILY_API_KEY")
    return ToolConfig(
        files=settings.files,
        tavily_api_key=SecretStr(key) if key else None,
        search=settings.search,
        searxng_url=settings.searxng_url,
        embed=_embed(settings),
        see=seeing(settings),
        transcribe=hearing(settings),
        folders=folders,
        code=code,
        code_needs=code_needs,
    )


def _embed(settings: Settings) -> "Embed":
    """The settings' encoder, for tools; loaded when a text needs it."""
    made: list[Encoder] = []
    lock = threading.Lock()

    def embed(texts: "Sequence[str]") -> "Vectors":
        from memento.memory.embeddings import load_encoder

        with lock:
            if not made:
                made.append(load_encoder(settings.embedding))
        return made[0].embed(texts)

    return embed


def _defaults(settings: Settings) -> "tuple[Context, dict[str, BaseChatModel]]":
    """What a run has where its context says nothing, and the chat models that are objects, by name."""
    from memento.graph import Context
    from memento.models import model_name

    objects: dict[str, BaseChatModel] = {}
    names: dict[str, str | None] = {}
    for role in ("planner", "executor", "judge"):
        value = getattr(settings, role)
        names[role] = None if value is None else model_name(value)
        if value is not None and not isinstance(value, str):
            objects[str(names[role])] = value
    context = Context(
        **names,
        policy=settings.policy,
        k=settings.k,
        namespace=settings.namespace,
        learn=settings.learn,
        grow=settings.grow,
        tool_calls=settings.tool_calls,
        max_cycles=settings.max_cycles,
        max_subtasks=settings.max_subtasks,
        max_tool_calls=settings.max_tool_calls,
        max_model_calls=settings.max_model_calls,
        timeout=settings.timeout,
        max_tools=settings.max_tools,
        allow_tools=settings.allow_tools,
        approve=settings.approve,
        ask=settings.ask,
        tool_budgets={name: dict(limits.items()) for name, limits in settings.tool_budgets.items()},
    )
    return context, objects


def _of_bank(context: "Context", settings: Settings, bank: "CaseBank") -> "Context":
    from dataclasses import replace

    if settings.gives("home") and settings.home.expanduser().resolve() != bank.home.path:
        raise UsageError(f"the settings' home {settings.home} is not the bank's, {bank.home.path}")
    return context if settings.gives("namespace") else replace(context, namespace=bank.namespace)


def _policies(settings: Settings, bank: "CaseBank | None") -> "Callable[[str], Policy]":
    """The policies over one bank, which the first of them opens."""
    opened: list[CaseBank] = [] if bank is None else [bank]
    made: dict[str, Policy] = {}
    lock = threading.Lock()

    def policy(name: str) -> "Policy":
        from memento.memory import build_policy

        with lock:
            if not opened:
                opened.append(open_bank(settings))
            if name not in made:
                made[name] = build_policy(name, bank=opened[0], k=settings.k)
            return made[name]

    return policy
