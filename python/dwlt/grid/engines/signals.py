"""Signal handlers of the command, kept while the client of a cluster starts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_signals() -> Iterator[None]:
    """Keep what the command does on Ctrl-C and SIGTERM: a cluster's client may set its own."""
    main = threading.current_thread() is threading.main_thread()
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        if main and handler is not None:
            signal.signal(number, handler)
