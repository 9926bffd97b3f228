"""Walk a plan on an engine: what is done is skipped, what others work on is left to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dwlt.errors import DwltError
from dwlt.events import Message, StageDone, StageStarted
from dwlt.grid.engines.base import WAIT, Engine, Rules
from dwlt.grid.engines.local import Local
from dwlt.grid.nodes import CellNode, Node, nodes_of
from dwlt.results import TransferResult
from dwlt.runs.context import Context
from dwlt.runs.plan import Plan
from dwlt.stages.common import open_task

__all__ = ["WAIT", "Policy", "cells", "walk"]


@dataclass(frozen=True)
class Policy(Rules):
    """How a plan is walked: what to do about failures, and on which engine.

    Attributes:
        engine: this process, where nothing else is said.
    """

    engine: Engine = field(default_factory=Local)


def walk(plan: Plan, context: Context, policy: Policy, *, asked: bool) -> None:
    """Do everything in a plan that is not done.

    Args:
        asked: whether the plan's rounds are how far the searches are to go; see ``prune.run``.

    Raises:
        InterruptError: the user asked to stop.
        DwltError: something failed: at once, or with ``keep_going`` after everything else. What
            is done by then stays done.
    """
    nodes = nodes_of(plan, asked=asked)
    shown = _Shown(plan, context, here=isinstance(policy.engine, Local))
    _look_ahead(nodes, plan, context, keep_going=policy.keep_going)
    failed = policy.engine.walk(nodes, context, policy, shown.begin)
    if failed:
        raise _summary(failed, len(nodes))
    shown.end()


def cells(plan: Plan) -> list[tuple[Path, TransferResult]]:
    """Run folder and result of each cell of a plan that has been walked, in its order."""
    found = []
    for cell in plan.cells:
        folder, result = cell.folder(), cell.result()
        assert folder is not None
        assert result is not None
        found.append((folder, result))
    return found


def _look_ahead(nodes: Sequence[Node], plan: Plan, context: Context, *, keep_going: bool) -> None:
    """Open the downstream tasks before earlier stages cost hours: they may not be readable."""
    if all(node.there() for node in nodes if not isinstance(node, CellNode)):
        return
    for spec in {cell.spec.data.task: cell.spec for cell in plan.cells}.values():
        try:
            open_task(spec, context)
        except DwltError as error:
            if not keep_going:
                raise
            context.observe(Message(f"{spec.data.task}: {error}", warning=True))


@dataclass
class _Shown:
    """What is said of a walk as a whole: that its cells begin, and that they are done.

    Attributes:
        here: whether this process computes them; another engine says itself what it begins.
    """

    plan: Plan
    context: Context
    here: bool
    in_cells: bool = False
    worked: bool = False

    def begin(self, node: Node) -> None:
        """A node begins that may be done already."""
        cell = isinstance(node, CellNode)
        if cell and not node.there():
            self.worked = True
            if self.here and not self.in_cells:
                self._announce()
                self.in_cells = True
        elif not cell:
            self.in_cells = False

    def _announce(self) -> None:
        """Say how many cells there are to do, when the first one begins."""
        # Dense cells may stand in the plan more than once, under several searches.
        all_ = {str(cell.folder() or cell): cell for cell in self.plan.cells}
        todo = [cell for cell in all_.values() if cell.result() is None]
        tasks = {cell.spec.data.task for cell in todo}
        regimes = {cell.spec.train.regime for cell in todo}
        self.context.observe(
            StageStarted(
                "transfer",
                f"{' and '.join(sorted(regimes))} training on {', '.join(sorted(tasks))}, "
                f"{len(todo)} of {len(all_)} cells to do",
                sum(cell.spec.train.epochs for cell in todo),
            )
        )

    def end(self) -> None:
        """Say that the cells are done."""
        if self.plan.cells:
            runs = self.plan.cells[0].search.pretraining.runs
            self.context.observe(
                StageDone("transfer", str(runs / "transfer"), reused=not self.worked)
            )


def _summary(failed: list[tuple[str, str]], nodes: int) -> DwltError:
    label, error = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return DwltError(
        f"{len(failed)} of {nodes} runs failed or were left out: {label}: {error}{more}",
        hint="everything else is done; `dwlt runs` names them; --retry-failed tries them again",
    )
