"""Points to train on: which one of the way is taken, worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dwlt.attacks import perturb
from dwlt.errors import SpecError
from dwlt.spec import AttackSpec
from dwlt.units import Eps

IMAGES = torch.tensor([0.40, 0.49]).view(2, 1, 1, 1)
LABELS = torch.zeros(2, dtype=torch.int64)


class Valley(nn.Module):
    """Logits (10 (x - 1/2)^2, 0) of one pixel: the loss of class 0 is highest at 1/2."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        right = 10 * (images.flatten(1).sum(1) - 0.5) ** 2
        return torch.stack([right, torch.zeros_like(right)], 1)


def points(*, use_best: bool) -> tuple[list[float], int]:
    attack = AttackSpec(
        eps=Eps("0.3"), step=Eps("0.15"), steps=2, random_start=False, use_best=use_best
    )
    net = Valley()
    found = perturb(net, IMAGES, LABELS, attack, seed=0, ids=torch.arange(2))
    return [round(value, 4) for value in found.flatten().tolist()], net.calls


def test_the_best_point_is_the_one_of_the_highest_loss_on_the_way() -> None:
    # The pixels walk 0.40, 0.55, 0.40 and 0.49, 0.64, 0.49: past the valley's floor and back.
    assert points(use_best=False) == ([0.40, 0.49], 2)
    # 0.55 is nearer to 1/2 than 0.40; 0.49, the start, is nearer than 0.64. One more forward pass.
    assert points(use_best=True) == ([0.55, 0.49], 3)


def test_the_last_point_can_be_the_best() -> None:
    attack = AttackSpec(
        eps=Eps("0.3"), step=Eps("0.05"), steps=2, random_start=False, use_best=True
    )
    found = perturb(Valley(), IMAGES[:1], LABELS[:1], attack, seed=0, ids=torch.arange(1))
    assert found.item() == pytest.approx(0.5)


def test_another_loss_has_no_best_point() -> None:
    attack = AttackSpec(use_best=True)
    with pytest.raises(SpecError, match="climbs another loss"):
        perturb(
            *(Valley(), IMAGES, LABELS, attack),
            seed=0,
            ids=torch.arange(2),
            loss_fn=lambda logits, labels: logits.sum(),
        )
