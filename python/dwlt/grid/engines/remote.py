"""The head of an engine whose tasks are computed elsewhere: what is ready is sent, and waited for.

Decisions stay here (what comes next, what to do about failures); a worker does one node. A task
whose worker is lost is sent again; what its stage had saved by then is gone on with.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dwlt import errors
from dwlt.errors import DwltError, UserError
from dwlt.events import EpochDone, Message, StageDone, StageStarted, StepDone, StepStarted
from dwlt.grid.engines.base import WAIT, Cluster, Failed, Outcome, Resources, Rules, Task
from dwlt.grid.engines.local import missing, old_failure
from dwlt.grid.engines.session import Session
from dwlt.grid.engines.signals import own_signals
from dwlt.grid.nodes import Node, holder
from dwlt.runs.context import Context
from dwlt.stages.common import stopped

TRIES = 4
"""How often a task is sent whose worker is lost: a machine that goes is no fault of the task, but
one that needs too much memory would be killed for ever."""

RECHECK = 5.0
"""Seconds between two looks at runs that processes outside this engine hold."""

PATIENCE = 60.0
"""Seconds that workers have to stop at the next step, before they are cancelled."""


@dataclass
class Remote:
    """An engine on a cluster. One session lasts as long as the command.

    Attributes:
        cluster: how tasks get there and back.
        resources: of a task.
    """

    cluster: Cluster
    resources: Resources
    _session: Session | None = None
    _sent: int = 0

    def walk(
        self, nodes: Sequence[Node], context: Context, rules: Rules, begin: Callable[[Node], None]
    ) -> Failed:
        """See ``Engine``."""
        left = [node for node in nodes if not node.there()]
        if not left:
            return []
        if self._session is None:
            self._session = self._open(context)
        self._session.go()
        epochs = sum(node.epochs for node in left)
        title = f"{len(left)} of {len(nodes)} runs to do, on {self.cluster.name}"
        context.observe(StageStarted("grid", title, epochs))
        try:
            return _Walk(self, self._session, left, context, rules, begin).run()
        except BaseException:
            self._session.stop()
            raise

    def close(self) -> None:
        """Cancel what still runs, and disconnect."""
        try:
            self.cluster.close()
        finally:
            if self._session is not None:
                self._session.close()

    def task(self, session: Session, context: Context, node: Node | None) -> Task:
        """A task for a node, with the next number."""
        self._sent += 1
        return Task(
            id=self._sent,
            session=session.folder.absolute(),
            token=session.token,
            cwd=str(Path.cwd()),
            path=tuple(str(Path(place).absolute()) for place in sys.path if Path(place).is_dir()),
            node=node,
            runs=context.runs,
            data_dir=context.data_dir,
            device=context.device,
            workers=context.workers,
            threads=context.threads or self.resources.cpus,
            engine=self.cluster.name,
            checkpoint_seconds=context.checkpoint_seconds,
        )

    def _open(self, context: Context) -> Session:
        """Start the cluster, and make sure that its machines see this runs folder and its locks.

        Raises:
            UserError: they do not.
        """
        context.runs.mkdir(parents=True, exist_ok=True)
        session = Session.begin(context.runs)
        try:
            with own_signals():
                self.cluster.start(session.folder.absolute(), context.device)
            probes = [self.task(session, context, None) for _ in range(self.cluster.places())]
            context.observe(Message(f"{self.cluster.name}: looking for the runs folder there"))
            self.cluster.submit(probes)
            waiting = {task.id for task in probes}
            while waiting:
                if context.stop():
                    raise stopped("the search for workers")
                for id_, outcome in self.cluster.poll():
                    waiting.discard(id_)
                    _require_shared(outcome, context.runs)
                time.sleep(WAIT / 5)
        except BaseException:
            session.close()
            raise
        return session


def _require_shared(outcome: Outcome, runs: Path) -> None:
    where = f" on {outcome.host}" if outcome.host else ""
    if outcome.status == "apart":
        raise UserError(
            f"the runs folder {runs.absolute()} is not shared with the worker{where}: "
            f"{outcome.error}",
            hint="give --runs a folder on a file system that head and workers share, with locks",
        )
    if outcome.status != "done":
        raise DwltError(
            f"a worker{where} cannot begin: {outcome.error or outcome.status}",
            hint="dwlt must be installed for the workers as it is here; see the engine's own logs",
        )


@dataclass
class _Walk:
    remote: Remote
    session: Session
    left: list[Node]
    context: Context
    rules: Rules
    begin: Callable[[Node], None]
    failed: Failed = field(default_factory=list)
    flying: dict[int, Node] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    shown: str = ""
    looked: float = 0.0

    def run(self) -> Failed:
        changed, waiting = True, ""
        while self.left or self.flying:
            if self.context.stop():
                self._wind_down()
                raise stopped("the grid")
            if changed or time.monotonic() - self.looked > RECHECK:
                busy = self._send()
                self.looked = time.monotonic()
                if not self.flying and self.left:
                    if not busy:
                        return self.failed + missing(self.left)
                    if busy[0] != waiting:
                        self.context.observe(Message(f"waiting: {busy[0]}"))
                    waiting = busy[0]
            changed = self._receive()
            if not changed:
                time.sleep(WAIT)
        return self.failed

    def _send(self) -> list[str]:
        """Submit what is ready; returns who holds the nodes that others work on."""
        wave: list[Node] = []
        rest: list[Node] = []
        busy: list[str] = []
        for node in self.left:
            if node.there():
                continue
            if not node.ready():
                rest.append(node)
            elif held := holder(node):
                rest.append(node)
                busy.append(f"{node.label}: {held}")
            elif old := old_failure(node, self.rules):
                self.failed.append((node.label, old))
            elif any(_same(node, other) for other in wave) or any(
                _same(node, other) for other in self.flying.values()
            ):
                # Dense cells stand in a plan more than once, under several searches.
                rest.append(node)
            else:
                wave.append(node)
        tasks = []
        for node in wave:
            self.begin(node)
            task = self.remote.task(self.session, self.context, node)
            self.flying[task.id] = node
            tasks.append(task)
        if tasks:
            self.remote.cluster.submit(tasks)
        self.left = rest
        return busy

    def _receive(self) -> bool:
        """Pass on what workers report, and take in the tasks that have ended."""
        ended = self.remote.cluster.poll()
        for id_, node in self.flying.items():
            self._tell(id_, node)
        # Off the list before one of them is found to have failed: nobody waits for them any more.
        for node, outcome in [(self.flying.pop(id_), outcome) for id_, outcome in ended]:
            self._take(node, outcome)
        return bool(ended)

    def _take(self, node: Node, outcome: Outcome) -> None:
        match outcome.status:
            case "done":
                node.settle()
            case "busy" | "stopped":
                self.left.append(node)
            case "lost":
                self._again(node, outcome)
            case "apart":
                _require_shared(outcome, self.context.runs)
            case "failed":
                self._failed(node, outcome)
            case "fault":
                raise DwltError(f"{node.label}, on {outcome.host}: {outcome.error}")

    def _again(self, node: Node, outcome: Outcome) -> None:
        self.lost[node.label] += 1
        again = self.lost[node.label] < TRIES
        what = "it is sent again" if again else f"it was sent {TRIES} times"
        text = f"{node.label}: its worker is lost ({outcome.error}); {what}"
        if again:
            self.context.observe(Message(text, warning=True))
            self.left.append(node)
        else:
            self._failed(node, Outcome("failed", text, "see the engine's own logs"))

    def _failed(self, node: Node, outcome: Outcome) -> None:
        if not self.rules.keep_going:
            self._wind_down()
            kind = getattr(errors, outcome.kind or "DwltError", DwltError)
            raise kind(outcome.error, hint=outcome.hint)
        self.failed.append((node.label, outcome.error))
        self.context.observe(Message(f"{node.label}: {outcome.error}", warning=True))

    def _wind_down(self) -> None:
        """Ask workers to stop at the next step, and give them time to."""
        self.session.stop()
        until = time.monotonic() + PATIENCE
        while self.flying and time.monotonic() < until:
            for id_, _ in self.remote.cluster.poll():
                self.flying.pop(id_, None)
            time.sleep(WAIT / 5)

    def _tell(self, id_: int, node: Node) -> None:
        """One display for all: epochs count together, and each line says whose it is."""
        for event in self.session.news(id_):
            match event:
                case StageStarted() | StageDone():
                    continue
                case StepStarted():
                    if event.resumed_at:
                        self.context.observe(
                            StepStarted(node.label, event.epochs, event.resumed_at)
                        )
                        self.shown = node.label
                case EpochDone():
                    if self.shown != node.label:
                        self.context.observe(StepStarted(node.label, event.epochs))
                        self.shown = node.label
                    self.context.observe(event)
                case StepDone():
                    # A cell is a node and a step at the same time.
                    own = node.label.endswith(event.label)
                    label = node.label if own else f"{node.label}, {event.label}"
                    self.context.observe(StepDone(label, event.summary))
                case Message():
                    self.context.observe(Message(f"{node.label}: {event.text}", event.warning))
                case _:
                    self.context.observe(event)


def _same(a: Node, b: Node) -> bool:
    folder = a.folder()
    return folder is not None and folder == b.folder()
