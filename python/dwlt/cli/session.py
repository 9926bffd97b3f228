"""A working session: the context that stages get, the view that watches, and Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dwlt.cli.options import Settings
from dwlt.cli.show import Show
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
    old = {number: signal.signal(number, ask) for number in STOPS}
    context = Context(
        runs=settings.runs,
        data_dir=settings.data_dir,
        device=settings.device,
        workers=settings.workers,
        threads=None if "OMP_NUM_THREADS" in os.environ else threads,
        observe=show.event,
        stop=lambda: asked,
    )
    try:
        with show:
            yield context, show
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
