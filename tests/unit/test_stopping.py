"""Ctrl-C and SIGTERM where something on the way swallows them."""

from __future__ import annotations

import os
import signal

import pytest

from memento.commands.stopping import heeded_interrupt


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_was_swallowed_is_raised_at_the_next_check(sent: signal.Signals) -> None:
    before = signal.getsignal(sent)
    with heeded_interrupt() as check:
        check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), sent)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(sent) is before
