"""memento runs and memento feedback: they need no lock, so they work while a server is running."""

from typing import Annotated

import typer

from memento.commands.common import (
    HomeOption,
    JsonOption,
    NamespaceOption,
    console,
    print_json,
    printable,
    reading,
    settings_for,
    short,
)

app = typer.Typer(no_args_is_help=True, help="Look at past runs.")


@app.command("list")
def list_runs(
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """The newest runs. Example: memento runs list --limit 5"""
    space = None if namespace is None else settings_for(home, namespace=namespace).namespace
    with reading(home) as ledger:
        rows = ledger.runs(space, limit)
    if as_json:
        kept = (
            "run_id",
            "namespace",
            "number",
            "task",
            "answer",
            "status",
            "reward",
            "arm",
            "started_at",
            "seconds",
        )
        print_json({"runs": [{key: row[key] for key in kept} for row in rows]})
        return
    from rich.table import Column, Table

    table = Table(
        Column("run", no_wrap=True), Column("when", no_wrap=True), "task", "answer", "reward", box=None
    )
    for row in rows:
        reward = "?" if row["reward"] is None else f"{row['reward']:g}"
        when = row["started_at"][:16].replace("T", " ")
        table.add_row(
            row["run_id"],
            when,
            printable(short(row["task"], 50)),
            printable(short(row["answer"], 30)),
            reward,
        )
    console().print(table)


@app.command("show")
def show(run_id: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """One run, with what was shown in it and every reward. Example: memento runs show RUN_ID"""
    from memento.memory.ledger import no_such_run

    with reading(home) as ledger:
        row = ledger.run(run_id)
    if row is None:
        raise no_such_run(run_id)
    if as_json:
        print_json(row)
        return
    screen = console()
    for key in (
        "run_id",
        "namespace",
        "task",
        "plan",
        "answer",
        "status",
        "reward",
        "arm",
        "usage",
        "seconds",
    ):
        screen.print(f"[bold]{key}[/] {printable(row[key])}")
    for slot in row["retrieved"]:
        why = f"similar {slot['similarity']:.2f} Q {slot['q']:.2f} used {slot['used']}"
        screen.print(f"[bold]shown[/] {slot['case_id']} {why}")
    for said in row["rewards"]:
        where = f"{said['reward']:g} from {said['source']}, weight {said['weight']:g}"
        screen.print(f"[bold]reward[/] {printable(where)} {printable(said['comment'])}")


def feedback(
    run_id: Annotated[str, typer.Argument(help="The run, as `memento runs list` names it.")],
    reward: Annotated[float, typer.Argument(help="From 0 (wrong) to 1 (right).")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a run how it was, at once or days later.

    Example: memento feedback RUN_ID 1 --comment "exactly right"
    """
    with reading(home) as ledger:
        ledger.feedback(run_id, reward, comment=comment)
    if as_json:
        print_json({"run_id": run_id, "reward": reward})
    else:
        print(f"run {run_id} now counts as {reward:g}")
