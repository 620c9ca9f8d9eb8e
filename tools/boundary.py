"""What keeps code in: a bubblewrap sandbox, or, if the user insists, nothing but limits. Containers are in
container_boundary.py.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memento.tools.run_folder import INSIDE, RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

WORKER = Path(__file__).with_name("_sandbox_worker.py")
INSTALL = (
    "install bubblewrap (apt-get install bubblewrap), or set MEMENTO_CODE_IMAGE to an image with Python for "
    "Docker or Podman"
)
PRINTED = "/printed"
_TMP = 64_000_000  # bytes of memory
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    # Each thread counts as a process, and claims address space.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Boundary:
    """How code is started over a folder. `isolated`: it sees no file, process or network but its own.
    `inside` is what the folder is called there, `printed` where what is printed is gathered. `held`: an
    engine sets the user and counts the processes, so that the worker has not to. `end` ends what the command
    left.
    """

    isolated: bool
    command: Callable[[RunFolder], list[str]]
    environment: Callable[[RunFolder], dict[str, str]]
    packages: tuple[str, ...]
    printed: str
    inside: Callable[[RunFolder], str]
    held: bool = False
    end: Callable[[RunFolder], None] = lambda _folder: None


def find_boundary(*, unsafe: bool = False) -> tuple[Boundary | None, str]:
    """The boundary to run code in, or None and what would have to be done to have one."""
    program = shutil.which("bwrap")
    if program is not None and _works(program):
        return _bubblewrap(program), ""
    if unsafe and os.name == "posix":
        return _unsafe(), ""
    return None, INSTALL if program is None else "allow bubblewrap to make user namespaces here"


def _bubblewrap(program: str) -> Boundary:
    def environment(_folder: RunFolder) -> dict[str, str]:
        # Of its own too: what bubblewrap was started with can be read in the sandbox's /proc/1.
        return {**ENVIRONMENT, **_libraries(), "HOME": INSIDE, "MPLCONFIGDIR": "/tmp/matplotlib"}  # noqa: S108

    return Boundary(
        isolated=True,
        command=lambda folder: [*_sandbox(program, folder), *python("/python/bin/python3", "/worker.py")],
        environment=environment,
        packages=tuple(f"/packages/{number}" for number, _ in enumerate(_packages())),
        printed=PRINTED,
        inside=lambda _folder: INSIDE,
    )


def _unsafe() -> Boundary:
    """A process with limits that sees all that this user sees."""
    return Boundary(
        isolated=False,
        command=lambda _folder: python(sys.executable, str(WORKER)),
        environment=lambda folder: {**ENVIRONMENT, "HOME": str(folder.path), "TMPDIR": str(folder.path)},
        packages=tuple(str(path) for path in _packages()),
        printed=".",
        inside=lambda folder: str(folder.path),
    )


def python(interpreter: str, worker: str) -> list[str]:
    return [interpreter, "-I", "-S", "-B", "-u", "-X", "utf8", worker]


def _sandbox(program: str, folder: RunFolder) -> list[str]:
    """Namespaces of its own for everything; of the host's files the system's libraries and Python, read only;
    the folder; and nothing else.
    """
    # Root's processes are not held by a limit on processes: the worker becomes a user who is nobody else.
    who = (
        ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        if folder.uid is not None
        else ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    )
    return [
        *(
            program,
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
            "--unshare-cgroup-try",
        ),
        *who,
        *("--die-with-parent", "--new-session", "--hostname", "sandbox"),
        *_system(),
        *_interpreter(),
        *("--ro-bind", str(WORKER), "/worker.py"),
        *("--proc", "/proc", "--perms", "0755", "--dir", "/dev", "--symlink", "/proc/self/fd", "/dev/fd"),
        *(part for name in ("null", "zero", "full", "random", "urandom") for part in _device(name)),
        *("--perms", "1777", "--size", str(_TMP // 4), "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--perms", "1777", "--size", str(_TMP), "--tmpfs", "/tmp"),  # noqa: S108
        *("--perms", "1777", "--size", str(_TMP), "--tmpfs", PRINTED),
        *("--bind", str(folder.path), INSIDE),
        *("--remount-ro", "/", "--"),
    ]


def _system() -> list[str]:
    """The system's libraries and programs."""
    parts = ["--perms", "0755", "--dir", "/usr", "--perms", "0755", "--dir", "/etc"]
    for name in ("lib", "lib64", "lib32", "bin", "sbin"):
        path = Path("/", name)
        if path.is_symlink():
            parts += ["--symlink", f"usr/{name}", str(path)]
        else:
            parts += ["--ro-bind-try", str(path), str(path)]
        parts += ["--ro-bind-try", f"/usr/{name}", f"/usr/{name}"]
    for name in ("/etc/ld.so.cache", "/etc/fonts"):  # without the second, plots come with a complaint
        parts += ["--ro-bind-try", name, name]
    return parts


def _interpreter() -> list[str]:
    """This Python, its library and its packages, under names that say nothing of this machine."""
    version = f"python{sysconfig.get_python_version()}"
    folders = ("/python", "/python/bin", "/python/lib", "/packages")
    # Those that bubblewrap makes on its way are for root alone.
    parts = [part for folder in folders for part in ("--perms", "0755", "--dir", folder)]
    parts += ["--ro-bind", os.path.realpath(sys.executable), "/python/bin/python3"]
    parts += ["--ro-bind", sysconfig.get_path("stdlib"), f"/python/lib/{version}"]
    for library in _shared_library():
        parts += ["--ro-bind", str(library), f"/python/lib/{library.name}"]
    for number, path in enumerate(_packages()):
        parts += ["--ro-bind", str(path), f"/packages/{number}"]
    return parts


def _shared_library() -> list[Path]:
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    path = Path(str(folder), str(name))
    return [path] if sysconfig.get_config_var("Py_ENABLE_SHARED") and path.is_file() else []


def _libraries() -> dict[str, str]:
    return {"LD_LIBRARY_PATH": "/python/lib"} if _shared_library() else {}


def _packages() -> list[Path]:
    """Where the packages are that this Python can import."""
    found = dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    return [path for path in found if path.is_dir()]


def _device(name: str) -> list[str]:
    return ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]


@functools.cache
def _works(program: str) -> bool:
    """Whether bubblewrap can make a sandbox here: user namespaces may be switched off."""
    user = [] if os.geteuid() == 0 else ["--unshare-user", "--disable-userns"]
    attempt = [program, *user, "--unshare-pid", "--unshare-net", "--size", "4096", "--tmpfs", "/tmp"]  # noqa: S108
    attempt += ["--ro-bind", "/", "/", "--", "/bin/true"]
    try:
        done = subprocess.run(attempt, env={}, capture_output=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
