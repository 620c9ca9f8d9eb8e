"""The agent over HTTP, by LangServe."""

from memento.server.app import PATH, build_app, is_loopback
from memento.server.guard import MAX_BODY
from memento.server.runnable import MAX_BATCH, MAX_NAME, MAX_THREADS

__all__ = ["MAX_BATCH", "MAX_BODY", "MAX_NAME", "MAX_THREADS", "PATH", "build_app", "is_loopback"]
