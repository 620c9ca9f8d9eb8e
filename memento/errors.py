"""The errors that a caller can act on."""

from memento.memory.errors import HomeInUseError, MementoError, UsageError

__all__ = ["HomeInUseError", "MementoError", "UsageError"]
