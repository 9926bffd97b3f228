"""Adversarial weight perturbation: by hand, under masks, and without traces."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.data import Batch
from dwlt.spec import TrainSpec
from dwlt.training import Objective, objective_of
from dwlt.training.objectives.awp import WeightPerturbed
from tests.training.memory import blobs, small_net
from tests.training.objectives.linear import pixels, spec


class Two(nn.Module):
    """Logits W x of a one-pixel image, W of shape (2, 1)."""

    def __init__(self, first: float, second: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[first], [second]]))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T


def clean_spec(**options: Any) -> TrainSpec:
    values: dict[str, Any] = {"options": {"awp_gamma": 0.1, **options}}
    return TrainSpec(regime="standard-awp", epochs=20, batch_size=8, lr=0.1, **values)


def test_a_step_of_gamma_norms_up_the_gradient() -> None:
    net = Two(3.0, 4.0)
    objective = objective_of(clean_spec())
    objective.start_epoch(0)
    loss, _ = objective.loss(net, pixels(1.0), 0)
    # |W| = 5 and the gradient is along (-1, 1): the step is 0.1 * 5 / sqrt(2) in each entry.
    step = 0.5 / math.sqrt(2)
    torch.testing.assert_close(net.weight.detach(), torch.tensor([[3 - step], [4 + step]]))
    margin = 1 + 2 * step
    assert loss.item() == pytest.approx(math.log(1 + math.exp(margin)), rel=1e-5)
    torch.autograd.backward(loss)
    objective.after_backward(net)
    # The gradient is that of the perturbed weights, and the weights are back bit by bit.
    wrong = 1 / (1 + math.exp(-margin))
    assert net.weight.tolist() == [[3.0], [4.0]]
    torch.testing.assert_close(net.weight.grad, torch.tensor([[-wrong], [wrong]]))


def test_masked_weights_stay_zero() -> None:
    net = Two(3.0, 0.0)
    objective = objective_of(clean_spec())
    objective.begin({net.weight: torch.tensor([[True], [False]])})
    objective.start_epoch(0)
    objective.loss(net, pixels(1.0), 0)
    # Only the kept weight moves, and the length is that of what is kept.
    torch.testing.assert_close(net.weight.detach(), torch.tensor([[3 - 0.3], [0.0]]))
    objective.after_backward(net)


def test_it_begins_after_the_warm_up() -> None:
    net = Two(3.0, 4.0)
    objective = objective_of(clean_spec(awp_warmup=2))
    for epoch, margin in ((0, 1.0), (1, 1.0), (2, 1 + 1 / math.sqrt(2))):
        objective.start_epoch(epoch)
        loss, _ = objective.loss(net, pixels(1.0), 0)
        assert loss.item() == pytest.approx(math.log(1 + math.exp(margin)), rel=1e-5)
        objective.after_backward(net)


def batch_of_eight() -> Batch:
    return next(iter(blobs().train_batches(batch_size=8, seed=0, epoch=0)))


@pytest.mark.parametrize("regime", ["trades", "mart", "adversarial", "fast"])
def test_any_objective_is_taken_at_the_perturbed_weights(regime: str) -> None:
    batch = batch_of_eight()
    settings: dict[str, Any] = {"steps": 1 if regime == "fast" else 2}
    plain = objective_of(spec(regime, **settings))
    wrapped = objective_of(spec(f"{regime}-awp", **settings, options={"awp_gamma": 0.02}))
    net = small_net().eval()
    other = copy.deepcopy(net)
    images = plain.images(net, batch, 1)
    direct, _ = plain.loss_at(net, batch, images, 1)
    torch.autograd.backward(direct)
    with torch.no_grad():
        for name, param in net.named_parameters():
            assert param.grad is not None
            if param.dim() > 1 and "weight" in name:
                param.add_(0.02 * param.norm() * param.grad / param.grad.norm())
    expected, _ = plain.loss_at(net, batch, images, 1)
    wrapped.start_epoch(0)
    loss, _ = wrapped.loss(other, batch, 1)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.item() > direct.item()


def test_running_statistics_see_one_pass() -> None:
    batch = batch_of_eight()
    net, other = small_net(), small_net()
    net[3], other[3] = nn.Identity(), nn.Identity()
    objective = objective_of(clean_spec())
    objective.start_epoch(0)
    objective.loss(net, batch, 0)
    with torch.no_grad():
        for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
            theirs.copy_(mine)
    other(batch.images)
    for name, buffer in other.named_buffers():
        torch.testing.assert_close(dict(net.named_buffers())[name], buffer)
    assert int(net[1].num_batches_tracked) == 1  # type: ignore[arg-type]


def test_autocast_does_not_keep_the_weights_as_they_were() -> None:
    batch = batch_of_eight()
    net = small_net().eval()
    objective = objective_of(clean_spec(awp_gamma=0.5))
    objective.start_epoch(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = objective.loss(net, batch, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        afresh = F.cross_entropy(net(batch.images).float(), batch.labels)
    assert loss.item() == pytest.approx(afresh.item(), rel=1e-6)
    torch.autograd.backward(loss)
    objective.after_backward(net)


def test_a_loss_without_images_of_its_own_is_wrapped_too() -> None:
    class Whole(Objective):
        def loss(self, model: nn.Module, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
            logits = model(batch.images)
            return self.cross_entropy(logits, batch.labels), logits

    net = Two(3.0, 4.0)
    objective = WeightPerturbed(Whole(clean_spec()))
    loss, _ = objective.loss(net, pixels(1.0), 0)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(1 + 1 / math.sqrt(2))), rel=1e-5)
