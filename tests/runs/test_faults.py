"""Every operation on the disk fails once; the command run again ends with the same bytes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dwlt.errors import DwltError
from dwlt.grid.walk import Policy, walk
from dwlt.runs.context import Context
from dwlt.runs.plan import Plan
from dwlt.runs.verify import verify_run
from dwlt.spec import Experiment, ScoreSpec, load_experiment
from tests.runs.faults import MODES, Faults, Killed

SETTINGS = (
    "source.per_class=6",
    "downstream.per_class=6",
    "model.width=2",
    "attack.evaluate.steps=1",
    "attack.adversarial.steps=1",
    "pretrain.train.epochs=1",
    "prune.rounds=1",
    "prune.train.epochs=1",
    "transfer.seeds=1",
    "transfer.rounds=[1]",
    "transfer.train.epochs=1",
)

SAMPLE = 12
"""How many of all failures the quick tests try; the slow test tries every one."""


@dataclass
class Command:
    """One experiment: pre-training, search, one transfer, and an evaluation of what came of it."""

    experiment: Experiment
    runs: Path
    memo: dict[str, Any] = field(default_factory=dict)

    def __call__(self) -> None:
        from dwlt.stages import evaluate

        context = Context(
            self.runs, self.runs, "cpu", 0, 1, lambda event: None, lambda: False, dict(self.memo)
        )
        plan = Plan.of(self.experiment, self.runs, ["standard"])
        walk(plan, context, Policy(), asked=True)
        folder = plan.cells[0].folder()
        assert folder is not None
        wanted = evaluate.EvaluationRequest(ScoreSpec())
        evaluate.run(self.experiment, wanted, folder / "best-sa.safetensors", context)
        self.memo.update(context.memo)

    def with_faults(self, faults: Faults) -> None:
        with pytest.MonkeyPatch.context() as patch:
            faults.install(patch)
            self()


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return load_experiment(changes=SETTINGS)


@pytest.fixture(scope="module")
def undisturbed(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Command:
    command = Command(experiment, tmp_path_factory.mktemp("undisturbed") / "runs")
    command()
    return command


def content(runs: Path) -> dict[str, Any]:
    """Everything that a command leaves, without times and places."""
    found: dict[str, Any] = {}
    for path in sorted(runs.rglob("*")):
        name = str(path.relative_to(runs))
        if path.is_dir() or path.name in ("journal", ".lock"):
            continue
        if path.suffix in (".json", ".jsonl"):
            lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
            values = [json.loads(line) for line in lines]
            for value in values:
                for key in ("seconds", "finished", "model", "waiting"):
                    value.pop(key, None)
            found[name] = values
        else:
            found[name] = path.read_bytes()
    return found


def faults_of(undisturbed: Command, runs: Path) -> list[str]:
    """The names of a command's operations."""
    faults = Faults(runs)
    Command(undisturbed.experiment, runs, undisturbed.memo).with_faults(faults)
    shutil.rmtree(runs)
    return faults.names


def cases(count: int) -> Iterator[tuple[int, str]]:
    return ((at, mode) for at in range(count) for mode in MODES)


def try_one(undisturbed: Command, runs: Path, at: int, mode: str) -> None:
    command = Command(undisturbed.experiment, runs, undisturbed.memo)
    faults = Faults(runs, at, mode)
    try:
        command.with_faults(faults)
    except (DwltError, OSError, Killed):
        passed = False
    else:
        passed = True
    where = f"{mode} at {at}: {faults.names[at]}"
    # A plan asks again for a result that could not be read, an empty folder is left where it cannot
    # be removed, and a dry run's estimate is a note. Nothing else passes unnoticed.
    harmless = re.fullmatch(r"read_bytes (result|[0-9a-f]{8})\.json|rmdir shards", faults.names[at])
    assert not passed or (mode == "refused" and harmless), where
    command()
    assert content(runs) == content(undisturbed.runs), where
    for folder in runs.glob("*/*"):
        assert verify_run(folder) == [], where
    shutil.rmtree(runs)


def test_a_sample_of_failures(undisturbed: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    every = list(cases(len(faults_of(undisturbed, runs))))
    stride = len(every) // SAMPLE
    # Another sample would do; a stride that is no multiple of three changes the mode too.
    for at, mode in every[:: stride + (stride % 3 == 0)]:
        try_one(undisturbed, runs, at, mode)


@pytest.mark.slow
def test_every_failure(undisturbed: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for at, mode in cases(len(faults_of(undisturbed, runs))):
        try_one(undisturbed, runs, at, mode)


def test_the_layer_sees_all_kinds_of_operation(undisturbed: Command, tmp_path: Path) -> None:
    seen = {name.split()[0].rstrip(",") for name in faults_of(undisturbed, tmp_path / "runs")}
    wanted = {"write", "lock", "note", "finish", "mkdir", "unlink", "read", "read_bytes"}
    assert seen >= wanted


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Writing beyond so many bytes of any file fails in the kernel, as on a full disk."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files here")
def test_a_disk_that_takes_no_more(undisturbed: Command, tmp_path: Path) -> None:
    command = Command(undisturbed.experiment, tmp_path / "runs", undisturbed.memo)
    sizes = {path.stat().st_size for path in undisturbed.runs.rglob("*.*")} - {0}
    # Ascending, one command after another in one folder: each comes a little further.
    for size in [1, *(size - 1 for size in sorted(sizes)[::2])]:
        with files_end_at(size), pytest.raises((DwltError, OSError)) as caught:
            command()
        assert "File too large" in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    command()
    assert content(command.runs) == content(undisturbed.runs)
    assert not list(command.runs.rglob("*.dwlt-tmp"))
    for folder in command.runs.glob("*/*"):
        assert verify_run(folder) == []
