"""The errors that a caller can act on."""

from memento.memory.errors import HomeInUseError, MementoError, UsageError

__all__ = ["HomeInUseError", "MementoError", "StoppedError", "UsageError"]


class StoppedError(MementoError):
    """Ctrl-C stopped it; the message says what is kept, and how to go on."""
