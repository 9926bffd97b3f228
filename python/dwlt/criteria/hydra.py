"""HYDRA (Sehwag et al. 2020, arXiv 2002.10509): scores trained under the (robust) objective."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dwlt.criteria.base import Criterion, Given, Scores


def hydra(given: Given) -> Scores:
    """The magnitude of scores that were trained for the search's own number of kept weights.

    Section 3.1: the weights stay as they are, and the loss is that of the network with its top
    scores' weights alone; gradients pass the selection straight through. Scores begin in
    proportion to the weights. Everything else is frozen; running statistics follow.
    """
    scored = ScoredNetwork(given)
    given.fit(scored)
    return {
        name: score.detach().abs() for name, score in zip(given.weights, scored.scores, strict=True)
    }


CRITERION = Criterion(hydra)


class ScoredNetwork(nn.Module):
    """A network with a score for each prunable weight, which uses those of the highest scores."""

    def __init__(self, given: Given) -> None:
        super().__init__()
        self._select = given.select
        self._names = list(given.weights)
        self.network = copy.deepcopy(given.model)
        names = {one: name for name, one in given.model.named_parameters()}
        self._places = [names[weight] for weight in given.weights.values()]
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.scores = nn.ParameterList(_beginning(weight) for weight in given.weights.values())
        self._known: tuple[list[Tensor], list[Tensor]] | None = None

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] to logits."""
        weights = dict(self.network.named_parameters())
        used = {
            place: weights[place] * _Switch.apply(score.abs(), mask.to(score.dtype))
            for place, score, mask in zip(self._places, self.scores, self._masks(), strict=True)
        }
        return functional_call(self.network, used, (images,))  # type: ignore[no-any-return]

    def _masks(self) -> list[Tensor]:
        """What the present scores select; an attack asks many times between two steps."""
        scores = [score.detach().abs() for score in self.scores]
        # By value: a fused optimiser changes weights without counting up their versions.
        if self._known is None or not all(map(torch.equal, self._known[0], scores)):
            found = self._select(dict(zip(self._names, scores, strict=True)))
            masks = [found[name].to(self.scores[0].device) for name in self._names]
            self._known = (scores, masks)
        return self._known[1]


def _beginning(weight: Tensor) -> nn.Parameter:
    """w / max |w|, scaled by sqrt(6 / fan-in) as in the authors' code."""
    largest = weight.detach().abs().max().clamp_min(torch.finfo(weight.dtype).tiny)
    fan_in = max(1, weight[0].numel())
    return nn.Parameter(math.sqrt(6 / fan_in) * weight.detach() / largest)


class _Switch(torch.autograd.Function):
    """A mask in the place of scores; gradients go to the scores as if it were they."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, mask: Tensor) -> Tensor:
        return mask

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
