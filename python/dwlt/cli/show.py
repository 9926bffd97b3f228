"""The one file that knows Rich: live progress, plain lines without a terminal, tables."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from dwlt.cli.cells import duration, format_metrics
from dwlt.cli.streams import echo, on_terminal, printable, room
from dwlt.events import (
    EpochDone,
    Event,
    Message,
    ShardDone,
    StageDone,
    StageStarted,
    StepDone,
    StepStarted,
)

FOLDED = 16
"""Columns that a folded text keeps at least; narrower, it would be hard to read."""

PLAIN_EVERY = 10.0
"""Seconds between epoch lines when there is no terminal: enough to follow, too few to flood."""

WAITING = 0.05
"""Share of the time that steps wait for images from which on it is worth saying."""

WATCHED = 1_000_000_000
"""Bytes from which on work in one call is worth watching."""


class Show:
    """Shows events on stderr, data on stdout. A context manager around the work."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._live = on_terminal(sys.stderr) and not quiet
        self._progress = Progress(
            TextColumn("[bold]{task.fields[stage]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[step]} {task.fields[metrics]}"),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._total = self._done = 0
        self._began = self._last_line = time.monotonic()
        self._step = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def event(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StageStarted():
                self._start(event)
            case StepStarted():
                self._step = event.label
                resumed = f" (resuming after epoch {event.resumed_at})" if event.resumed_at else ""
                self._update(step=event.label, metrics="")
                if resumed:
                    self.say(f"  {event.label}{resumed}")
            case EpochDone():
                self._epoch(event)
            case ShardDone():
                self._shard(event)
            case StepDone():
                self.say(f"  {event.label}: {event.summary}")
            case StageDone():
                self._end(event)
            case Message():
                self.say(f"{'warning: ' if event.warning else ''}{event.text}")

    def clear_line(self) -> None:
        """On a terminal, wipe what a command has said while it was loading."""
        if self._live:
            self._console.print("\x1b[2K\r", end="")

    def say(self, text: str) -> None:
        """A line for people, on stderr."""
        lines = (printable(line, sys.stderr) for line in text.split("\n"))
        shown = "\n".join(lines)
        # On a terminal lines break between words; a path that is too long stays in one piece, so
        # that it can be copied.
        long = any(cell_len(word) > self._console.width for word in shown.split())
        self._console.print(Text(shown), soft_wrap=long or not self._live)

    def stopping(self) -> None:
        """Answer Ctrl-C at once, though the stop itself comes at the next step."""
        self.say("stopping after this step; press Ctrl-C again to stop at once")

    def table(
        self,
        title: str,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        left: int = 1,
        optional: Sequence[str] = (),
    ) -> None:
        """A table on stdout; the first ``left`` columns are text, the others numbers.

        Plain aligned columns without rules at the sides: the same in a terminal, a pipe and a
        paper. A table wider than the terminal loses its ``optional`` columns, in that order; then
        its widest text is folded, if that is enough. Else it is left to wrap, since a cut number
        is worse than a long line.
        """
        if self._console.quiet:
            return
        available = room()
        head = [printable(cell, sys.stdout) for cell in head]
        rows = [[printable(cell, sys.stdout) for cell in row] for row in rows]
        shown = list(range(len(head)))
        for name in optional:
            if _width([head, *rows], shown) <= available:
                break
            shown = [index for index in shown if head[index] != name]
        lines = [[row[index] for index in shown] for row in (head, *rows)]
        widths = [max(cell_len(cell) for cell in column) for column in zip(*lines, strict=True)]
        # No box: a rule under the head is enough, and every sign counts in 80 columns.
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        texts = [index for index in range(len(shown)) if shown[index] < left]
        folded = max(texts, key=widths.__getitem__, default=0)
        fits = widths[folded] - max(0, _width([head, *rows], shown) - available)
        if texts and fits >= FOLDED:
            widths[folded] = fits
        for index, width in enumerate(widths):
            side: Literal["left", "right"] = "left" if index in texts else "right"
            table.add_column(justify=side, width=width, overflow="fold")
        rule = printable("─", sys.stdout)
        table.add_row(*(Text(name, style="bold") for name in lines[0]))
        table.add_row(*(rule * width for width in widths))
        for line in lines[1:]:
            table.add_row(*(Text(cell) for cell in line))
        wide = max(available, sum(widths) + 2 * (len(widths) - 1))
        # Rich takes a width of ours at its word only beside a height, and else cuts at 80 columns
        # where TERM is dumb.
        console = Console(highlight=False, width=wide, height=len(lines) + 1)
        if title:
            text = Text(f"\n{printable(title, sys.stdout)}", style="bold")
            console.print(text, soft_wrap=not on_terminal(sys.stdout))
        console.print(table, soft_wrap=wide > available)

    def _start(self, event: StageStarted) -> None:
        self._total, self._done = event.epochs, 0
        self._began = self._last_line = time.monotonic()
        self.say(f"{event.stage}: {event.title}")
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(
            "", total=event.epochs or None, stage=event.stage, unit="epochs", step="", metrics=""
        )

    def _end(self, event: StageDone) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        done = "already done" if event.reused else "done"
        self.say(f"{event.stage}: {done} ({event.folder})")

    def _update(self, **fields: Any) -> None:
        if self._task is not None:
            self._progress.update(self._task, **fields)

    def _epoch(self, event: EpochDone) -> None:
        self._done += 1
        metrics = format_metrics(event.metrics)
        if event.waiting is not None and event.waiting >= WAITING:
            metrics += f", {event.waiting:.0%} of the time waiting for images"
        self._update(advance=1, metrics=f"epoch {event.epoch}/{event.epochs} {metrics}")
        now = time.monotonic()
        if not self._live and now - self._last_line >= PLAIN_EVERY:
            self._last_line = now
            left = (now - self._began) / self._done * max(0, self._total - self._done)
            self.say(
                f"  {self._step} epoch {event.epoch}/{event.epochs} {metrics}; "
                f"about {duration(left)} left"
            )

    def _shard(self, event: ShardDone) -> None:
        left = "" if event.left is None else f", about {duration(event.left)} left"
        text = f"{event.standing:,} of {event.n:,} stand{left}"
        if self._task is not None:
            self._progress.update(
                self._task,
                completed=event.shard,
                total=event.shards,
                unit="shards",
                step=event.step,
                metrics=text,
            )
        now = time.monotonic()
        if not self._live and now - self._last_line >= PLAIN_EVERY:
            self._last_line = now
            self.say(f"  {event.step}, shard {event.shard}/{event.shards}: {text}")


@contextmanager
def watch(
    title: str, total: int, done: Callable[[], int], *, quiet: bool = False
) -> Iterator[None]:
    """Show how much of long work in one call is done, while it goes on.

    Args:
        title: what is being done.
        total: bytes in all.
        done: bytes done by now; called from another thread.
        quiet: show nothing.
    """
    if quiet or total < WATCHED:
        yield
        return
    console, live = Console(stderr=True, highlight=False), on_terminal(sys.stderr)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not live,
    )
    over = threading.Event()

    def follow() -> None:
        task, last = bar.add_task(title, total=total), time.monotonic()
        while not over.wait(0.2):
            bar.update(task, completed=min(done(), total))
            if not live and time.monotonic() - last >= PLAIN_EVERY:
                last = time.monotonic()
                console.print(f"{title}: {min(done() / total, 1):.0%} of {total / 1e9:.1f} GB")

    thread = threading.Thread(target=follow, daemon=True)
    with bar:
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _width(rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    """Columns that a table takes: the widest cell of each, and two between neighbours."""
    widest = (max(cell_len(row[index]) for row in rows) for index in shown)
    return sum(widest) + 2 * (len(shown) - 1)


def emit_json(value: Any) -> None:
    """Data to stdout, for programs."""
    # ASCII, so that it is the same on a stream of any encoding.
    echo(json.dumps(value, indent=1, sort_keys=True, allow_nan=False))
