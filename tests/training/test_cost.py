"""A dry run's figures: passes counted by hand, memory worked out, time that follows the clock."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dwlt.data.resident import ResidentSplit
from dwlt.spec import AttackSpec, ScoreSpec, TrainSpec
from dwlt.training import cost
from dwlt.training.cost import cost_of_scoring, cost_of_training
from dwlt.training.saved_bytes import SavedBytes

CPU = torch.device("cpu")


class Line(nn.Module):
    """Logits that are linear in the pixels: 4 x 4 images, 3 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(images.flatten(1))
        return logits


def split(count: int) -> ResidentSplit:
    pixels = torch.randint(0, 17, (count, 1, 4, 4), dtype=torch.uint8)
    return ResidentSplit(
        pixels=pixels,
        labels=np.arange(count) % 3,
        ids=np.arange(count),
        origin="test",
        num_classes=3,
        shape=(1, 4, 4),
        levels=16,
    )


def attack(steps: int) -> AttackSpec:
    return AttackSpec(steps=steps)


def test_a_plain_step_is_one_pass_and_one_back() -> None:
    spec = TrainSpec(epochs=5, batch_size=8, lr=0.1)
    found = cost_of_training(Line(), split(40), spec, augment="none", device=CPU)
    assert (found.forward, found.backward, found.images) == (1, 1, 8)
    assert len(found.seconds) == cost.REPEATS
    assert all(0 < one < 1 for one in found.seconds)


def test_attack_steps_are_counted() -> None:
    spec = TrainSpec(regime="adversarial", epochs=1, batch_size=8, lr=0.1, attack=attack(4))
    found = cost_of_training(Line(), split(40), spec, augment="none", device=CPU)
    # Four steps of the attack, each a pass and one back, and those of the update.
    assert (found.forward, found.backward) == (5, 5)


def test_scoring_attacks_every_image() -> None:
    """Also where the network is wrong about all of them: the split's own labels are not asked."""
    plain = cost_of_scoring(Line(), split(9), ScoreSpec(batch_size=4), device=CPU)
    assert (plain.forward, plain.backward, plain.images) == (1, 0, 4)
    robust = ScoreSpec(batch_size=4, attack=attack(3))
    found = cost_of_scoring(Line(), split(9), robust, device=CPU)
    # The clean look, three steps, the search's own verdict on its last point, and a second look.
    assert (found.forward, found.backward) == (6, 3)


def test_fewer_images_than_a_batch() -> None:
    spec = TrainSpec(epochs=1, batch_size=64, lr=0.1)
    found = cost_of_training(Line(), split(5), spec, augment="none", device=CPU)
    assert found.images == 5
    assert len(found.seconds) == cost.REPEATS


def test_saved_bytes_are_those_of_the_graph() -> None:
    """x * x saves x once, exp saves what it gives; the model's own weights are not counted."""
    model = Line()
    x = torch.ones(8, 16, requires_grad=True)
    kept = SavedBytes(model)
    with kept.counting():
        y = model(x)
        z = (y * y).exp().sum()
    # linear saves x (its weight is the model's own), y * y saves y once for both, exp its result.
    assert kept.most == 4 * (8 * 16 + 8 * 3 + 8 * 3)
    z.backward()
    with kept.counting():
        (x * 1.5).exp()
    assert kept.most == 4 * (8 * 16 + 8 * 3 + 8 * 3)


def test_memory_is_that_of_the_batch_that_the_settings_name() -> None:
    """A batch that is larger than what there is to measure it with, on the line through two."""
    spec = TrainSpec(epochs=1, batch_size=100, lr=0.1, momentum=0)
    found = cost_of_training(Line(), split(40), spec, augment="none", device=CPU)
    more = cost_of_training(
        Line(), split(40), spec.model_copy(update={"batch_size": 200}), augment="none", device=CPU
    )
    assert found.memory is not None
    assert more.memory is not None
    weights = 4 * (16 * 3 + 3)
    # The loss itself is kept once, however many images there are.
    assert abs((more.memory - found.memory) - (found.memory - 2 * weights)) <= 8
    assert found.memory_from == "saved tensors"


def test_time_follows_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is one second later, so a step of eight images takes 1/8 s each."""
    now = iter(range(1000))
    monkeypatch.setattr(cost, "LONG", 1e9)
    own = SimpleNamespace(perf_counter=lambda: float(next(now)))
    monkeypatch.setattr("dwlt.training.watch.time", own)  # others' looks at the clock do not count
    spec = TrainSpec(epochs=1, batch_size=8, lr=0.1)
    found = cost_of_training(Line(), split(80), spec, augment="none", device=CPU)
    assert set(found.seconds) == {1 / 8}
