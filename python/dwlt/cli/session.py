"""A working session: the context that stages get, the view that watches, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from dwlt.cli.options import Settings
from dwlt.cli.show import Show
from dwlt.cli.streams import others_to_stderr
from dwlt.errors import InterruptError
from dwlt.runs.context import Context
from dwlt.trackers import Follower, open_tracker

if TYPE_CHECKING:
    from dwlt.spec import Experiment

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
def session(settings: Settings, experiment: Experiment | None) -> Iterator[tuple[Context, Show]]:
    """Work under a live view. The first Ctrl-C asks stages to stop, the second one insists.

    Args:
        experiment: its ``threads`` and ``checkpoint_minutes`` are heeded; None: PyTorch's choice
            and no checkpoint inside an epoch.
    """
    asked: int | None = None

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked is not None:
            raise KeyboardInterrupt
        asked = number
        show.stopping()

    show = Show(quiet=settings.quiet)
    show.clear_line()
    opened = {name: open_tracker(name, settings.runs) for name in settings.trackers}
    follower = Follower(show.event, opened)
    threads = None if experiment is None else experiment.threads
    context = Context(
        runs=settings.runs,
        data_dir=settings.data_dir,
        device=settings.device,
        workers=settings.workers,
        threads=None if "OMP_NUM_THREADS" in os.environ else threads,
        observe=follower,
        stop=lambda: asked is not None,
        checkpoint_seconds=None if experiment is None else 60 * experiment.checkpoint_minutes,
    )
    with answering(ask), show, others_to_stderr():
        try:
            yield context, show
        except InterruptError as error:
            if asked in PREEMPTIONS:
                error.exit_code = PREEMPTED
            raise
        finally:
            follower.close()


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
