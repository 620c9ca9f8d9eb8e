"""A container engine as what keeps code in: Docker, or Podman's socket, which speaks the same."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memento.tools.boundary import ENVIRONMENT, PRINTED, WORKER, Boundary, python
from memento.tools.code_session import CodeLimits
from memento.tools.run_folder import INSIDE

if TYPE_CHECKING:
    from memento.tools.run_folder import RunFolder

_PIPE = Path(__file__).with_name("_container_pipe.py")
_LABEL = "memento.folder"
_ENGINE = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "HOME", "PATH")
_TMP = "rw,nosuid,nodev,mode=1777,size=64m"
_ASKED = 10  # seconds


def find_container(image: str, limits: CodeLimits | None = None) -> tuple[Boundary | None, str]:
    """A boundary of containers of an image that has Python, on an engine of this machine; or None and what
    would have to be done to have one. It fetches no image.
    """
    if find_spec("docker") is None:
        return None, "run `pip install docker`"
    import docker
    from docker.errors import DockerException, ImageNotFound

    try:
        client = docker.from_env(timeout=_ASKED)
    except DockerException:
        return None, "start the container engine, or set DOCKER_HOST to its socket: none answers"
    try:
        client.images.get(image)
        rootless = any("rootless" in str(one) for one in client.info().get("SecurityOptions") or ())
    except ImageNotFound:
        return None, f"fetch the image of MEMENTO_CODE_IMAGE, for example `docker pull {image}`"
    except (DockerException, OSError):
        return None, "see to the container engine: it answers with an error"
    finally:
        client.close()
    return _boundary(image, limits or CodeLimits(), rootless=rootless), ""


def _boundary(image: str, limits: CodeLimits, *, rootless: bool) -> Boundary:
    def command(folder: RunFolder) -> list[str]:
        asked = json.dumps(container(image, folder, limits, rootless=rootless))
        return [sys.executable, "-I", "-X", "utf8", str(_PIPE), asked]

    def environment(_folder: RunFolder) -> dict[str, str]:  # of the pipe: none of it enters the container
        return {name: os.environ[name] for name in _ENGINE if name in os.environ}

    return Boundary(
        isolated=True,
        command=command,
        environment=environment,
        packages=(),
        printed=PRINTED,
        inside=lambda _folder: INSIDE,
        held=True,
        end=_end,
    )


def container(image: str, folder: RunFolder, limits: CodeLimits, *, rootless: bool) -> dict[str, Any]:
    """What the engine is asked for, as docker's `containers.create` takes it: no network, a root that cannot
    be written, no capability, and of the host's files the worker and the run's folder.
    """
    # Root of a rootless engine is the user who runs it.
    uid = 0 if rootless else os.getuid() if folder.uid is None else folder.uid
    return {
        "image": image,
        "command": python("python3", "/worker.py"),
        "entrypoint": [],
        "labels": {_LABEL: _name(folder)},
        "stdin_open": True,
        "user": f"{uid}:{uid}",
        "working_dir": INSIDE,
        "hostname": "sandbox",
        "environment": {**ENVIRONMENT, "HOME": INSIDE, "MPLCONFIGDIR": "/tmp/matplotlib"},  # noqa: S108
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "tmpfs": {"/tmp": _TMP, PRINTED: _TMP},  # noqa: S108
        "volumes": {
            str(WORKER): {"bind": "/worker.py", "mode": "ro"},
            str(folder.path): {"bind": INSIDE, "mode": "rw"},
        },
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
        "pids_limit": limits.processes,
        # That of processes counts those of the user everywhere; the container's own limit is the one above.
        "ulimits": [
            {"Name": name, "Soft": most, "Hard": most}
            for name, most in (("nofile", 256), ("core", 0), ("nproc", 4096))
        ],
        "init": True,
        "log_config": {"Type": "none", "Config": {}},
    }


def _end(folder: RunFolder) -> None:
    """Remove the folder's container, whatever it is doing."""
    import docker
    from docker.errors import DockerException

    with suppress(DockerException, OSError):
        client = docker.from_env(timeout=_ASKED)
        try:
            for one in client.containers.list(all=True, filters={"label": f"{_LABEL}={_name(folder)}"}):
                with suppress(DockerException):  # it may have ended by itself
                    one.remove(force=True)
        finally:
            client.close()


def _name(folder: RunFolder) -> str:
    return hashlib.sha256(str(folder.path).encode()).hexdigest()[:32]
