"""Addresses that lead to this machine or its neighbours, in every spelling: none is reached."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import BaseTool, ToolException

from memento.tools import ToolConfig
from memento.tools.addresses import is_public, literal
from memento.tools.web import Web
from memento.tools.web_page import web_page_tools
from tests.loopback import Answer, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memento.tools.addresses import Address

SECRET = "the neighbours' secret"


@pytest.fixture
def secret() -> Iterator[Site]:
    """What must not be reached: a service of this machine on a port of its own."""
    with Site({"/": Answer(f"<p>{SECRET}</p>"), "/robots.txt": Answer(SECRET)}) as server:
        yield server


def fetcher(may_reach: Callable[[Address], bool] = is_public) -> BaseTool:
    return web_page_tools(ToolConfig(web=Web(may_reach=may_reach, pause=0)))[0].tool


def refused(tool: BaseTool, url: str) -> str:
    with pytest.raises(ToolException) as error:
        tool.invoke({"url": url})
    message = str(error.value)
    assert message.startswith("fetch_page: ")
    assert "\n" not in message
    assert SECRET not in message
    return message


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",  # noqa: S104
        "127.0.0.1.",
        "127。0。0。1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[fc00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "198.18.0.1",
        "192.0.2.1",
    ],
)
def test_no_spelling_of_an_address_within_gets_there(secret: Site, host: str) -> None:
    refused(fetcher(), f"http://{host}:{secret.server_port}/")
    assert secret.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org@127.0.0.1:{port}/",
        "http://example.org:80@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@example.org/",
        "http://example.org\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port} .example.org/",
        "http://user:word@127.0.0.1:{port}/",
        "http:127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http:///127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\r\nHost: example.org/",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "gopher://127.0.0.1:{port}/_GET",
        "ftp://127.0.0.1/",
        "data:text/html,<p>x</p>",
        "jar:http://127.0.0.1:{port}!/",
        "javascript:alert(1)",
        "unix:/var/run/docker.sock",
        "http://127.0.0.1:22/",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://",
        "not an address",
        "",
        "x" * 5_000,
    ],
)
def test_what_is_no_address_of_a_web_page_is_not_asked(secret: Site, url: str) -> None:
    refused(fetcher(), url.format(port=secret.server_port))
    assert secret.asked == []


HERE = ip_address("127.0.0.1")


def only_here(address: Address) -> bool:
    return address == HERE


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/",
        "http://2130706434:{port}/",
        "//127.0.0.2:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "http://user@127.0.0.1:{port}/",
    ],
)
def test_a_redirect_is_looked_at_like_any_address(secret: Site, target: str) -> None:
    away = target.format(port=secret.server_port)
    with Site({"/": Answer(status=302, headers={"Location": away})}) as site:
        refused(fetcher(only_here), f"{site.url}/")
        assert site.paths == ["/robots.txt", "/"]
    assert secret.asked == []


def test_the_robots_of_a_site_are_no_way_in(secret: Site) -> None:
    away = Answer(status=302, headers={"Location": f"http://127.0.0.2:{secret.server_port}/"})
    with Site({"/robots.txt": away, "/": Answer("<p>x</p>")}) as site:
        refused(fetcher(only_here), f"{site.url}/")
    assert secret.asked == []


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A name server whose answers change; the last one stays. What it was asked."""
    asked: list[str] = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (family[ip_address(text).version], socket.SOCK_STREAM, 6, "", (text, port)) for text in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_that_changes_its_address_after_the_check(
    secret: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to what was checked: each connection looks the name up once, and not again."""
    asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"])
    with Site({"/": Answer(f"<p>{'the page of the site itself. ' * 20}</p>")}) as site:
        tool = fetcher(only_here)
        url = f"http://changing.example:{site.server_port}"
        assert "the page of the site itself" in tool.invoke({"url": f"{url}/"})
        assert asked == ["changing.example"] * 2  # for the robots and for the page
        assert site.asked[-1][1]["host"] == f"changing.example:{site.server_port}"
        refused(tool, f"{url}/again")
    assert secret.asked == []


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["::1"], ["169.254.169.254", "::ffff:127.0.0.1"], []])
def test_a_name_with_addresses_within_only(answer: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, answer)
    assert "not on the public Internet" in refused(fetcher(), "http://inside.example/")


def test_of_several_addresses_only_a_public_one_is_taken(
    secret: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    with Site({"/": Answer(f"<p>{'the page of the site itself. ' * 20}</p>")}) as site:
        fetcher(only_here).invoke({"url": f"http://both.example:{site.server_port}/"})
        assert site.paths == ["/robots.txt", "/"]
    assert secret.asked == []


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "there is no such host" in refused(fetcher(), "https://nowhere.example/")


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_address_is_as_public_as_the_one_that_it_carries(address: IPv4Address) -> None:
    """IPv4 within IPv6 is judged by the IPv4, and every spelling of an address is that address."""
    number = int(address)
    for carried in (f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"):
        assert is_public(ip_address(carried)) == is_public(address)
    for spelling in (str(number), hex(number), f"0{number:o}"):
        assert literal(spelling) == address
    if is_public(address):
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_link_local))


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


def test_over_tls_the_name_is_checked_though_the_address_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked for by name, and its certificate is held against that name."""
    certificate, key = certificate_for("good.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    resolving(monkeypatch, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked_for: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with Site({"/": Answer(f"<p>{'the page of the site itself. ' * 20}</p>")}) as site:
        site.socket = context.wrap_socket(site.socket, server_side=True)
        url = f"https://good.example:{site.server_port}/"
        assert "the page of the site itself" in fetcher(only_here).invoke({"url": url})
        assert set(asked_for) == {"good.example"}
        other = url.replace("good", "evil")
        assert "certificate is not valid" in refused(fetcher(only_here), other)


def certificate_for(name: str, folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "certificate.pem", folder / "key.pem"


def test_nothing_is_left_running(secret: Site) -> None:
    """Each refusal ends what it had begun."""
    before = threading.active_count()
    for _ in range(5):
        refused(fetcher(), f"http://127.0.0.1:{secret.server_port}/")
    assert threading.active_count() <= before + 1
