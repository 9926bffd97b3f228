"""How the head of an engine and its workers speak: files in a folder of the shared runs folder.

    runs/engine/<session>/token       proves that a worker sees the same folder
                          probe/      a run folder that the head holds, to test its locks
                          events/     a file of JSON lines per task: what its stage reports
                          logs/       what workers print, where the engine keeps that
                          stop        asks all workers to stop

Files need nothing from the engine, outlive a lost worker, and reach whoever follows a run.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dwlt import _core, events
from dwlt.errors import BusyError, DwltError
from dwlt.events import Event
from dwlt.grid.engines.base import Task
from dwlt.runs import layout

LOOK = 1.0
"""Seconds between two looks for the word to stop: it is asked at every training step."""

KINDS = {kind.__name__: kind for kind in events.KINDS}


@dataclass
class Session:
    """The head's side.

    Attributes:
        folder: of this session.
        token: what its file holds.
    """

    folder: Path
    token: str
    _held: _core.Ledger | None = None
    _read: dict[int, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, runs: Path) -> Session:
        """A new session below a runs folder, whose probe this process holds.

        Raises:
            OSError, DwltError: the folder cannot be written.
        """
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{secrets.token_hex(2)}"
        session = cls(layout.engine_session(runs, name), secrets.token_hex(16))
        for part in ("events", "logs", "probe"):
            (session.folder / part).mkdir(parents=True)
        _core.write_atomic(str(session.folder / "token"), session.token.encode())
        session._held = _core.Ledger.open(str(session.folder / "probe"), PROBE, STEPS)
        return session

    def news(self, task: int) -> Iterator[Event]:
        """What a task has reported since the last call; half a line is left for the next one."""
        path = _events(self.folder, task)
        try:
            with path.open("rb") as file:
                file.seek(self._read.get(task, 0))
                new = file.read()
        except FileNotFoundError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._read[task] = self._read.get(task, 0) + len(whole)
        for line in whole.splitlines():
            try:
                values = json.loads(line)
                yield KINDS[values.pop("event")](**values)
            except (ValueError, KeyError, TypeError):
                continue  # of a worker with another version; progress is no more than that

    def stop(self) -> None:
        """Ask all workers to stop at the next step."""
        (self.folder / "stop").touch()

    def go(self) -> None:
        """Take that back, before new tasks are sent."""
        (self.folder / "stop").unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the probe. The folder stays, with the logs in it."""
        if self._held is not None:
            self._held.close()
            self._held = None


PROBE = json.dumps({"id": "probe", "starts": {}})
STEPS = [("probe", "result.json")]


class Reporter:
    """A worker's side: writes events, and listens for the word to stop."""

    def __init__(self, session: Path, task: int) -> None:
        self._stop = session / "stop"
        self._looked = -LOOK
        self._stopped = False
        self._path = _events(session, task)

    def observe(self, event: Event) -> None:
        """Append one event. Where that fails, the work goes on."""
        line = json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n"
        try:
            with self._path.open("ab") as file:
                file.write(line.encode())
        except OSError:
            return

    def stop(self) -> bool:
        """Whether the head has asked to stop."""
        now = time.monotonic()
        if not self._stopped and now - self._looked >= LOOK:
            self._looked = now
            self._stopped = self._stop.exists()
        return self._stopped


def apart(task: Task) -> str | None:
    """Why a worker cannot work in the head's runs folder; None where it can.

    The files must be the head's, and so must the locks: two machines that do not see each other's
    locks would compute, and write, the same run.
    """
    try:
        found = (task.session / "token").read_text(encoding="utf-8")
    except OSError as error:
        return f"{task.session} cannot be read there ({error.strerror or error})"
    if found != task.token:
        return f"{task.session} is another folder there"
    if task.node is not None:
        return None
    probe = str(task.session / "probe")
    try:
        _core.Ledger.open(probe, PROBE, STEPS).close()
    except BusyError:
        return None
    except (DwltError, OSError) as error:
        return f"{probe} cannot be locked there: {error}"
    return f"the lock that the head holds on {probe} is not seen there"


def _events(session: Path, task: int) -> Path:
    return session / "events" / f"{task:06d}.jsonl"
