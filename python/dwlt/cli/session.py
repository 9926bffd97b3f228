"""A working session: the context that stages get, the view that watches, and Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from dwlt.cli.options import Settings
from dwlt.cli.show import Show
from dwlt.cli.signals import PREEMPTED, PREEMPTIONS, answering
from dwlt.cli.streams import others_to_stderr
from dwlt.errors import InterruptError
from dwlt.runs.context import Context
from dwlt.trackers import Follower, open_tracker

if TYPE_CHECKING:
    from dwlt.spec import Experiment


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

    group = settings.group()
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
        group=group,
    )
    with answering(ask), show, others_to_stderr():
        failed = True
        try:
            yield context, show
            failed = False
        except InterruptError as error:
            if asked in PREEMPTIONS:
                error.exit_code = PREEMPTED
            raise
        finally:
            follower.close()
            if group is not None:
                group.close(failed=failed)
