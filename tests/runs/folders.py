"""Run folders to damage: a copy of one that version 1 wrote, and a stage that computes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dwlt import _core
from dwlt.events import Event, Message
from dwlt.results import TransferResult
from dwlt.runs.complete import Completed, Prepared, StepResult, Work, complete
from dwlt.runs.context import Context
from dwlt.runs.store import Run
from dwlt.spec import PretrainSpec, TransferSpec, load_experiment

GOLDEN = Path(__file__).parents[1] / "golden" / "runs-v1" / "runs"


def golden(tmp_path: Path) -> Path:
    """A runs folder of version 1, to be changed."""
    shutil.copytree(GOLDEN, tmp_path / "runs")
    return tmp_path / "runs"


def context(runs: Path, events: list[Event] | None = None) -> Context:
    """The context of a command on the CPU."""
    told: Callable[[Event], None] = (lambda event: None) if events is None else events.append
    return Context(runs, runs / "data", "cpu", 0, 1, told, lambda: False)


def notices(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]


def found_by(stage: str) -> dict[str, Any]:
    """What a stage found, besides the identity that every result has: of a run of version 1."""
    path = next(GOLDEN.glob(f"{stage}/*/result.json"))
    value = json.loads(path.read_bytes())
    shared = ("format", "version", "stage", "id", "name", "spec", "starts", "environment")
    return {
        key: value[key] for key in value if key not in (*shared, "seconds", "finished", "waiting")
    }


def transfer_spec() -> TransferSpec:
    return load_experiment().transfer_spec("standard", 0, 0)


def pretrain_spec() -> PretrainSpec:
    return load_experiment().pretrain_spec()


class Fake(Work[TransferResult]):
    """A ``transfer`` whose three files hold a word.

    Attributes:
        done: how often its step was computed.
        fail: raised in the step, if set.
    """

    result = TransferResult

    def __init__(self) -> None:
        self.done = 0
        self.prepared = 0
        self.fail: BaseException | None = None

    def prepare(self) -> Prepared:
        self.prepared += 1
        return Prepared("images", "cpu")

    def do(self, run: Run, step: str) -> StepResult:
        self.done += 1
        if self.fail is not None:
            raise self.fail
        files = ["metrics.jsonl", "best-sa.safetensors", "best-ra.safetensors"]
        for name in files:
            run.write(name, f"content of {name}".encode())
        return StepResult(found_by("transfer"), files)


def run_fake(
    runs: Path, events: list[Event] | None = None, work: Fake | None = None
) -> Completed[TransferResult]:
    """The fake stage's command."""
    return complete(transfer_spec(), {"weights": "b3:0"}, work or Fake(), context(runs, events))


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _core.Ledger.read(str(folder))]


def words(folder: Path) -> list[str]:
    """The events of a journal, in order."""
    return [entry["event"] for entry in journal(folder)]


def drop_lines(folder: Path, count: int) -> None:
    """Take the last lines from a journal, as a crash does that came before they were written."""
    path = folder / "journal"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-count]))
