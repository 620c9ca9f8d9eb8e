"""Ctrl-C where something on the way swallows it."""

from __future__ import annotations

import os
import signal

import pytest

from memento.commands.stopping import heeded_interrupt


def test_an_interrupt_that_was_swallowed_is_raised_at_the_next_check() -> None:
    before = signal.getsignal(signal.SIGINT)
    with heeded_interrupt() as check:
        check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before
