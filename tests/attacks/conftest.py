"""Small networks whose weak points are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


class Margin(nn.Module):
    """Logits (w.x + b, 0): class 0 while w.x + b > 0. Worst points are known in closed form."""

    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = bias
        self.rows: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.rows.append(len(images))
        margin = (images * self.weight).flatten(1).sum(1) + self.bias
        return torch.stack([margin, torch.zeros_like(margin)], 1)


def conv_net(seed: int = 0) -> nn.Sequential:
    """A network with all that an attack could disturb: BatchNorm, dropout, a frozen layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 3),
        )
    for param in net[4].parameters():
        param.requires_grad_(False)
    net[5].eval()
    return net


@pytest.fixture
def margin() -> Callable[[Tensor, float], Margin]:
    return Margin


@pytest.fixture
def net() -> nn.Sequential:
    return conv_net()
