"""A tiny network and what a criterion is given of it, worked through by hand in the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dwlt import _core
from dwlt.criteria import Given
from dwlt.masks.tensors import score_masks, to_bool_tensors

INPUTS = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
TARGETS = torch.tensor([1.0, 0.0])


class TwoLayers(nn.Module):
    """y = v (W x), two inputs, two hidden units, one output, no biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([[1.0, -2.0], [0.5, 4.0]]))
            self.second.weight.copy_(torch.tensor([[3.0, -1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x.flatten(1)))  # type: ignore[no-any-return]


class Line(nn.Module):
    """y = w x of three inputs."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.line = nn.Linear(len(weights), 1, bias=False)
        with torch.no_grad():
            self.line.weight.copy_(torch.tensor([weights]))

    def forward(self, x: Tensor) -> Tensor:
        return self.line(x.flatten(1))  # type: ignore[no-any-return]


def given(
    model: nn.Module,
    batches: list[tuple[Tensor, Tensor]],
    *,
    keep: int = 1,
    masks: Mapping[str, Tensor] | None = None,
    **over: Any,
) -> Given:
    """What a criterion is given; the loss is half the squared error of the one output."""
    weights = dict(model.named_parameters())
    dense = {name: torch.ones_like(one, dtype=torch.bool) for name, one in weights.items()}

    def losses() -> Iterator[tuple[Tensor, int]]:
        for inputs, targets in batches:
            yield 0.5 * (model(inputs).flatten() - targets).square().mean(), len(targets)

    left = dense if masks is None else dict(masks)
    within = _core.MaskSet.from_bools({name: mask.numpy() for name, mask in left.items()})

    def select(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return to_bool_tensors(score_masks(scores, keep=keep, within=within))

    def fit(module: nn.Module) -> None:
        raise AssertionError("this criterion trains nothing")

    values: dict[str, Any] = {
        "model": model,
        "weights": weights,
        "masks": left,
        "losses": losses,
        "shape": (1, 1, 2),
        "seed": 7,
        "select": select,
        "fit": fit,
    }
    return Given(**values | over)
