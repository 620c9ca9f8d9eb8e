"""What stands before the server: how large and of which kind a request may be."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1_000_000


class Guard:
    """Turns away bodies that are too large, and posts that no web page of another site may send unasked:
    a browser asks the server first before it sends JSON across sites.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != b"application/json":
            await refuse(415, "a request is JSON: content-type application/json")(scope, receive, send)
            return
        body = await _body(receive, headers)
        if body is None:
            await refuse(413, f"a request has at most {MAX_BODY:,} bytes")(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


async def _body(receive: Receive, headers: dict[bytes, bytes]) -> bytes | None:
    """The request's body, None where it is too large."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > MAX_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


def refuse(status: int, why: str) -> JSONResponse:
    return JSONResponse({"detail": why}, status, headers={"connection": "close"} if status == 413 else None)  # noqa: PLR2004
