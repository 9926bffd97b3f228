"""What a criterion is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import Parameter

Scores = dict[str, Tensor]
"""A real number for each weight, by ordinary name, of the weight's shape. The lowest go first."""


@dataclass(frozen=True)
class Given:
    """A network whose weights are to be scored, in evaluation mode on its device.

    Attributes:
        model: logits of images in [0, 1]; weights that are removed already are zero.
        weights: the prunable ones by ordinary name, in the order that breaks ties.
        masks: what is left of each, boolean, True is kept. Scores elsewhere are not looked at.
        losses: passes once over the images that the search scores with, and yields each batch's
            mean loss under the search's own regime, with its graph, and its number of images.
            Every pass gives the same values.
        shape: (C, H, W) of the images.
        seed: of everything random in the criterion, the same in all rounds of a search.
        select: what would be kept with such scores, boolean by name.
        fit: trains the parameters of a module (images to logits) that require gradients, by the
            search's training settings, in place; a stopped command goes on where it was.
    """

    model: nn.Module
    weights: Mapping[str, Parameter]
    masks: Mapping[str, Tensor]
    losses: Callable[[], Iterator[tuple[Tensor, int]]]
    shape: tuple[int, int, int]
    seed: int
    select: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    fit: Callable[[nn.Module], None]

    def gradients(self, value: Tensor, *, graph: bool = False) -> Scores:
        """Gradients of a scalar at the prunable weights; zero where it does not depend on them.

        Args:
            value: the scalar.
            graph: keep what is needed to differentiate the result once more.
        """
        found = torch.autograd.grad(
            value,
            list(self.weights.values()),
            create_graph=graph,
            allow_unused=True,
            materialize_grads=True,
        )
        return dict(zip(self.weights, found, strict=True))

    def gradient(self) -> Scores:
        """Gradient of the mean loss over all images."""
        total = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}
        images = 0
        for loss, count in self.losses():
            for name, one in self.gradients(loss).items():
                total[name] += count * one
            images += count
        return {name: one / images for name, one in total.items()}


@dataclass(frozen=True)
class Criterion:
    """A way of scoring weights.

    Attributes:
        score: the scores of a network.
        iterations: cuts per round, with scores taken anew before each, where the search does not
            say.
    """

    score: Callable[[Given], Scores]
    iterations: int = 1
