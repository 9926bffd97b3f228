"""Gradient signal preservation (Wang et al. 2020, arXiv 2002.07376, section 4, equation 8)."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from dwlt.criteria.base import Criterion, Given, Scores


def grasp(given: Given) -> Scores:
    """w (H g), H the Hessian and g the gradient of the mean loss; signed.

    The paper scores -w (H g) and takes away the highest, since that costs the least gradient
    flow; here the lowest go first. Its code softens the loss by a temperature of 200, for
    networks before any training; the loss here is the search's own.
    """
    gradient = given.gradient()
    products = {name: torch.zeros_like(weight) for name, weight in given.weights.items()}
    images = 0
    # Fused attention cannot be differentiated twice.
    with sdpa_kernel(SDPBackend.MATH):
        for loss, count in given.losses():
            own = given.gradients(loss, graph=True)
            flow = torch.stack([(own[name] * gradient[name]).sum() for name in own]).sum()
            for name, one in given.gradients(flow).items():
                products[name] += count * one
            images += count
    return {name: w.detach() * products[name] / images for name, w in given.weights.items()}


CRITERION = Criterion(grasp)
