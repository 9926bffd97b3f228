"""Free adversarial training by hand: one perturbation per place, moved by every backward pass."""

from __future__ import annotations

import pytest
import torch

from dwlt.spec import TrainSpec
from dwlt.training import Objective, objective_of
from tests.training.objectives.linear import Slope, pixels, spec

FREE = {"random_start": False, "mode": "train"}


def free(step: str = "0.05") -> TrainSpec:
    return spec("free", steps=1, step=step, attack=FREE, options={"replays": 3})


def replay(objective: Objective, net: Slope, *batches: object) -> None:
    objective.start_step()
    for batch in batches:
        loss, _ = objective.loss(net, batch, 0)  # type: ignore[arg-type]
        torch.autograd.backward(loss)
        objective.after_backward(net)


def perturbation(objective: Objective) -> list[float]:
    return [round(each, 6) for each in objective.state_dict()["perturbation"].flatten().tolist()]


def test_the_perturbation_of_a_place_goes_on_through_replays_and_batches() -> None:
    objective, net = objective_of(free()), Slope(4.0)
    assert objective.replays == 3
    assert objective.state_dict() == {}
    # Class 0 loses as its pixel darkens, class 1 as it brightens: steps of 0.05, held at 0.1.
    batch = pixels(0.5, 0.5, labels=[0, 1])
    for expected in ([-0.05, 0.05], [-0.1, 0.1], [-0.1, 0.1]):
        replay(objective, net, batch)
        assert perturbation(objective) == pytest.approx(expected)
    # A smaller batch of other labels moves its own places alone.
    replay(objective, net, pixels(0.5, labels=[1]))
    assert perturbation(objective) == pytest.approx([-0.05, 0.1])


def test_the_loss_is_taken_at_the_clamped_pixels() -> None:
    objective, net = objective_of(free("0.1")), Slope(4.0)
    batch = pixels(0.02)
    replay(objective, net, batch)
    objective.start_step()
    loss, logits = objective.loss(net, batch, 0)
    assert logits[0, 0].item() == 0.0
    assert loss.item() == pytest.approx(torch.tensor(2.0).log().item())


def test_micro_batches_have_places_of_their_own() -> None:
    whole, parts = objective_of(free()), objective_of(free())
    net = Slope(4.0)
    for _ in range(2):
        replay(whole, net, pixels(0.5, 0.5, 0.5, labels=[0, 1, 0]))
        replay(parts, net, pixels(0.5, 0.5, labels=[0, 1]), pixels(0.5, labels=[0]))
    assert perturbation(parts) == perturbation(whole)


def test_the_perturbation_survives_a_checkpoint() -> None:
    first, second = objective_of(free()), objective_of(free())
    net = Slope(4.0)
    replay(first, net, pixels(0.5, labels=[1]))
    second.load_state_dict({name: each.clone() for name, each in first.state_dict().items()})
    for objective in (first, second):
        replay(objective, net, pixels(0.5, labels=[1]))
    assert perturbation(second) == perturbation(first) == pytest.approx([0.1])
