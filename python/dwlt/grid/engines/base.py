"""What an engine is: where the nodes of a plan are computed, and by what rules.

An engine schedules and no more. Whether a node is done is a question to the ledger, and a task is
nothing but "run this node through the run protocol", so a task that runs twice computes once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from dwlt.grid.nodes import Node
from dwlt.runs.context import Context

FAILURES = (RuntimeError, ValueError, ArithmeticError, MemoryError)
"""Besides ``DwltError``, what can go wrong with one run and leave the others unharmed. A full disk
and a fault in the code are not among them: they would spoil every run that is still to come."""

WAIT = 0.5
"""Seconds between two looks at what other processes are working on."""

Failed = list[tuple[str, str]]
"""Labels of nodes that were not done, each with the reason."""


@dataclass(frozen=True)
class Rules:
    """What to do about failures.

    Attributes:
        keep_going: do everything else before reporting them; what failed before is left alone.
        retry_failed: try that again, too.
    """

    keep_going: bool = False
    retry_failed: bool = False


class Engine(Protocol):
    """Does nodes."""

    def walk(
        self, nodes: Sequence[Node], context: Context, rules: Rules, begin: Callable[[Node], None]
    ) -> Failed:
        """Do all nodes that are not done, each once what it starts from is there.

        Args:
            begin: told of each node before this process computes it, or has it computed.

        Returns:
            What failed, with ``keep_going``.

        Raises:
            InterruptError: the user asked to stop.
            DwltError: the first failure, without ``keep_going``.
        """

    def close(self) -> None:
        """Give back what the engine holds. Tasks that still run are stopped."""


@dataclass(frozen=True)
class Resources:
    """What one task needs.

    Attributes:
        cpus: cores.
        gpus: None: one where there are any and the device is not the CPU, else none.
    """

    cpus: int = 1
    gpus: int | None = None


@dataclass(frozen=True)
class Task:
    """A node for a worker process, with everything that it needs there.

    Attributes:
        id: counts the tasks of a session.
        session: the folder through which head and workers speak.
        token: what the session's file must hold; it proves that the folder is the same.
        cwd: the head's working directory, from which names of files count.
        path: the head's module search path, for networks of the user's own.
        node: None: only look whether the runs folder is shared.
        checkpoint_seconds: as the head's ``Context`` has it.
    """

    id: int
    session: Path
    token: str
    cwd: str
    path: tuple[str, ...]
    node: Node | None
    runs: Path
    data_dir: Path
    device: str
    workers: int | None
    threads: int | None
    engine: str
    checkpoint_seconds: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a task ended, as its worker says.

    Attributes:
        status: "busy": another process works on it; "stopped": as it was asked to; "failed": the
            others are unharmed; "fault": they are not; "lost": the worker is gone without a word;
            "apart": the worker sees another runs folder than the head, or no locks in it.
        error: the message, with the name of its class and the next step.
    """

    status: Literal["done", "busy", "stopped", "failed", "fault", "lost", "apart"]
    error: str = ""
    hint: str | None = None
    kind: str = ""
    host: str = ""


class Cluster(Protocol):
    """What is special to one kind of cluster: how tasks get to workers and back.

    Made with its options (``--engine-option``) and the resources of a task.
    """

    name: str

    def start(self, session: Path, device: str) -> None:
        """Connect, or begin.

        Raises:
            UserError: there is no such cluster, or it can never give what a task needs.
        """

    def places(self) -> int:
        """How many machines to look for the runs folder on: tasks without a node, one for each."""

    def submit(self, tasks: Sequence[Task]) -> None:
        """Queue tasks that are ready, as one wave."""

    def poll(self) -> list[tuple[int, Outcome]]:
        """The tasks that have ended since the last call, by id. Does not wait."""

    def close(self) -> None:
        """Cancel what still runs, and disconnect."""
