"""What every test runs in: a home of its own, no keys, and no network beyond this machine."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import numpy as np
import pytest

from memento.memory import CaseBank
from memento.memory.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_OURS = ("MEMENTO_", "OPENAI_", "TAVILY_", "LANGSMITH_", "LANGCHAIN_")
_DIMENSIONS = 64
_SHARED = "shared"


class WordEncoder:
    """A bag of hashed words: deterministic, no weights, and texts that share words are similar."""

    name = "test-words"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.full((len(texts), _DIMENSIONS), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.casefold()):
                row[hashlib.sha256(word.encode()).digest()[0] % _DIMENSIONS] += 1.0
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heeded() -> None:
    """Also where the tests run in a shell's background: what is started there would not heed Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's folders are out of reach, in this process and in those that it starts."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith(_OURS)]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("LANGSMITH_TRACING", "false")
        patch.setenv("ANONYMIZED_TELEMETRY", "False")
        # Every HTTP client reads the certificates that it trusts: with all of them that takes 20 ms.
        first, end, _others = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
        (folder / "certificate.pem").write_text(f"{first}{end}")
        patch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """A connection that leaves this machine is an error."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(host: Any) -> None:
        if not _is_loopback(host):
            raise AssertionError(f"a test tried to reach {host!r}")

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            checked(address[0])
        return connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        if self.family != socket.AF_UNIX:
            checked(address[0])
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        checked(host)
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


def _is_loopback(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback or ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The default home is the test's own, keys of an earlier test are gone, and every home ends closed."""
    for name in [name for name in os.environ if name.upper().startswith(_OURS) and "TRACING" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    yield
    for path, opened in list(Home._open_homes.items()):
        while opened._users and not path.parent.name.startswith(_SHARED):
            opened.close()


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a test's memory lives; nothing is there yet."""
    return tmp_path / "home"


@pytest.fixture
def bank(home: Path, encoder: WordEncoder) -> Iterator[CaseBank]:
    with CaseBank(home, embedding=encoder) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home that stays open, since making one takes longer than most runs; but not for all modules, since
    Chroma holds four open files for each namespace.
    """
    with Home.open(tmp_path_factory.mktemp(_SHARED) / "home") as opened:
        yield opened


@pytest.fixture
def quick_bank(shared_home: Home, request: pytest.FixtureRequest, encoder: WordEncoder) -> Iterator[CaseBank]:
    """A namespace of the test's own in a home that the tests share."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    with CaseBank(shared_home, embedding=encoder, namespace=name) as opened:
        yield opened
