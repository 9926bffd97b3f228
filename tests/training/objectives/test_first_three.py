"""What each regime trains on, and the probe that watches the fast one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.data import load_task
from dwlt.errors import SpecError
from dwlt.spec import AttackSpec, TaskSpec, TrainSpec
from dwlt.training import CheckpointSlot, TrainJob, objective_of, train
from dwlt.training.probe import HeldOut, OverfittingProbe, probe_fast
from dwlt.units import Eps
from tests.training.memory import blobs, small_net, split_of

STEP = AttackSpec(eps=Eps("0.1"), step=Eps("0.125"), steps=1)
SEVERAL = AttackSpec(eps=Eps("0.1"), step=Eps("0.05"), steps=3)


def spec(regime: str, attack: AttackSpec | None) -> TrainSpec:
    values: dict[str, Any] = {"regime": regime, "attack": attack}
    return TrainSpec(epochs=1, batch_size=8, lr=0.1, **values)


SPECS = {
    "standard": spec("standard", None),
    "fast": spec("fast", STEP),
    "adversarial": spec("adversarial", SEVERAL),
}


class Seen(nn.Module):
    """A network that remembers the images of its last pass."""

    def __init__(self) -> None:
        super().__init__()
        self.net = small_net()
        self.last = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        self.last = images.detach().clone()
        return self.net(images)  # type: ignore[no-any-return]


@pytest.mark.parametrize("regime", SPECS)
def test_images_stay_within_eps_and_depend_on_the_seed(regime: str) -> None:
    batch = next(iter(blobs().train_batches(batch_size=8, seed=0, epoch=0)))
    objective = objective_of(SPECS[regime])
    net = Seen().eval()
    found = []
    for seed in (1, 1, 2):
        loss, logits = objective.loss(net, batch, seed)
        found.append(net.last)
        expected = F.cross_entropy(net.net(net.last), batch.labels)
        assert torch.equal(loss, expected)
        assert logits.shape == (8, 3)
    first, again, other = found
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (regime == "standard")
    reach = float((first - batch.images).abs().max())
    assert reach == pytest.approx(0.0 if regime == "standard" else 0.1, abs=1e-6)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_only_the_fast_regime_is_watched() -> None:
    held_out = HeldOut(blobs(), 0, torch.device("cpu"))
    found = {
        regime: objective_of(SPECS[regime]).watch(small_net(), held_out, 0) for regime in SPECS
    }
    assert {regime for regime, probe in found.items() if probe is not None} == {"fast"}


def test_an_attack_is_needed_where_the_regime_perturbs() -> None:
    bare = TrainSpec.model_construct(regime="fast", attack=None)
    with pytest.raises(SpecError, match="'fast' needs an attack"):
        objective_of(bare)


class Ripple(nn.Module):
    """Margin cos(2 pi x / 0.1) + 0.5 + slope: an image at a crest meets another crest one eps
    away, so a full step of eps lands safely, while small steps stop in the valley between."""

    def forward(self, images: Tensor) -> Tensor:
        offset = images.flatten(1).sum(1) - 0.5
        margin = torch.cos(2 * math.pi * offset / 0.1) + 0.5 - 0.1 * offset
        return torch.stack([margin, torch.zeros_like(margin)], 1)


def test_a_collapse_is_seen_and_flagged() -> None:
    images = torch.full((40, 1, 1, 1), 0.5)
    batch = next(iter(split_of(images, torch.zeros(40, dtype=torch.int64)).batches(batch_size=40)))
    without_start = STEP.model_copy(update={"random_start": False, "step": Eps("0.1")})
    probe = probe_fast(Ripple(), batch, without_start, seed=0)
    assert (probe.one_step, probe.multi_step, probe.n) == (40, 0, 40)
    flag = probe.flag(7)
    assert flag is not None
    assert flag.code == "catastrophic-overfitting"
    assert flag.text.startswith("epoch 7: 100% of held-out samples")
    assert "only 0% against pgd-10 linf 0.1, any iterate (n=40)" in flag.text


@pytest.mark.parametrize(
    ("one_step", "multi_step", "flagged"),
    [(80, 39, True), (80, 41, False), (20, 1, False), (30, 5, True), (0, 0, False)],
)
def test_the_rule_for_a_collapse(one_step: int, multi_step: int, flagged: bool) -> None:
    assert (OverfittingProbe(one_step, multi_step, 100, "pgd-10").flag(1) is not None) == flagged


def test_one_step_training_without_a_random_start_raises_the_flag(tmp_path: Path) -> None:
    # Real digits, at an eps of almost a third of the pixel range.
    task = load_task(TaskSpec(task="digits:0-4", validation=0.2), data_dir=tmp_path)
    attack = AttackSpec(eps=Eps("0.3"), step=Eps("0.3"), steps=1, random_start=False)
    job = TrainJob(
        model=digits_net(),
        split=task.train,
        spec=TrainSpec(regime="fast", epochs=5, batch_size=64, lr=0.1, attack=attack),
        seed=0,
        device="cpu",
        slot=CheckpointSlot(tmp_path / "state.safetensors", {}),
        held_out=task.validation,
    )
    outcome = train(job)
    assert "catastrophic-overfitting" in {flag.code for flag in outcome.flags}
    assert outcome.records[-1].values()["probe"]["n"] == 128


def digits_net() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1, stride=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(256, 5),
        )


def test_samples_wrong_without_an_attack_count_as_fooled() -> None:
    images = torch.full((2, 1, 1, 1), 0.5)
    batch = next(iter(split_of(images, torch.tensor([0, 1])).batches(batch_size=2)))
    still = STEP.model_copy(update={"eps": Eps("0"), "step": Eps("0")})
    probe = probe_fast(Ripple(), batch, still, seed=0)
    assert (probe.one_step, probe.multi_step, probe.n) == (1, 1, 2)


def test_the_held_out_batch_is_fixed_and_fetched_once() -> None:
    split = blobs(300)
    held_out = HeldOut(split, 5, torch.device("cpu"))
    batch = held_out.batch()
    assert held_out.batch() is batch
    assert len(batch.labels) == 128
    assert torch.equal(HeldOut(split, 5, torch.device("cpu")).batch().ids, batch.ids)
    assert not torch.equal(HeldOut(split, 6, torch.device("cpu")).batch().ids, batch.ids)
