"""Between two steps: go on, write a checkpoint first, or stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum


class Wish(IntEnum):
    """What is to happen before the next step; of several wishes the greatest counts."""

    GO_ON = 0
    SAVE = 1
    STOP = 2


class Pace:
    """Asks for a checkpoint every so often, and passes on that the user asks to stop.

    Args:
        stop: whether the user asks to stop.
        seconds: between checkpoints; None: only where an epoch ends or the work is stopped.
        agree: the greatest wish of all devices, which each of them gets alike.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        stop: Callable[[], bool],
        seconds: float | None,
        agree: Callable[[int], int] = int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
        self._seconds = seconds
        self._agree = agree
        self._clock = clock
        self._saved = clock()

    def poll(self) -> Wish:
        """Called before every step."""
        return Wish(self._agree(self._own()))

    def saved(self) -> None:
        """Called after each checkpoint."""
        self._saved = self._clock()

    def _own(self) -> Wish:
        if self._stop():
            return Wish.STOP
        due = self._seconds is not None and self._clock() - self._saved >= self._seconds
        return Wish.SAVE if due else Wish.GO_ON
