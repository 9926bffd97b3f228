"""Commands as processes of their own that can be watched, stopped and killed.

They are forked off a server that has imported what a command imports: starting Python and PyTorch
anew costs three seconds of processor time, more than the commands of these tests. The command runs
through ``dwlt.cli.main`` as ``python -m dwlt`` has it. That the real start works is tested where
starting is the point (`tests/cli/test_root.py`, `tests/test_documents.py`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from tempfile import mkdtemp

_PRELOAD = [
    *(
        "torch",
        "sklearn.datasets",
        "scipy.special",
        "pyarrow.parquet",
        "rich.live",
        "rich.progress",
    ),
    *("dwlt.cli.root", "dwlt.stages.transfer", "dwlt.stages.prune", "dwlt.grid.walk"),
]


def outside_make() -> dict[str, str]:
    """The environment without what a ``make`` that runs the tests hands on to one in a test: its
    flags, and that it is inside another, of which it would speak."""
    inherited = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
    return {name: value for name, value in os.environ.items() if name not in inherited}


class Command:
    """One running command; the parts of ``subprocess.Popen`` that tests use.

    Args:
        arguments: what comes after ``dwlt``.
    """

    def __init__(self, *arguments: object) -> None:
        self._folder = Path(mkdtemp(prefix="dwlt-command-"))
        words = [str(argument) for argument in arguments]
        self._process: ForkServerProcess = preloaded().Process(
            target=_main, args=(words, str(self._folder))
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the process that runs the command."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """As ``poll``."""
        return self.poll()

    def poll(self) -> int | None:
        """The exit code; minus the signal's number for one that was killed; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and wait until it has ended."""
        self.send_signal(signal.SIGKILL)
        self._process.join()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; stdout and stderr.

        Raises:
            subprocess.TimeoutExpired: it has not ended in time, and was killed.
        """
        self._process.join(timeout)
        if self.poll() is None:
            self.kill()
            raise subprocess.TimeoutExpired("dwlt", timeout or 0.0, stderr=self._read("err"))
        return self._read("out"), self._read("err")

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text(encoding="utf-8", errors="replace")


def preloaded() -> ForkServerContext:
    """What starts processes as forks of one that has imported PyTorch and dwlt."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


def _main(words: list[str], folder: str) -> None:
    """Inside the fork: streams into files, then the command line."""
    from dwlt.cli import main

    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.argv = ["dwlt", *words]
    main()
