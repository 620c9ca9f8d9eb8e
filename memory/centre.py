"""What all vectors of an encoder have in common, taken off.

Many encoders put all texts into a narrow cone: two that have nothing to do with each other have a cosine of
.5 or .8, and what tells them apart is left to the small rest. So the mean is taken off (Mu and Viswanath
2018, "All-but-the-top") and the rest scaled to unit length. The mean is that of 64 texts of many kinds, and
so a property of the encoder and not of what a bank holds. It is measured once, before a home has its first
vector, and kept in the ledger: the vectors of a home stay comparable. That is done for LangChain's
embeddings; MiniLM needs none, an encoder of one's own is taken as it is, and so is any in a home that has
vectors already.
"""

import base64
import logging
import threading
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from memento.memory.embeddings import CachedEncoder, Encoder, LangChainEncoder, Vectors, unit
from memento.memory.ledger import Ledger

Vector = NDArray[np.float32]

_LEAST = 0.3
"""Cosine of unrelated texts from which their vectors are centred."""
_FACT = "centre"
_log = logging.getLogger("memento")


class CentredEncoder:
    """An encoder as one home uses it; shape and errors are those of the encoder."""

    def __init__(self, encoder: Encoder, ledger: Ledger, *, read_only: bool = False) -> None:
        self.name = encoder.name
        self._encoder = encoder
        self._ledger = ledger
        self._measures = not read_only
        self._lock = threading.Lock()
        inner = encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
        self._known = not isinstance(inner, LangChainEncoder)
        self._centre: Vector | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = self._encoder.embed(texts)
        centre = self.centre()
        return vectors if centre is None else unit(vectors - centre)

    def centre(self) -> Vector | None:
        """What is taken off, shape (dimensions,); None where nothing is. A new home's is measured now."""
        with self._lock:
            if not self._known:
                said = self._ledger.fact(_FACT)
                is_new = said is None and self._ledger.fact("dimensions") is None
                measured = self._measured() if is_new and self._measures else None
                if measured is not None:
                    said = self._ledger.fact(_FACT, base64.b64encode(measured.tobytes()).decode())
                self._centre = None if said is None else np.frombuffer(base64.b64decode(said), np.float32)
                self._known = self._measures or not is_new
            return self._centre

    def _measured(self) -> Vector | None:
        """The mean of the usual texts, where it matters."""
        texts = usual_texts()
        try:
            vectors = self._encoder.embed(texts)
        except Exception as error:  # noqa: BLE001 - each encoder has errors of its own
            _log.warning(
                "what all vectors of %s have in common is not taken off: it cannot be measured (%s)",
                self.name,
                type(error).__name__,
            )
            return None
        mean = np.asarray(vectors.mean(axis=0), np.float32)
        between = (len(texts) * float(mean @ mean) - 1.0) / (len(texts) - 1)
        return mean if between >= _LEAST else None


def made_by(ledger: Ledger) -> str | None:
    """What made a home's vectors, so that those of two homes with the same answer can be compared."""
    name = ledger.fact("embedding")
    return name if ledger.fact(_FACT) is None else f"{name}, centred"


@cache
def usual_texts() -> list[str]:
    return files("memento.memory").joinpath("usual_texts.txt").read_text().splitlines()
