"""Open, resume and finish a run: specs and results on disk, bookkeeping in the Rust ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tomli_w

from dwlt import _core
from dwlt.errors import DataError, DwltError, InterruptError
from dwlt.events import Observer
from dwlt.results.files import FORMAT, environment, to_json
from dwlt.runs import layout
from dwlt.spec import StageSpec, identity_values


@dataclass(frozen=True)
class Context:
    """Where and how stages work, apart from what decides their numbers.

    Attributes:
        runs: the folder that holds all runs.
        data_dir: where data sets are looked for and downloaded to.
        device: "auto", "cpu", "cuda" or "cuda:i".
        threads: CPU threads to compute with; None leaves PyTorch's choice.
        workers: processes that read images of large sets.
        observe: is told of everything that happens.
        stop: polled between steps; True asks to stop at the next safe point.
        memo: what one command has opened and may need again, by name.
    """

    runs: Path
    data_dir: Path
    device: str
    workers: int
    threads: int | None
    observe: Observer
    stop: Callable[[], bool]
    memo: dict[str, Any] = field(default_factory=dict)


def run_id(stage: str, spec: StageSpec, starts: Mapping[str, str]) -> str:
    """The id8 of a run: digest of its non-default values and of what it starts from."""
    values = json.dumps(identity_values(spec), sort_keys=True, separators=(",", ":"))
    return _core.run_id(stage, values, dict(starts))


class Run:
    """A run folder, held by this process until closed.

    Use as a context manager. ``plan`` names the steps in order, each with the file that, once
    it exists, means the step is done.

    Raises:
        BusyError: another process holds the folder.
        LedgerError: the folder belongs to another spec or its journal is damaged.
    """

    def __init__(
        self,
        folder: Path,
        spec: StageSpec,
        starts: Mapping[str, str],
        plan: Sequence[tuple[str, str]],
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.starts = dict(starts)
        self.id = layout.id_of(folder)
        self._opened = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        header = {"id": self.id, "starts": self.starts}
        self.ledger = _core.Ledger.open(str(folder), json.dumps(header), list(plan))
        if not (folder / layout.SPEC).exists():
            self.write(layout.SPEC, tomli_w.dumps(spec_values(spec)).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, InterruptError):
            # For whoever walks a grid or lists the runs. What is done stays done.
            text = str(error).strip() or type(error).__name__
            # On a full disk even the note fails, and must not hide why.
            with suppress(DwltError, OSError):
                self.ledger.note(json.dumps({"event": "failed", "error": text.splitlines()[0]}))
        self.ledger.close()

    def write(self, name: str, content: bytes) -> None:
        """Write a file of this run atomically: temporary sibling, fsync, rename."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _core.write_atomic(str(path), content)

    def begin(self, images: str, device: str) -> None:
        """Note where work goes on, and tie the run to its images.

        Args:
            images: the fingerprint of the task's images.
            device: in words; with versions it tells where a resumed run's numbers come from.

        Raises:
            DataError: the images are not those that the run began with.
        """
        self.bind("images", images)
        note = {"event": "work", "environment": environment(device)}
        self.ledger.note(json.dumps(note))

    def bind(self, what: str, digest: str) -> None:
        """Tie the run to something it uses; a later session must find the same.

        Raises:
            DataError: it was tied to another digest before.
        """
        for record in _core.Ledger.read(str(self.folder)):
            entry = json.loads(record)
            if entry.get("event") == "bind" and entry.get("what") == what:
                if entry["digest"] != digest:
                    raise DataError(
                        f"the {what} of run {self.folder.name} have changed since it began",
                        hint=f"put the old {what} back, or remove {self.folder} and start over",
                    )
                return
        self.ledger.note(json.dumps({"event": "bind", "what": what, "digest": digest}))

    def finish(
        self,
        step: str,
        result: Mapping[str, Any],
        *,
        files: Sequence[str] = (),
        into: str = "",
        device: str,
    ) -> dict[str, Any]:
        """Write a step's ``result.json`` (last of its files) and journal the step.

        Args:
            step: the plan's word for it.
            result: what this stage found; identity, environment and times are added.
            files: the step's other files, relative to the run folder, journalled by digest.
            into: subfolder of the result, "" for the run folder itself.
            device: what the numbers were computed on, in words.
        """
        complete = {
            **FORMAT,
            "stage": self.folder.parent.name,
            "id": self.id,
            "name": self.spec.name,
            "spec": spec_values(self.spec),
            "starts": self.starts,
            "environment": environment(device),
            "seconds": round(time.monotonic() - self._opened, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            **result,
        }
        name = str(Path(into) / layout.RESULT)
        self.write(name, to_json(complete))
        self.ledger.commit(step, [*files, name])
        self._opened = time.monotonic()
        return complete


def spec_values(spec: StageSpec) -> dict[str, Any]:
    """A spec as plain values, every setting spelled out, None left out (TOML has no null)."""
    values: dict[str, Any] = spec.model_dump(mode="json", exclude_none=True)
    return values
