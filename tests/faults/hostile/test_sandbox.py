"""Hostile Python: what it tries, and that it stays where it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.tools.code_session import CodeLimits
from tests.sandbox_tools import Workbench, needs_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_sandbox
SECRET = "sk-not-for-the-sandbox-0123456789"
LIMITS = CodeLimits(seconds=4, cpu=20, memory=400_000_000, file=5_000_000, processes=20)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    (tmp_path / "secret.txt").write_text(SECRET)
    made = Workbench(tmp_path / "runs", LIMITS, quota=20_000_000)
    yield made
    made.close()


READS = {
    "the passwords": "print(open('/etc/shadow').read())",
    "the users": "print(open('/etc/passwd').read())",
    "the environment": "import os; print(dict(os.environ))",
    "the parent's environment": "print(open('/proc/1/environ').read())",
    "the environment by the shell": "import os; print(os.popen('env').read())",
    "its own early environment": "print(open('/proc/self/environ').read())",
    "the host's files": "import os\n"
    "for at, _, names in os.walk('/'):\n"
    "  if not at.startswith(('/proc', '/usr', '/packages')): print(at, names)",
    "root's files": "import os; print(os.listdir('/root'))",
    "homes": "import os; print(os.listdir('/home'))",
    "the host's temporary files": "import os; assert os.listdir('/tmp') == []",
    "the memory of init": "open('/proc/1/mem', 'rb').read(10)",
    "its file descriptors": "import os\nfor fd in range(3, 256):\n"
    "  try: print(os.readlink(f'/proc/self/fd/{fd}'))\n"
    "  except OSError: pass",
    "the kernel's messages": "print(open('/dev/kmsg').read(100))",
    "the disk": "print(open('/dev/vda', 'rb').read(100))",
}


@pytest.mark.parametrize("code", READS.values(), ids=READS)
def test_it_cannot_read(code: str, bench: Workbench, tmp_path: Path) -> None:
    said = bench.code(code)
    assert SECRET not in said
    assert "root:" not in said
    assert str(tmp_path) not in said
    assert bench.code("1 + 1") == "2"


def test_it_sees_no_process_but_its_own(bench: Workbench) -> None:
    said = bench.code("import os; sorted(int(p) for p in os.listdir('/proc') if p.isdigit())")
    assert said == "[1, 2]"


NETWORK = {
    "an address": "import socket; socket.create_connection(('1.1.1.1', 53), 2)",
    "the host's loopback": "import socket; socket.create_connection(('127.0.0.1', {port}), 2)",
    "IPv6": "import socket; socket.create_connection(('::1', {port}), 2)",
    "a name": "import socket; socket.getaddrinfo('example.com', 80)",
    "the web": "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}', timeout=2)",
    "raw packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "the cloud's metadata": "import socket; socket.create_connection(('169.254.169.254', 80), 2)",
}


@pytest.mark.parametrize("code", NETWORK.values(), ids=NETWORK)
def test_it_reaches_no_network(code: str, bench: Workbench) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        said = bench.code(code.replace("{port}", str(listener.getsockname()[1])))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert said.startswith("Error: run_python: ")


FLOODS = {
    "memory": "b = bytearray(10 ** 10)",
    "memory in steps": "a = []\nwhile True: a.append(bytearray(10 ** 7))",
    "memory of many processes": "import os, time\nfor _ in range(12):\n  if os.fork() == 0:\n"
    "    b = bytearray(os.urandom(1)) * 10 ** 8\n    time.sleep(60)\ntime.sleep(60)",
    "a fork bomb": "import os\nwhile True: os.fork()",
    "a fork bomb that ignores errors": "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
    "a fork bomb of the shell": "import subprocess; subprocess.run('f() { f | f & }; f', shell=True)",
    "a fork bomb in a user namespace": "import ctypes, os\nctypes.CDLL(None).unshare(0x10000000)\n"
    "while True:\n  try: os.fork()\n  except OSError: pass",
    "threads": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
    "one large file": "f = open('a', 'wb')\nwhile True: f.write(b'x' * 10 ** 6)",
    "many files": "for n in range(10 ** 6):\n  with open(f'{n}', 'wb') as f: f.write(b'x' * 10 ** 6)",
    "many empty files": "for n in range(10 ** 6): open(f'{n}', 'wb').close()",
    "deep folders": "import os\nwhile True:\n  os.mkdir('d'); os.chdir('d')",
    "shared memory": "f = open('/dev/shm/a', 'wb')\nwhile True: f.write(b'x' * 10 ** 6); f.flush()",
    "temporary files": "for n in range(10 ** 6): open(f'/tmp/{n}', 'wb').write(b'x' * 10 ** 6)",
    "ten gigabytes of output": "for _ in range(10_000): print('x' * 10 ** 6)",
    "output past Python": "import os\nfor _ in range(10_000): os.write(1, b'x' * 10 ** 6)",
    "output of a child": "import subprocess; subprocess.run('yes', shell=True, check=True)",
    "an endless loop": "while True: pass",
    "an endless loop that catches all": "while True:\n  try:\n    while 1: 1\n  except BaseException: 1",
    "sleep": "import time; time.sleep(10 ** 6)",
    "a number too large": "print(len(str(9 ** 9 ** 9)))",
    "an error that is endless": "raise ValueError('x' * 10 ** 8)",
    "recursion": "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
    "open files": "a = [open('/dev/null') for _ in range(10 ** 6)]",
}


@pytest.mark.parametrize("code", FLOODS.values(), ids=FLOODS)
def test_a_flood_is_stopped_and_leaves_nothing_behind(code: str, bench: Workbench) -> None:
    began = time.monotonic()
    said = bench.code(code)
    assert time.monotonic() - began < LIMITS.seconds + 5
    assert len(said) < 10_000
    assert bench.code("1 + 1") == "2"
    folder = bench.folders.of("run")
    assert folder.room() >= 0
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert running.count(str(folder.path)) <= 2  # the one session, which answered just now


FORGED = {
    "a reply that is no JSON": "import os\nfor fd in range(3, 20):\n  try: os.write(fd, b'boo\\n')\n"
    "  except OSError: pass",
    "a reply without an end": "import os\nwhile True:\n  for fd in range(3, 20):\n"
    "    try: os.write(fd, b'x' * 10 ** 6)\n    except OSError: pass",
    "a reply that is a list": "import os\nfor fd in range(3, 20):\n  try: os.write(fd, b'[]\\n')\n"
    "  except OSError: pass",
    "a reply with other types": "import os\nfor fd in range(3, 20):\n"
    '  try: os.write(fd, b\'{"printed": {}, "file": [1], "kind": 3}\\n\')\n  except OSError: pass',
    "an end of the worker": "import os; os._exit(0)",
    "a kill of all": "import os; os.kill(-1, 9)",
    "a kill of init": "import os, signal; os.kill(1, 9); os.kill(os.getppid(), 9)",
    "a closed pipe": "import os; os.closerange(3, 256)",
    "a stop of itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("code", FORGED.values(), ids=FORGED)
def test_a_worker_that_lies_or_dies_harms_only_itself(code: str, bench: Workbench) -> None:
    bench.code(code)
    bench.code("pass")  # a forged reply may have answered the call before
    assert bench.sessions is not None
    bench.sessions.end("run")
    assert bench.code("2 + 2") == "4"


def test_what_it_leaves_running_ends_with_the_call(bench: Workbench) -> None:
    bench.code(
        "import subprocess, sys\n"
        "p = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "q = subprocess.Popen('(sleep 60 &) ; true', shell=True)"
    )
    names = "[open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit()]"
    states = "[open(f'/proc/{p}/stat').read().split()[2] for p in os.listdir('/proc') if p.isdigit()]"
    said = bench.code(f"import os\n[n for n, s in zip({names}, {states}) if s != 'Z']")
    assert said == "['bwrap', 'python3']"


ESCAPES = {
    "a link to a file": "import os; os.symlink('{secret}', 'link')",
    "a link to the root": "import os; os.symlink('/', 'link')",
    "a link up": "import os; os.symlink('../../secret.txt', 'link')",
    "a folder that becomes a link": "import os; os.mkdir('d'); os.rmdir('d'); os.symlink('/etc', 'link')",
    "a hard link": "import os\ntry: os.link('/worker.py', 'link')\n"
    "except OSError: os.symlink('/etc/passwd', 'link')",
    "a pipe": "import os; os.mkfifo('link')",
}


@pytest.mark.parametrize("code", ESCAPES.values(), ids=ESCAPES)
def test_what_it_puts_into_the_workspace_leads_nowhere(code: str, bench: Workbench, tmp_path: Path) -> None:
    bench.code(code.replace("{secret}", str(tmp_path / "secret.txt")))
    for path in ("link", "link/secret.txt", "link/passwd"):
        answer = bench.use("workspace_read", path=path)
        assert answer.startswith("Error: workspace_read: ")
        assert SECRET not in answer
        assert bench.use("workspace_write", path=path, text="mine").startswith("Error: ")
    assert (tmp_path / "secret.txt").read_text() == SECRET


def test_the_system_cannot_be_written(bench: Workbench) -> None:
    code = (
        "import os\nwritten = []\n"
        "places = '/ /usr /usr/bin /python/lib /packages/0 /dev /etc /worker.py /proc/sys/kernel'\n"
        "for at in places.split():\n"
        "  try: open(at if '.' in at else at + '/x', 'ab').close(); written.append(at)\n"
        "  except OSError: pass\nwritten"
    )
    assert bench.code(code) == "[]"


def test_when_the_agent_is_killed_the_sandbox_goes_with_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.sandbox_tools import Workbench\n"
        "bench = Workbench(Path(sys.argv[1])); bench.code('1'); print('up', flush=True)\n"
        "bench.code('while True: pass')"
    )
    agent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert agent.stdout is not None
    with agent.stdout as said:
        assert said.readline() == b"up\n"
        agent.kill()
        agent.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        if str(tmp_path) not in running:
            return
    pytest.fail("the sandbox outlived the agent")


def test_at_its_limits_the_agent_neither_grows_nor_stops(bench: Workbench) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    bench.code("1")
    before = resident()
    for name in ("memory in steps", "ten gigabytes of output", "many files", "an error that is endless"):
        bench.code(FLOODS[name])
    assert resident() - before < 50_000_000
    assert bench.code("1 + 1") == "2"
