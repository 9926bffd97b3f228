"""Trackers: what they are told, what the real packages read back, and that none stops a run."""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dwlt.cli.root import run
from dwlt.errors import UserError
from dwlt.events import EpochDone, Event, Message, StageDone, StageStarted, StepDone, StepStarted
from dwlt.trackers import NAMES, Follower, Tracker, open_tracker

EVENTS: list[Event] = [
    StageStarted("prune", "two rounds", 2),
    StepStarted("round 1", 2, 0),
    EpochDone(1, 2, 0.5, {"loss": 1.5, "sa": 0.25, "ra": None}),
    EpochDone(2, 2, 0.5, {"loss": 1.0, "sa": 0.5, "ra": None}),
    StepDone("round 1", "20.00% sparsity"),
    StepStarted("round 1", 2, 1),
    EpochDone(2, 2, 0.5, {"loss": 0.75}),
    StageDone("prune", "runs/prune/x", False),
]


class Noted:
    """Writes down what it is told; fails at a given call."""

    def __init__(self, fails: str = "") -> None:
        self.calls: list[tuple[object, ...]] = []
        self._fails = fails

    def _note(self, *call: object) -> None:
        if call[0] == self._fails:
            raise ValueError("no room\nat all")
        self.calls.append(call)

    def begin(self, name: str) -> None:
        self._note("begin", name)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self._note("log", epoch, dict(values))

    def end(self, summary: str) -> None:
        self._note("end", summary)

    def close(self) -> None:
        self._note("close")


def test_trackers_are_told_of_trainings() -> None:
    seen: list[Event] = []
    noted = Noted()
    follower = Follower(seen.append, {"noted": noted})
    for event in EVENTS:
        follower(event)
    follower.close()
    follower.close()
    assert seen == EVENTS
    assert noted.calls == [
        ("begin", "prune/round 1"),
        ("log", 1, {"loss": 1.5, "sa": 0.25, "seconds": 0.5}),
        ("log", 2, {"loss": 1.0, "sa": 0.5, "seconds": 0.5}),
        ("end", "20.00% sparsity"),
        # Another cell of the same name, as a grid has.
        ("begin", "prune/round 1 (2)"),
        ("log", 2, {"loss": 0.75, "seconds": 0.5}),
        ("close",),
    ]


@pytest.mark.parametrize("call", ["begin", "log", "end", "close"])
def test_one_that_fails_is_left_out_and_said(call: str) -> None:
    seen: list[Event] = []
    bad, good = Noted(call), Noted()
    follower = Follower(seen.append, {"bad": bad, "good": good})
    for event in EVENTS:
        follower(event)
    follower.close()
    said = [event for event in seen if isinstance(event, Message)]
    assert [one.warning for one in said] == [True]
    assert said[0].text == (
        "the tracker bad failed and is left out from here on: ValueError: no room"
    )
    assert len(good.calls) == 7
    assert call not in {name for name, *_ in bad.calls}


def test_what_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="there is no tracker 'tensorbord'") as told:
        open_tracker("tensorbord", tmp_path)
    assert "did you mean 'tensorboard'" in str(told.value.hint)
    monkeypatch.setitem(sys.modules, "dwlt.trackers.wandb_", None)
    with pytest.raises(UserError, match="the tracker wandb is not installed") as told:
        open_tracker("wandb", tmp_path)
    assert told.value.hint == "pip install 'dwlt[wandb]'"


def told(name: str, folder: Path) -> Path:
    tracker: Tracker = open_tracker(name, folder)
    follower = Follower(lambda event: None, {name: tracker})
    for event in EVENTS:
        follower(event)
    follower.close()
    return folder / name


def test_tensorboard_reads_what_a_command_wrote(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runs = tmp_path / "runs"
    words = ["pretrain", "--config", str(tiny), "--runs", str(runs), "--quiet"]
    assert run([*words, "--tracker", "tensorboard"]) == 0
    (file,) = (runs / "tensorboard").rglob("events.*")
    events = EventAccumulator(str(file.parent))
    events.Reload()
    assert {"loss", "seconds"} <= set(events.Tags()["scalars"])
    assert [one.step for one in events.Scalars("loss")] == [1, 2, 3]
    assert (runs / "tensorboard").parent == runs
    assert run(["runs", "--runs", str(runs)]) == 0


def test_a_tracker_that_fails_stops_no_command(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dwlt.cli.session.open_tracker", lambda name, folder: Noted("log"))
    runs = tmp_path / "runs"
    words = ["pretrain", "--config", str(tiny), "--runs", str(runs), "--tracker", "mlflow"]
    assert run(words) == 0
    assert "warning: the tracker mlflow failed and is left out" in capfd.readouterr().err
    assert list(runs.glob("pretrain/*/result.json"))


@pytest.mark.slow
def test_mlflow_reads_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = told("mlflow", tmp_path)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store.resolve().as_uri())
    experiment = client.get_experiment_by_name("dwlt")
    assert experiment is not None
    runs = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
    first = runs["prune/round 1"]
    history = client.get_metric_history(first.info.run_id, "loss")
    assert [(one.step, one.value) for one in history] == [(1, 1.5), (2, 1.0)]
    assert first.data.tags["summary"] == "20.00% sparsity"
    assert first.info.status == "FINISHED"
    assert runs["prune/round 1 (2)"].info.status == "KILLED"


def records(content: bytes) -> Iterator[bytes]:
    """The records of an offline file: LevelDB's log in blocks of 32 KiB, behind a header of 7.

    Each piece has a checksum (4 bytes), its length (2) and its kind (1: whole; 2, 3, 4: first,
    middle, last). W&B has the messages in Python, and the reader of files in its own binary.
    """
    at, held = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # no room for another head in this block
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        held += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield held
            held = b""


@pytest.mark.slow
def test_wandb_reads_its_offline_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    files = sorted(told("wandb", tmp_path).rglob("*.wandb"))
    assert len(files) == 2
    proto: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")

    names: list[str] = []
    losses: list[float] = []
    for file in files:
        for data in records(file.read_bytes()):
            record = proto.Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                names.append(record.run.display_name)
            items = record.history.item
            losses += [
                float(one.value_json) for one in items if "loss" in (one.key, *one.nested_key)
            ]
    assert {"prune/round 1", "prune/round 1 (2)"} <= set(names)
    assert sorted(losses) == [0.75, 1.0, 1.5]


def test_every_tracker_has_its_extra() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    assert set(NAMES) <= extras.keys()
