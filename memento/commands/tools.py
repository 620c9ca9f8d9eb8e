"""memento tools: what the executor may use."""

import json
from typing import Annotated

import typer

from memento.commands.common import HomeOption, JsonOption, console, print_json, printable, settings_for
from memento.errors import MementoError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the built-in tools, and call them. With MEMENTO_APPROVE=writes,spends a run asks a person "
    "before a tool changes something outside its workspace, or costs money.",
)


@app.command("list")
def list_tools(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The tools, and what the absent ones need. Example: memento tools list --json"""
    from memento.api import built_in_status

    rows = built_in_status(settings_for(home))
    if as_json:
        print_json(
            {"tools": [{"name": r.name, "ready": r.ready, "needs": r.needs, "args": r.args} for r in rows]}
        )
        return
    for row in rows:
        state = "ready" if row.ready else f"absent: {row.needs}"
        console().print(
            f"[bold]{row.name}[/]({', '.join(row.args.get('properties', {}))})  {printable(state)}"
        )


@app.command("call")
def call(
    name: Annotated[str, typer.Argument(help="The tool.")],
    args: Annotated[str, typer.Argument(help="Its arguments, as a JSON object.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call one tool. Example: memento tools call calculate '{"expression": "17% of 2340"}'"""
    from langchain_core.tools import ToolException

    from memento.api import ready_tools

    tools = {tool.name: tool for tool in ready_tools(settings_for(home))}
    if name not in tools:
        raise UsageError(f"there is no tool {name!r} ready: the tools are {', '.join(tools)}")
    try:
        given = json.loads(args)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise UsageError('the arguments are a JSON object, such as \'{"expression": "2+2"}\'')
    try:
        result = str(tools[name].invoke(given))
    except ToolException as error:
        if as_json:
            print_json({"name": name, "error": str(error)})
            raise typer.Exit(1) from None
        raise MementoError(str(error)) from None
    if as_json:
        print_json({"name": name, "result": result})
    else:
        print(result)
