"""memento run: one task, shown live."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memento.commands.approve import answers, asks_here
from memento.commands.common import (
    HomeOption,
    JsonOption,
    NamespaceOption,
    console,
    print_json,
    printable,
    say_models,
    settings_for,
    short,
)
from memento.commands.why import in_words, slot_in_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langchain_core.runnables import RunnableConfig
    from rich.console import Console

    from memento.graph import Agent
    from memento.settings import Settings


def run(
    task: Annotated[str, typer.Argument(help="What is to be done.")],
    home: HomeOption = None,
    reference: Annotated[str | None, typer.Option(help="The right answer, to learn from.")] = None,
    namespace: NamespaceOption = None,
    no_learn: Annotated[
        bool, typer.Option("--no-learn", help="Teach nothing, add no case, do not explore.")
    ] = False,
    planner: Annotated[str | None, typer.Option(help="'provider:model' or 'local'.")] = None,
    executor: Annotated[str | None, typer.Option(help="'provider:model' or 'local'.")] = None,
    policy: Annotated[str | None, typer.Option(help="auto, none, similarity, kernel or neural.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="At most so many cases are shown.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Solve a task, and remember how it went. Before a call that MEMENTO_APPROVE names it asks.

    Example: memento run "What is 17% of 2340?" --reference 397.8
    """
    from memento.graph.nodes.retrieve_case import task_of

    task_of({"task": task})
    settings = settings_for(
        home,
        namespace=namespace,
        planner=planner,
        executor=executor,
        policy=policy,
        k=k,
        learn=False if no_learn else None,
    )
    out = _solve(settings, task, reference, None if as_json else console())
    if as_json:
        print_json(report(out))
    if out["status"] == "failed":
        raise typer.Exit(1)


def report(out: dict[str, Any]) -> dict[str, Any]:
    """A finished run as the command line's JSON."""
    return {
        "run_id": out["run_id"],
        "answer": out["answer"],
        "solved": solved(out),
        "reward": out["reward"],
        "evaluation": out["evaluation"],
        "retrieved": [dict(slot) for slot in out["retrieved"]],
        "why": dict(out["selection"]),
        "plan": out["plan"],
        "trajectory": out["trajectory"],
        "usage": dict(out["usage"]),
        "case_id": out["case_id"],
    }


def solved(out: dict[str, Any]) -> bool:
    """Whether there is an answer, and nothing says that it is wrong."""
    from memento.memory.case import outcome_of

    return out["status"] == "answered" and outcome_of(out["reward"]) != "failure"


def _solve(
    settings: "Settings", task: str, reference: str | None, screen: "Console | None"
) -> dict[str, Any]:
    from langgraph.checkpoint.memory import InMemorySaver

    from memento.api import build_graph, check_models, open_bank
    from memento.settings import default_models

    filled = default_models(settings)
    check_models(filled)
    with open_bank(filled) as bank:
        person = screen if asks_here(filled, screen) else None
        kept = InMemorySaver() if person else None
        graph = build_graph(settings=filled, bank=bank, checkpointer=kept)
        say_models(settings)
        given = {"task": task} if reference is None else {"task": task, "reference": reference}
        began = time.monotonic()
        out = _streamed(graph, given, screen, bank)
        while person is not None and out.get("__interrupt__"):
            out = _streamed(graph, answers(out["__interrupt__"], person), screen, bank)
        if screen is not None:
            _show_end(out, screen, time.monotonic() - began, settings)
    return out


def _streamed(graph: "Agent", given: Any, screen: "Console | None", bank: Any) -> dict[str, Any]:
    """Run the graph until it ends or waits for a person; what happens is shown meanwhile."""
    from memento.graph.background import run_sync

    # Under `graph.stream` the nodes wait in threads of a pool, which Ctrl-C does not reach.
    return run_sync(_shown_as_it_comes(graph, given, screen, bank))


async def _shown_as_it_comes(
    graph: "Agent", given: Any, screen: "Console | None", bank: Any
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    thread: RunnableConfig = {"configurable": {"thread_id": "run"}}
    # The tool calls are told by the executor's graph, inside the agent's.
    modes: list[Any] = ["custom", "values"]
    chunks: AsyncIterator[Any] = graph.astream(given, thread, stream_mode=modes, subgraphs=True)
    async for inside, kind, chunk in chunks:
        if kind == "values":
            out = out if inside else chunk
        elif screen is not None:
            _show(chunk, screen, bank)
    return out


def _show(event: dict[str, Any], screen: "Console", bank: Any) -> None:
    if event["event"] == "cases":
        shown = bank.get_many([slot["case_id"] for slot in event["cases"]])
        screen.print(f"[bold]cases[/] {in_words(event, len(event['cases']))}")
        for slot in event["cases"]:
            case = shown[slot["case_id"]]
            screen.print(f"  {case.id[:10]}  {printable(short(case.task, 60))}")
            screen.print(f"  {'':10}  [dim]{case.outcome}; {slot_in_words(slot)}[/]")
    elif event["event"] == "plan":
        for number, subtask in enumerate(event["plan"] or [], start=1):
            screen.print(f"[bold]plan[/]  {number}. {printable(subtask)}")
    elif event["event"] == "tool_calls":
        for call in event["calls"]:
            args = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
            result = (
                f"[red]{printable(short(call['error']))}[/]"
                if call["error"]
                else printable(short(call["result"]))
            )
            screen.print(f"[bold]tool[/]  {call['name']}({printable(short(args, 100))}) → {result}")


def _show_end(out: dict[str, Any], screen: "Console", seconds: float, settings: "Settings") -> None:
    screen.print(f"[bold]answer[/] {printable(out['answer'])}")
    reward = "unknown" if out["reward"] is None else f"{out['reward']:g}"
    why = printable(out["evaluation"].get("rationale") or "")
    usage = out["usage"]
    screen.print(f"[bold]reward[/] {reward} [dim]{why}[/]")
    screen.print(
        f"[dim]run {out['run_id']}: {usage['model_calls']} model calls, {usage['input_tokens']} tokens in, "
        f"{usage['output_tokens']} out, {seconds:.1f} s[/]"
    )
    if out["reward"] is None and settings.learn:
        where = f" --home {settings.home}" if settings.gives("home") else ""
        screen.print(f"[dim]tell it how that was: memento feedback {out['run_id']} 1{printable(where)}[/]")
