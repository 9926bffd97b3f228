"""Which signals stop the work, and what its exit code then is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    # Windows signals neither a terminal that is closed nor what users define.
    if hasattr(signal, name)
)
"""Ctrl-C, a polite kill, a terminal that is closed, and what schedulers announce the end with."""

PREEMPTIONS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)
)
"""What a scheduler sends that wants the machine back: the work is to be started again later."""

PREEMPTED = 75
"""The exit code then: EX_TEMPFAIL of sysexits.h, a failure that passes, which job scripts and
schedulers can requeue on. A user who pressed Ctrl-C gets 130."""


@contextmanager
def answering(ask: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let ``ask`` answer the signals that mean stop.

    A signal that was ignored when dwlt began stays ignored: that is how ``nohup`` keeps work going
    after its terminal is closed, and how a shell keeps Ctrl-C from the jobs in its background.
    Signals can be answered in the main thread alone; in another one they are its owner's business.
    """
    old = {}
    if threading.current_thread() is threading.main_thread():
        # None: set by other code than Python's, and nothing could put it back.
        kept = (signal.SIG_IGN, None)
        stops = [number for number in STOPS if signal.getsignal(number) not in kept]
        old = {number: signal.signal(number, ask) for number in stops}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
