"""A web server on this machine, for tools that fetch: pages by path, and what was asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """`body` may be a function that writes to the connection as it likes, after the head."""

    body: bytes | str | Callable[[BaseHTTPRequestHandler], None] = b""
    kind: str = HTML
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Site(ThreadingHTTPServer):
    """Answers with what `pages` holds for a path, else with 404. `asked` are the paths and their headers,
    `posted` the bodies that were sent.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, pages: Mapping[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = dict(pages)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.posted: list[bytes] = []
        self.done = threading.Event()  # set when the test is over, for bodies that have no end
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what many of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        answer = self.server.pages.get(self.path, Answer("not there", status=404))
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.kind, **answer.headers}.items():
            self.send_header(name, value)
        if callable(answer.body):
            self.end_headers()
            answer.body(self)
            return
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.posted.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
