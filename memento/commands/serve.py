"""memento serve: the agent over HTTP."""

import socket
import warnings
from typing import Annotated

import typer

from memento.commands.common import HomeOption, NamespaceOption, notice, say_models, settings_for
from memento.commands.stopping import heeded_interrupt
from memento.errors import MementoError
from memento.settings import default_models

_LAST_SECONDS = 5


def serve(
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    host: Annotated[
        str, typer.Option(help="Where to listen. It asks for no password: keep it on this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
) -> None:
    """Serve the agent with LangServe: invoke, stream and a playground at /memento.

    Example: memento serve --port 8765, then open http://127.0.0.1:8765/memento/playground/
    """
    import uvicorn

    from memento.api import check_models, open_bank
    from memento.server import build_app, is_loopback

    given = settings_for(home, namespace=namespace)
    settings = default_models(given)
    check_models(settings)
    with listening(host, port) as listener, open_bank(settings) as bank:
        say_models(given)
        # A web page may make a name of its own point at this machine: a local server knows its names.
        hosts = sorted({host, "127.0.0.1", "localhost"}) if is_loopback(host) and ":" not in host else None
        app = build_app(settings, bank, hosts=hosts)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/memento"
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_LAST_SECONDS)
        )
        # What LangServe's playground is made of; nothing that who runs the server could change.
        warnings.filterwarnings("ignore", "astream_log is deprecated")
        # uvicorn ends well on Ctrl-C and SIGTERM and then raises them again, which must not skip closing the
        # bank. A shell that starts the server in the background has Ctrl-C ignored: here it is heeded.
        with heeded_interrupt():
            notice(f"serving {bank.home.path} at {address}/playground/ (Ctrl-C ends it)")
            try:
                server.run(sockets=[listener])
            except KeyboardInterrupt:
                notice("stopped")


def listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = error.strerror or error
        raise MementoError(
            f"cannot listen at {host}, port {port} ({why}): give others with --host and --port"
        ) from None
