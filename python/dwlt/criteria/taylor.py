"""First-order Taylor importance (Molchanov et al. 2019, arXiv 1906.10771, equation 8)."""

from __future__ import annotations

import torch

from dwlt.criteria.base import Criterion, Given, Scores


def taylor(given: Given) -> Scores:
    """(w dL/dw)^2 of each batch, averaged over the images.

    The squared change of the loss when the weight is taken out, to first order. Unlike SNIP's
    score it does not cancel where batches pull in different directions.
    """
    scores = {name: torch.zeros_like(weight) for name, weight in given.weights.items()}
    images = 0
    for loss, count in given.losses():
        for name, one in given.gradients(loss).items():
            scores[name] += count * (given.weights[name].detach() * one).square()
        images += count
    return {name: one / images for name, one in scores.items()}


CRITERION = Criterion(taylor)
