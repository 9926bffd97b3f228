"""Killed anywhere and run again: the same bytes as a training that was left alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dwlt._core
from dwlt.errors import LedgerError
from dwlt.scoring import Scored, score
from dwlt.spec import AttackSpec, ScoreSpec, TrainSpec
from dwlt.training import CheckpointSlot, TrainJob, TrainOutcome, train
from dwlt.training.identity import identity_of
from dwlt.units import Eps
from tests.training.memory import blobs, small_net

STEP = AttackSpec(eps=Eps("0.1"), step=Eps("0.125"), steps=1)
SPEC = TrainSpec(
    regime="fast", epochs=4, batch_size=8, lr=0.05, schedule="cosine", warmup=1, attack=STEP
)
SCORE = ScoreSpec(attack=STEP)
HOOKS = ("on_epoch", "stop", "checkpoint_seconds")


class Killed(BaseException):
    """Nothing catches this, as nothing catches kill -9."""


def start() -> tuple[nn.Sequential, dict[str, nn.Parameter], dict[str, Tensor]]:
    net = small_net()
    weight = net[0].weight
    assert isinstance(weight, nn.Parameter)
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(2)) < 0.6
    return net, {"0.weight": weight}, {"0.weight": mask}


def attempt(
    folder: Path, spec: TrainSpec = SPEC, *, seed: int = 3, **options: Any
) -> tuple[TrainOutcome, nn.Sequential]:
    """One process's life: everything starts afresh but for the files."""
    folder.mkdir(exist_ok=True)
    net, prunable, masks = start()

    def score_epoch(epoch: int) -> Scored:
        return score(net, blobs(12, seed=7), SCORE, device="cpu")

    hooks = {name: options.pop(name) for name in HOOKS if name in options}
    values = {
        "model": net,
        "split": blobs(),
        "spec": spec,
        "seed": seed,
        "device": "cpu",
        "slot": CheckpointSlot(folder / "state.safetensors", {"run": "x"}),
        "prunable": prunable,
        "masks": masks,
        "held_out": blobs(12, seed=7),
        "keep_best": True,
    }
    outcome = train(TrainJob(**{**values, **options}), score_epoch=score_epoch, **hooks)
    return outcome, net


def essence(outcome: TrainOutcome, net: nn.Module, folder: Path) -> dict[str, Any]:
    """Everything that must not depend on interruptions; wall times do."""
    snapshots = {path.name: path.read_bytes() for path in folder.glob("*best*")}
    return {
        "weights": {name: value.numpy().tobytes() for name, value in net.state_dict().items()},
        "records": [replace(record, seconds=0) for record in outcome.records],
        "best": outcome.best,
        "snapshots": snapshots,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    outcome, net = attempt(folder)
    return essence(outcome, net, folder)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_stopped_every_few_steps(tmp_path: Path, whole: dict[str, Any], steps: int) -> None:
    # 4 epochs of 3 steps, dropout, masks and snapshots: each life takes a few steps further.
    lives = 0
    while True:
        lives += 1
        # Asked before every step, and once more before an epoch is scored.
        polls = iter(range(steps + 1))
        outcome, net = attempt(tmp_path, stop=lambda polls=polls: next(polls, steps) >= steps)
        if not outcome.interrupted:
            break
        assert 0 < 3 * outcome.epochs + outcome.steps <= lives * steps
    assert lives > 1
    assert essence(outcome, net, tmp_path) == whole


@pytest.mark.parametrize(("regime", "micro"), [("fast", 3), ("adversarial", 2)])
def test_a_step_in_pieces_resumes_exactly(tmp_path: Path, regime: str, micro: int) -> None:
    attack = STEP.model_copy(update={"mode": "train"})
    spec = SPEC.model_copy(update={"regime": regime, "micro_batch": micro, "attack": attack})
    outcome, net = attempt(tmp_path / "whole", spec)
    expected = essence(outcome, net, tmp_path / "whole")
    while True:
        polls = iter(range(3))
        outcome, net = attempt(
            tmp_path / "cut", spec, stop=lambda polls=polls: next(polls, None) is None
        )
        if not outcome.interrupted:
            break
    assert essence(outcome, net, tmp_path / "cut") == expected


def test_a_kill_between_checkpoints_loses_the_steps_since(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    # A checkpoint before every step; killed inside the third step of the second epoch.
    polls = 0

    def stop() -> bool:
        nonlocal polls
        polls += 1
        if polls == 7:
            raise Killed
        return False

    with pytest.raises(Killed):
        attempt(tmp_path, stop=stop, checkpoint_seconds=0.0)
    found = CheckpointSlot(tmp_path / "state.safetensors", {}).load_epochs()
    assert found == 1
    polls = -100
    outcome, net = attempt(tmp_path, stop=stop)
    # One of three steps of epoch 2 was saved: two and the look before scoring are left of it.
    assert polls == -100 + 3 + 4 + 4
    assert essence(outcome, net, tmp_path) == whole


def test_how_often_it_is_saved_changes_nothing(tmp_path: Path, whole: dict[str, Any]) -> None:
    outcome, net = attempt(tmp_path, checkpoint_seconds=0.0)
    assert essence(outcome, net, tmp_path) == whole


def test_a_checkpoint_of_before_a_setting_existed_is_gone_on_with(
    tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(job: TrainJob) -> dict[str, Any]:
        return {k: v for k, v in identity_of(job).items() if k != "train.micro_batch"}

    with monkeypatch.context() as patch:
        patch.setattr("dwlt.training.loop.identity_of", older)
        attempt(tmp_path, stop=iter([False] * 6 + [True]).__next__)
    with pytest.raises(LedgerError, match=r"its train\.micro_batch is null, not 4"):
        attempt(tmp_path, SPEC.model_copy(update={"micro_batch": 4}))
    outcome, net = attempt(tmp_path)
    assert essence(outcome, net, tmp_path) == whole


def test_a_checkpoint_of_before_a_setting_of_the_attack_existed_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, Any]
) -> None:
    def before(job: TrainJob) -> dict[str, Any]:
        found = identity_of(job)
        attack = {k: v for k, v in found["train.attack"].items() if k != "use_best"}
        return {**found, "train.attack": attack}

    with monkeypatch.context() as patch:
        patch.setattr("dwlt.training.loop.identity_of", before)
        attempt(tmp_path, stop=iter([False] * 6 + [True]).__next__)
    best = SPEC.model_copy(update={"attack": STEP.model_copy(update={"use_best": True})})
    with pytest.raises(LedgerError, match=r"its train\.attack is"):
        attempt(tmp_path, best)
    outcome, net = attempt(tmp_path)
    assert essence(outcome, net, tmp_path) == whole


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 9))
def test_killed_at_any_write(
    tmp_path: Path,
    whole: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    write: int,
    after: bool,
) -> None:
    real: Callable[[str, bytes], None] = dwlt._core.write_atomic
    count = 0

    def write_atomic(path: str, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == write and not after:
            raise Killed
        real(path, content)
        if count == write:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(dwlt._core, "write_atomic", write_atomic)
        # A checkpoint per epoch and a snapshot per improvement: at least 4 + 2 writes.
        killed = pytest.raises(Killed) if write <= 6 else contextlib.suppress(Killed)
        with killed:
            attempt(tmp_path)
    outcome, net = attempt(tmp_path)
    assert essence(outcome, net, tmp_path) == whole


def test_a_complete_training_is_not_trained_again(tmp_path: Path, whole: dict[str, Any]) -> None:
    attempt(tmp_path)
    outcome, net = attempt(tmp_path, stop=lambda: True)
    assert not outcome.interrupted
    assert essence(outcome, net, tmp_path) == whole


def test_the_global_random_state_plays_no_part(tmp_path: Path, whole: dict[str, Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(987)
        outcome, net = attempt(tmp_path)
    assert essence(outcome, net, tmp_path) == whole


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 4}, "its seed is 3, not 4"),
        ({"spec": SPEC.model_copy(update={"lr": 0.06})}, r"its train\.lr is 0\.05, not 0\.06"),
        ({"augment": "shift"}, 'its augment is "none", not "shift"'),
        ({"masks": None}, "its masks is"),
    ],
)
def test_a_changed_training_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    attempt(tmp_path, SPEC.model_copy(update={"epochs": 4}))
    with pytest.raises(LedgerError, match=named):
        attempt(tmp_path, **changes)


FREE = AttackSpec(eps=Eps("0.1"), step=Eps("0.1"), steps=1, random_start=False, mode="train")
REGIMES: dict[str, dict[str, Any]] = {
    "fast": {"options": {"grad_align": 0.2, "n_fgsm": 2}},
    "trades": {},
    "mart": {},
    "free": {"attack": FREE, "options": {"replays": 2}},
    "adversarial-awp": {"options": {"awp_warmup": 1}},
    "free-awp": {"attack": FREE, "options": {"replays": 2}},
}


@pytest.mark.parametrize("regime", REGIMES)
def test_every_regime_resumes_and_keeps_masked_weights_at_zero(tmp_path: Path, regime: str) -> None:
    values = {**SPEC.model_dump(), "options": {}, **REGIMES[regime], "regime": regime}
    spec = TrainSpec.model_validate({**values, "epochs": 3})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = essence(*attempt(whole, spec), whole)
    polls = iter(range(100))
    outcome, _ = attempt(parts, spec, stop=lambda: next(polls) >= 5)
    assert (outcome.interrupted, outcome.epochs) == (True, 1)
    outcome, net = attempt(parts, spec)
    assert essence(outcome, net, parts) == expected
    _, _, masks = start()
    assert bool((net.state_dict()["0.weight"][~masks["0.weight"]] == 0).all())
