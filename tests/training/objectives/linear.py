"""Networks whose losses, gradients and worst points are known on paper."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dwlt.data import Batch
from dwlt.spec import AttackSpec, TrainSpec
from dwlt.units import Eps

EPS = 0.1


class Slope(nn.Module):
    """Logits (slope * pixel, 0) of one-pixel images: p(class 0) is the sigmoid of the first."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, images: Tensor) -> Tensor:
        first = self.slope * images.flatten(1)
        return torch.cat([first, torch.zeros_like(first)], 1)


def pixels(*values: float, labels: list[int] | None = None) -> Batch:
    """One-pixel images; class 0 unless labels are given."""
    count = len(values)
    return Batch(
        torch.tensor(values).view(count, 1, 1, 1),
        torch.tensor(labels or [0] * count),
        torch.arange(count),
    )


def spec(regime: str, *, steps: int = 10, step: str = "0.02", **changes: Any) -> TrainSpec:
    """A training at eps = 0.1 with everything else as given."""
    attack = AttackSpec(eps=Eps("0.1"), step=Eps(step), steps=steps, **changes.pop("attack", {}))
    values: dict[str, Any] = {"epochs": 1, "batch_size": 8, "lr": 0.1, "attack": attack}
    return TrainSpec(regime=regime, **{**values, **changes})
