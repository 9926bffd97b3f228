"""Which rank is gone, when a collective operation fails because one is."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dwlt.errors import DwltError

AGAIN = (
    "run the same command again, with as many devices as there are; it goes on where it was saved"
)

_SIGNS = (
    "connection",
    "gloo",
    "nccl",
    "broken pipe",
    "processgroup",
    "socket",
    "peer",
    "timed out",
)
"""What messages of PyTorch's backends hold when the other end has gone. They have no type of their
own on the CPU."""


class RankError(DwltError):
    """A rank cannot take part, or is gone; the message names it. Exit code 1."""


@dataclass(frozen=True)
class Whereabouts:
    """Where a rank's process is."""

    rank: int
    host: str
    pid: int

    def __str__(self) -> str:
        return f"rank {self.rank} (process {self.pid} on {self.host})"


def is_loss(error: BaseException) -> bool:
    """Whether an exception says that another process is not there any more."""
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)


def loss(ranks: Sequence[Whereabouts], own: Whereabouts, *, wait: float = 3.0) -> RankError:
    """What is raised when others are gone: it names those that are.

    Processes of this machine are looked at; for those of others there is only their name. One that
    was just killed may still be ending, so they are looked at for a while.
    """
    others = [one for one in ranks if one.rank != own.rank]
    near = [one for one in others if one.host == own.host]
    far = [one for one in others if one.host != own.host]
    deadline = time.monotonic() + wait
    gone: list[Whereabouts] = []
    while not gone and near and time.monotonic() < deadline:
        gone = [one for one in near if not _runs(one.pid)]
        if not gone:
            time.sleep(0.05)
    if gone:
        return RankError(f"{', '.join(map(str, gone))} has died", hint=AGAIN)
    if far:
        hosts = sorted({one.host for one in far})
        named = ", ".join(str(one.rank) for one in far)
        return RankError(
            f"the connection to {' or '.join(hosts)} (ranks {named}) was lost", hint=AGAIN
        )
    return RankError("the connection between the ranks was lost", hint=AGAIN)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # A process that has ended stays listed until its parent has asked for its exit code.
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in ("Z", "X")
