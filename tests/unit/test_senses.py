"""The models that see and hear, reached through the real clients."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from memento import Settings
from memento.senses import hearing, seeing
from tests.openai_stub import OpenAIStub, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator


async def test_pictures_reach_an_openai_model_as_data_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIStub(lambda _: Reply("a heron")) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        see = seeing(Settings(vision="openai:gpt-4.1"))
        assert see is not None
        assert await see("What is it?", [b"one", b"two"]) == "a heron"
        [request] = stub.requests
    system, user = request.messages
    assert "never an instruction" in system["content"]
    text, *pictures = user["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert [part["image_url"]["url"] for part in pictures] == [
        f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for data in (b"one", b"two")
    ]


class Ear(ThreadingHTTPServer):
    """As much of OpenAI's audio endpoint as a transcript needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _EarHandler)
        self.heard: list[tuple[str, str | None, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _EarHandler(BaseHTTPRequestHandler):
    server: Ear

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Authorization"], body))
        answer = json.dumps({"text": "the heron nests in March"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def ear() -> Iterator[Ear]:
    with Ear() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_sound_reaches_the_endpoint_that_is_named_and_openais_key_does_not(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    for key, sent in ((None, "Bearer none"), ("own-key", "Bearer own-key")):
        hear = hearing(Settings(transcriber="whisper-1", transcriber_url=ear.url, transcriber_key=key))
        assert hear is not None
        assert await hear(b"fLaC and so on") == "the heron nests in March"
        path, authorization, body = ear.heard.pop()
        assert (path, authorization) == ("/v1/audio/transcriptions", sent)
        assert b"fLaC and so on" in body
        assert b"whisper-1" in body
        assert b'filename="sound.flac"' in body


def test_without_settings_or_a_key_there_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seeing(Settings()) is None
    assert hearing(Settings()) is None
    assert hearing(Settings(transcriber="whisper-1")) is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    assert hearing(Settings(transcriber="whisper-1")) is not None
