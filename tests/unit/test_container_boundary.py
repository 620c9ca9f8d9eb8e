"""Code in containers: what the engine is asked for, what is missing without one, and a real engine.

The last tests want both: DOCKER_HOST=... CODE_IMAGE=python:3.12-slim pytest THIS_FILE
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from memento import Settings
from memento.api import built_in_status
from memento.tools.code_session import CodeLimits, CodeSessions
from memento.tools.container_boundary import container, find_container
from memento.tools.run_folder import RunFolders
from tests.loopback import Answer, Site
from tests.sandbox_tools import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memento.tools.boundary import Boundary

docker = pytest.importorskip("docker", reason="pip install docker: for code in containers")
IMAGE = os.environ.get("CODE_IMAGE", "")
SECRET = "sk-not-for-the-container-0123456789"
API = "/v1.43"


def engine(**answers: tuple[int, Any]) -> Site:
    """A server on this machine that answers as Docker's does, as far as it is asked here."""
    usual: dict[str, tuple[int, Any]] = {
        "version": (200, {"ApiVersion": "1.43"}),
        "info": (200, {"SecurityOptions": ["name=seccomp"]}),
        "images/python:3/json": (200, {"Id": "sha256:1"}),
        "containers/create": (201, {"Id": "c1"}),
        "containers/c1/json": (200, {"Id": "c1"}),
    }
    paths = {
        name if name == "version" else f"{API[1:]}/{name}": a for name, a in {**usual, **answers}.items()
    }
    kind = "application/json"
    return Site(
        {f"/{path}": Answer(json.dumps(said), kind, status) for path, (status, said) in paths.items()}
    )


def use(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{site.server_port}")


def test_the_engine_is_asked_for_a_container_that_reaches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    folder = RunFolders(tmp_path / "runs").of("run")
    limits = CodeLimits(memory=300_000_000, processes=20)
    with engine() as site:
        use(site, monkeypatch)
        client = docker.from_env()
        client.containers.create(**container("python:3", folder, limits, rootless=False))
        client.close()
    asked = json.loads(site.posted[0])
    host = asked["HostConfig"]
    assert (asked["Image"], asked["Cmd"][0], asked["Cmd"][-1]) == ("python:3", "python3", "/worker.py")
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (300_000_000, 300_000_000, 20)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert "Privileged" not in host
    assert len(host["Binds"]) == 2
    assert f"{folder.path}:/workspace:rw" in host["Binds"]
    assert asked["User"] not in {"", "0:0"}
    assert all("size=64m" in options for options in host["Tmpfs"].values())
    assert SECRET not in site.posted[0].decode()


def test_in_a_rootless_engine_root_is_the_user(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").of("run")
    assert container("python:3", folder, CodeLimits(), rootless=True)["user"] == "0:0"


@pytest.mark.parametrize(
    ("answers", "needs"),
    [
        ({"images/python:3/json": (404, {"message": "no such image"})}, "docker pull python:3"),
        ({"info": (500, {"message": "broken"})}, "see to the container engine"),
    ],
)
def test_what_is_missing_is_told(
    answers: dict[str, tuple[int, Any]], needs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(**answers) as site:
        use(site, monkeypatch)
        boundary, told = find_container("python:3")
    assert boundary is None
    assert needs in told


def test_without_an_engine_the_list_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
    rows = {row.name: row for row in built_in_status(Settings(code_image="python:3", home=tmp_path))}
    assert not rows["run_python"].ready
    assert "start the container engine" in rows["run_python"].needs


@pytest.fixture(scope="module")
def boundary() -> Boundary:
    if not IMAGE:
        pytest.skip("no engine to try: CODE_IMAGE names an image that has Python")
    found, needs = find_container(IMAGE, CodeLimits(memory=400_000_000, processes=20))
    assert found is not None, needs
    return found


@pytest.fixture
def bench(boundary: Boundary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    limits = CodeLimits(seconds=5, cpu=20, memory=400_000_000, file=5_000_000, processes=20)
    made = Workbench(tmp_path / "runs", limits, quota=20_000_000, boundary=boundary)
    yield made
    made.close()
    client = docker.from_env()
    left = client.containers.list(all=True, filters={"label": "memento.folder"})
    client.close()
    assert left == []


def test_a_real_engine_runs_code_and_keeps_it_in(bench: Workbench) -> None:
    assert bench.code("x = 6") == "(it ran, and printed nothing)"
    assert bench.code("open('made.txt', 'w').write('hi')\nx * 7") == "42\nFiles: 'made.txt' (2 bytes)"
    assert bench.use("workspace_read", path="made.txt") == "hi"
    assert SECRET not in bench.code("import os; print(dict(os.environ), open('/proc/1/environ').read())")
    assert "unreachable" in bench.code("import socket; socket.create_connection(('1.1.1.1', 53), 2)")
    assert "Read-only file system" in bench.code("open('/x', 'w')")
    assert bench.code("import os; os.getuid() != 0") == "True"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import os\nwhile True: os.fork()",
        "import subprocess; subprocess.run('f() { f | f & }; f', shell=True)",
        "a = []\nwhile True: a.append(bytearray(10 ** 7))",
        "for n in range(10 ** 6):\n  with open(f'{n}', 'wb') as f: f.write(b'x' * 10 ** 6)",
    ],
)
def test_a_flood_in_a_real_engine_ends_and_the_next_call_works(code: str, bench: Workbench) -> None:
    bench.code(code)
    assert bench.code("1 + 1") == "2"


def test_what_is_left_running_in_a_real_engine_ends_with_the_call(bench: Workbench) -> None:
    bench.code(
        "import subprocess; subprocess.Popen(['sh', '-c', 'while :; do :; done'], start_new_session=True)"
    )
    states = "[open(f'/proc/{p}/stat').read().split()[2] for p in os.listdir('/proc') if p.isdigit()]"
    assert bench.code(f"import os\nsum(state != 'Z' for state in {states})") == "2"


def test_a_session_that_is_never_ended_leaves_no_container(boundary: Boundary, tmp_path: Path) -> None:
    with CodeSessions(boundary, RunFolders(tmp_path / "runs")) as sessions:
        assert sessions.of("run").run("1 + 1")["printed"] == "2\n"
    client = docker.from_env()
    assert client.containers.list(all=True, filters={"label": "memento.folder"}) == []
    client.close()
