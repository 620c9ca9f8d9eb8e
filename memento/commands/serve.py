"""memento serve: the agent over HTTP."""

from typing import Annotated

import typer

from memento.commands.common import HomeOption, NamespaceOption, notice, say_models, settings_for


def serve(
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    host: Annotated[str, typer.Option(help="Where to listen. It asks for no password: keep it on this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8765,
) -> None:
    """Serve the agent with LangServe: invoke, stream and a playground at /memento.

    Example: memento serve --port 8765, then open http://127.0.0.1:8765/memento/playground/
    """
    import uvicorn

    from memento.api import check_models, open_bank
    from memento.server import build_app

    settings = say_models(settings_for(home, namespace=namespace))
    check_models(settings)
    with open_bank(settings) as bank:
        notice(f"serving {bank.home.path} at http://{host}:{port}/memento (Ctrl-C ends it)")
        uvicorn.run(build_app(settings, bank), host=host, port=port, log_level="warning")
