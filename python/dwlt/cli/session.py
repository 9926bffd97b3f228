"""A working session: the context that stages get, the view that watches, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from dwlt.cli.options import Settings
from dwlt.cli.show import Show
from dwlt.cli.streams import others_to_stderr
from dwlt.runs.context import Context

STOPS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
"""Ctrl-C, a polite kill, and a terminal that is closed (which Windows does not signal)."""


@contextmanager
def session(settings: Settings, threads: int | None) -> Iterator[tuple[Context, Show]]:
    """Work under a live view. The first Ctrl-C asks stages to stop, the second one insists."""
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        show.stopping()

    show = Show(quiet=settings.quiet)
    show.clear_line()
    context = Context(
        runs=settings.runs,
        data_dir=settings.data_dir,
        device=settings.device,
        workers=settings.workers,
        threads=None if "OMP_NUM_THREADS" in os.environ else threads,
        observe=show.event,
        stop=lambda: asked,
    )
    with answering(ask), show, others_to_stderr():
        yield context, show


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
