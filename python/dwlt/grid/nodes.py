"""The nodes of a plan: each is one run that some process does through the run protocol.

A node holds settings and places alone, so it can be sent to another process or machine. What is
done, and who works on it, is asked of the run folders each time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dwlt import _core
from dwlt.errors import LedgerError
from dwlt.runs.context import Context
from dwlt.runs.plan import Cell, Plan, Pretraining, Search
from dwlt.spec import VerifyPart
from dwlt.stages import prune, transfer, verify
from dwlt.stages.source import ensure_source

SETTLING = 30.0
"""Seconds that a network file system may take to show on one machine what another has written."""


class Node(Protocol):
    """One run to do."""

    @property
    def label(self) -> str:
        """What messages call it."""

    @property
    def epochs(self) -> int:
        """Epochs of training that it takes, for estimates of how much is left."""

    def there(self) -> bool:
        """Whether the folder proves that it is done; damage does not, and ``run`` names it."""

    def ready(self) -> bool:
        """Whether what it starts from is there."""

    def folder(self) -> Path | None:
        """Its run folder, where that is known yet."""

    def run(self, context: Context) -> None:
        """Do what is left of it, in this process."""

    def settle(self) -> None:
        """Take note that another process has done it.

        Raises:
            LedgerError: this machine does not see it.
        """


@dataclass
class PretrainNode:
    """A pre-training, or given weights to be read."""

    pretraining: Pretraining

    @property
    def label(self) -> str:
        return f"pretrain {self.pretraining.label}"

    @property
    def epochs(self) -> int:
        return 0 if self.pretraining.given is not None else self.pretraining.spec.train.epochs

    def there(self) -> bool:
        return self.pretraining.source() is not None

    def ready(self) -> bool:
        return True

    def folder(self) -> Path | None:
        return None if self.pretraining.given is not None else self.pretraining.folder

    def run(self, context: Context) -> None:
        ensure_source(self.pretraining, context)

    def settle(self) -> None:
        _settle(self)


@dataclass
class SearchNode:
    """A search for tickets, as far as ``rounds``.

    Attributes:
        asked: whether that is how far it is to go; see ``prune.run``.
    """

    search: Search
    rounds: int
    asked: bool

    @property
    def label(self) -> str:
        return f"prune {self.search.label}"

    @property
    def epochs(self) -> int:
        train = self.search.spec.train
        done = sum(self.search.round(r) is not None for r in range(1, self.rounds + 1))
        trainings = self.rounds - done
        if self.search.spec.method == "oneshot":
            trainings = min(trainings, int(done == 0))
        return 0 if train is None else trainings * train.epochs

    def there(self) -> bool:
        return self.search.round(self.rounds) is not None

    def ready(self) -> bool:
        # A control's search comes first in the plan; where that failed, nothing can be made of it.
        base = self.search.of
        found = base is None or base.round(self.rounds) is not None
        return found and self.search.pretraining.source() is not None

    def folder(self) -> Path | None:
        return self.search.folder

    def run(self, context: Context) -> None:
        prune.run(self.search, context, rounds=self.rounds, asked=self.asked)

    def settle(self) -> None:
        _settle(self)


@dataclass
class CellNode:
    """One transfer."""

    cell: Cell

    @property
    def label(self) -> str:
        return f"transfer {self.cell.variant.label}, {self.cell.label}"

    @property
    def epochs(self) -> int:
        return self.cell.spec.train.epochs

    def there(self) -> bool:
        return self.cell.result() is not None

    def ready(self) -> bool:
        return self.cell.ticket() is not None

    def folder(self) -> Path | None:
        return self.cell.folder()

    def run(self, context: Context) -> None:
        transfer.run(self.cell, context)

    def settle(self) -> None:
        _settle(self)


@dataclass
class VerifyNode:
    """The stronger attack on one transfer's checkpoint.

    Where the evaluation lies hangs on the checkpoint's bytes, which only the stage reads; so what
    an earlier command has done is found by the stage, at once.
    """

    cell: Cell
    part: VerifyPart
    found: Path | None = field(default=None)

    @property
    def label(self) -> str:
        return f"verify {self.cell.variant.label}, {self.cell.label}"

    @property
    def epochs(self) -> int:
        return 0

    def there(self) -> bool:
        return self.found is not None

    def ready(self) -> bool:
        return self.cell.result() is not None

    def folder(self) -> Path | None:
        return self.found

    def run(self, context: Context) -> None:
        self.found, _ = verify.run(self.cell, self.part, context)

    def settle(self) -> None:
        pass  # the head asks the stage itself, which finds it done


def nodes_of(plan: Plan, *, asked: bool) -> list[Node]:
    """The nodes of a plan, what comes first in front."""
    nodes: list[Node] = [PretrainNode(each) for each in plan.pretrainings]
    nodes += [SearchNode(search, rounds, asked) for search, rounds in plan.searches]
    nodes += [CellNode(cell) for cell in plan.cells]
    return nodes


def holder(node: Node) -> str | None:
    """Which other process works on a node now, in words."""
    folder = None if node.there() else node.folder()
    if folder is None or not folder.is_dir():
        return None
    held = _core.Ledger.holder(str(folder))
    return None if held is None else f"process {held['pid']} on {held['host']} works on it"


def _settle(node: Node) -> None:
    until = time.monotonic() + SETTLING
    while not node.there():
        if time.monotonic() > until:
            raise LedgerError(
                f"{node.label}: a worker has done it, but {SETTLING:.0f} s later its result is "
                "not to be seen here",
                hint="the runs folder must be one that all machines share; run again to go on",
            )
        time.sleep(0.2)
