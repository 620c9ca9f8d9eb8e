"""Runs inside the sandbox, by itself: Python code from stdin, one JSON line a job, a JSON line back.

It keeps the variables between jobs. Nothing that it says is trusted: the limits are set before any code runs,
and time, memory and disk are watched from outside.
"""

from __future__ import annotations

import ast
import contextlib
import json
import linecache
import os
import resource
import shutil
import signal
import sys
import traceback

SOURCE = "<code>"
KEPT = 50_000  # characters of what is printed that go back; the rest is in a file


def limit(job: dict[str, int | None]) -> None:
    """Become nobody, and take the limits on."""
    uid = job["uid"]
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    for name, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, job["memory"]),
        (resource.RLIMIT_CPU, job["cpu"]),
        (resource.RLIMIT_FSIZE, job["file"]),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_NPROC, job["processes"]),
    ):
        if value is not None:
            resource.setrlimit(name, (value, value))
    os.nice(5)


def run(code: str, variables: dict[str, object]) -> dict[str, str]:
    """What went wrong, as kind, message and line; empty when nothing did."""
    linecache.cache[SOURCE] = (len(code), None, code.splitlines(keepends=True), SOURCE)
    try:
        tree = ast.parse(code, SOURCE)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, SOURCE, "exec"), variables)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), SOURCE, "eval"), variables)  # noqa: S307
            if value is not None:
                print(repr(value))  # noqa: T201
        save_plots()
    except SystemExit:
        return {}
    except BaseException as error:  # noqa: BLE001
        return told(error)
    return {}


def told(error: BaseException) -> dict[str, str]:
    try:
        message = str(error)[:1000]
    except Exception:  # noqa: BLE001
        message = ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == SOURCE]
    line = frames[-1].lineno if frames else getattr(error, "lineno", None)
    return {"kind": type(error).__name__, "message": message, "line": str(line or "")}


def save_plots() -> None:
    """What was drawn and not saved, as images in the folder."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    for number in pyplot.get_fignums():
        place = 1
        while os.path.exists(f"plot_{place}.png"):  # noqa: PTH110
            place += 1
        pyplot.figure(number).savefig(f"plot_{place}.png", dpi=100)
    pyplot.close("all")


def printed(path: str, number: int) -> dict[str, object]:
    """What was printed, with the whole in a file where it is long."""
    size = os.stat(path).st_size  # noqa: PTH116
    with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
        text = stream.read(KEPT)
    name = ""
    if size > KEPT // 20:
        name = f"output_{number}.txt"
        shutil.copyfile(path, name)
    return {"printed": text, "size": size, "file": name}


def main() -> None:
    job = json.loads(sys.stdin.buffer.readline())
    limit(job)
    os.chdir(job["folder"])
    sys.path[:] = [job["folder"], *sys.path[1:], *job["packages"]]
    requests, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    variables: dict[str, object] = {"__name__": "__main__", "__builtins__": __builtins__}
    os.write(replies, b'{"job": 0}\n')
    number, own = 0, os.getpid()
    while line := requests.readline():
        number += 1
        path = f"{job['printed']}/.printed"
        out = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        for fd in (1, 2):
            os.dup2(out, fd)
        os.close(out)
        reply: dict[str, object] = dict(run(json.loads(line)["code"], variables))
        reply["job"] = number
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                reply = {"kind": "OSError", "message": "File too large", "line": ""} | reply
        if os.getpid() != own:  # the code forked, and the fork has done all of it
            os._exit(0)
        if job["sweeps"]:  # all in the container but this and its first process
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        try:
            reply |= printed(path, number)
        except OSError as error:
            reply |= {"printed": "", "size": 0, "file": "", "kind": "OSError", "message": str(error)}
        os.write(replies, json.dumps(reply).encode() + b"\n")


if __name__ == "__main__":
    main()
