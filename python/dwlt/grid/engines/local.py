"""The engine ``local``: this process does one node after the other.

Several processes may walk one runs folder. Each run is held by one of them at a time, so no cell
is computed twice; a process without anything to do waits for the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dwlt.errors import BusyError, DwltError, InterruptError
from dwlt.events import Message
from dwlt.grid.engines.base import FAILURES, WAIT, Failed, Rules
from dwlt.grid.nodes import Node, holder
from dwlt.runs.context import Context
from dwlt.runs.state import failure
from dwlt.stages.common import stopped


class Local:
    """This process."""

    def walk(
        self, nodes: Sequence[Node], context: Context, rules: Rules, begin: Callable[[Node], None]
    ) -> Failed:
        """See ``Engine``."""
        return _Passes(list(nodes), context, rules, begin).run()

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class _Passes:
    """Passes over the nodes that are left, until nothing is, or nothing can be done any more."""

    nodes: list[Node]
    context: Context
    rules: Rules
    begin: Callable[[Node], None]
    failed: Failed = field(default_factory=list)

    def run(self) -> Failed:
        left, waiting = self.nodes, False
        while left:
            rest, busy = self._pass(left)
            moved = len(rest) < len(left)
            left = rest
            if moved:
                waiting = False
            elif not busy:
                self.failed += missing(left)
                break
            else:
                if not waiting:
                    self.context.observe(Message(f"waiting: {busy[0]}"))
                waiting = True
                time.sleep(WAIT)
        return self.failed

    def _pass(self, nodes: list[Node]) -> tuple[list[Node], list[str]]:
        """Try each node once; returns those that are left, and who holds the busy ones."""
        left: list[Node] = []
        busy: list[str] = []
        for node in nodes:
            if self.context.stop():
                raise stopped("the grid")
            if not node.ready():
                left.append(node)
                continue
            if held := holder(node):
                left.append(node)
                busy.append(f"{node.label}: {held}")
                continue
            if old := old_failure(node, self.rules):
                self.failed.append((node.label, old))
                continue
            try:
                self.begin(node)
                node.run(self.context)
            except InterruptError:
                raise
            except BusyError as error:
                left.append(node)
                busy.append(f"{node.label}: {error}")
            except (DwltError, *FAILURES) as error:
                if not self.rules.keep_going:
                    raise
                self.failed.append((node.label, str(error) or type(error).__name__))
                self.context.observe(Message(f"{node.label}: {error}", warning=True))
        return left, busy


def missing(nodes: Sequence[Node]) -> Failed:
    """What is said of nodes that can never be begun."""
    return [(node.label, "what it starts from is missing") for node in nodes]


def old_failure(node: Node, rules: Rules) -> str | None:
    """Why a node failed in an earlier walk, where that means to leave it alone."""
    if not rules.keep_going or rules.retry_failed or node.there():
        return None
    folder = node.folder()
    return failure(folder) if folder is not None and folder.is_dir() else None
