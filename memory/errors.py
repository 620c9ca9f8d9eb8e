"""The errors that a caller can act on. Each message is one line and says what to do next."""


class MementoError(Exception):
    """The command or call could not do its work."""


class UsageError(MementoError, ValueError):
    """What was asked for cannot be meant: wrong input, setting or configuration."""


class HomeInUseError(MementoError):
    """Another process owns the home's case bank."""
