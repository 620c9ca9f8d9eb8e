"""memento mcp: this memory, and the agent, as tools of other agents."""

from importlib.util import find_spec
from typing import Annotated

import typer

from memento.commands.common import HomeOption, NamespaceOption, notice, say_models, settings_for
from memento.commands.serve import listening
from memento.errors import UsageError
from memento.settings import default_models


def mcp(
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    http: Annotated[
        bool, typer.Option("--http", help="Over streamable HTTP, at /mcp, rather than stdin and stdout.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Where to listen. It asks for no password: keep it on this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8766,
) -> None:
    """Serve search_cases, why, feedback and solve as MCP tools.

    Example: memento mcp --http

    In another agent's mcpServers: {"memento": {"command": "memento", "args": ["mcp"]}}
    """
    if find_spec("mcp") is None:
        raise UsageError("this needs another package: run `pip install mcp`")
    from memento.api import build_graph, check_models, open_bank
    from memento.mcp_service import build_service

    given = settings_for(home, namespace=namespace)
    settings = default_models(given)
    check_models(settings)
    if http:
        listening(host, port).close()
    with open_bank(settings) as bank:
        say_models(given)
        service = build_service(settings, bank, build_graph(settings=settings, bank=bank), host, port)
        if http:
            notice(f"serving {bank.home.path} at http://{host}:{port}/mcp (Ctrl-C ends it)")
        service.run("streamable-http" if http else "stdio")
