"""The sandbox as a user who is not root starts it: in a user namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
NOBODY = 65534
SECRET = "sk-not-for-the-sandbox-0123456789"
SCRIPT = """
import json, sys
from pathlib import Path
from memento.tools.boundary import find_boundary
from memento.tools.code_session import CodeLimits, CodeSessions, StoppedError
from memento.tools.run_folder import RunFolders

boundary, needs = find_boundary()
if boundary is None:
    print(json.dumps({"needs": needs}))
    raise SystemExit
limits = CodeLimits(seconds=4, cpu=20, memory=400_000_000, file=5_000_000, processes=20)
said = {}
with CodeSessions(boundary, RunFolders(Path(sys.argv[1]) / "runs"), limits) as sessions:
    for name, code in json.loads(sys.argv[2]).items():
        try:
            reply = sessions.of("run").run(code)
            said[name] = f"{reply['printed']}{reply.get('kind', '')} {reply.get('message', '')}".strip()
        except StoppedError as error:
            said[name] = f"stopped: {error}"
print(json.dumps(said))
"""
CODE = {
    "sum": "x = 6\nprint(x * 7)",
    "own file": "open('made.txt', 'w').write('hi'); print(open('made.txt').read())",
    "who": "import os; print(os.getuid(), sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))",
    "environment": "import os; print(dict(os.environ), open('/proc/1/environ').read())",
    "passwords": "print(open('/etc/shadow').read())",
    "host's files": "import os; print(os.listdir('/root'))",
    "network": "import socket; socket.create_connection(('1.1.1.1', 53), 2)",
    "root": "import os; os.setuid(0)",
    "another namespace": "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))",
    "the system": "open('/usr/bin/x', 'w')",
    "fork bomb": "import os\nwhile True: os.fork()",
    "after the bomb": "print(1 + 1)",
    "shells": "import subprocess; subprocess.run('f() { f | f & }; f', shell=True, stderr=-3)",
    "after the shells": "print(2 + 2)",
    "memory": "b = bytearray(10 ** 10)",
    "endless": "while True: pass",
    "at the end": "print(3 + 3)",
}


def interpreter() -> str:
    """A Python of this version that anybody may run."""
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for program in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([program, "-c", ""], check=True, capture_output=True, **as_nobody)
        except (OSError, subprocess.CalledProcessError):
            continue
        return program
    pytest.skip(f"there is no {version} that another user than root may run")


@pytest.fixture(scope="module")
def said() -> Iterator[dict[str, str]]:
    """What each code came to, asked by nobody."""
    if shutil.which("bwrap") is None:
        pytest.skip("no sandbox here: apt-get install bubblewrap gives one")
    if os.geteuid() != 0:
        pytest.skip("this is no root: all other tests of the sandbox are run by a user without its rights")
    program = interpreter()
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are for root alone
        os.chown(folder, NOBODY, NOBODY)
        yield asked(program, folder)


def asked(program: str, folder: str) -> dict[str, str]:
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{packages}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": folder,
        "OPENAI_API_KEY": SECRET,
    }
    done = subprocess.run(
        [program, "-c", SCRIPT, folder, json.dumps(CODE)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    if "Permission denied" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip("another user than root may not read this checkout, or its packages")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    if "needs" in found:
        pytest.skip(f"no sandbox for users without root's rights here: {found['needs']}")
    return found


def test_it_runs_code_and_keeps_files(said: dict[str, str]) -> None:
    assert (said["sum"], said["own file"]) == ("42", "hi")
    assert said["who"] == "65534 [1, 2]"


@pytest.mark.parametrize(
    ("what", "comes"),
    [
        ("passwords", "FileNotFoundError"),
        ("host's files", "FileNotFoundError"),
        ("network", "OSError"),
        ("root", "Error"),
        ("another namespace", "-1"),
        ("the system", "Read-only file system"),
        ("memory", "MemoryError"),
        ("endless", "stopped: stopped after 4 seconds"),
    ],
)
def test_it_stays_in(what: str, comes: str, said: dict[str, str]) -> None:
    assert comes in said[what]


def test_it_knows_no_secret(said: dict[str, str]) -> None:
    assert "PATH" in said["environment"]
    assert SECRET not in str(said)


def test_what_it_floods_does_not_last(said: dict[str, str]) -> None:
    assert (said["after the bomb"], said["after the shells"], said["at the end"]) == ("2", "4", "6")
