"""Synaptic flow (Tanaka et al. 2020, arXiv 2006.05467, section 6, equation 4 and algorithm 1)."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dwlt.criteria.base import Criterion, Given, Scores


def synflow(given: Given) -> Scores:
    """|w| |dR/dw|, R the summed output for an image of ones with every parameter made positive.

    No data. The means that batch normalisation subtracts, and those of the input, count as zero:
    so the flow is conserved from layer to layer as in the paper, whose networks are fresh. Layer
    normalisation and softmax do not conserve it. In double precision: the products of a deep
    network's weights leave the range of single precision.
    """
    positive = copy.deepcopy(given.model).double().eval()
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.abs_()
        for module in positive.modules():
            if isinstance(module, _BatchNorm) and module.running_mean is not None:
                module.running_mean.zero_()
    _forget_normalisation(positive)
    twins = dict(zip(given.model.parameters(), positive.parameters(), strict=True))
    weights = [twins[weight] for weight in given.weights.values()]
    device = weights[0].device
    ones = torch.ones(1, *given.shape, dtype=torch.float64, device=device)
    flow = positive(ones).sum()
    found = torch.autograd.grad(flow, weights, allow_unused=True, materialize_grads=True)
    return {
        name: (weight.detach() * one).abs()
        for name, weight, one in zip(given.weights, weights, found, strict=True)
    }


def _forget_normalisation(model: nn.Module) -> None:
    """The layer in front of dwlt's networks passes images on as they are."""
    normalise = getattr(model, "normalise", None)
    if normalise is not None:
        normalise.mean.zero_()
        normalise.std.fill_(1.0)


# The paper's experiments take 100 steps to the final sparsity.
CRITERION = Criterion(synflow, iterations=100)
