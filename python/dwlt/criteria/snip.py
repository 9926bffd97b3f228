"""Connection sensitivity (Lee et al. 2019, arXiv 1810.02340, section 4.1, equation 6)."""

from __future__ import annotations

from dwlt.criteria.base import Criterion, Given, Scores


def snip(given: Given) -> Scores:
    """|w dL/dw|: how the mean loss over all images changes with the weight's own switch.

    The paper divides by the sum over all weights, which changes no order.
    """
    gradient = given.gradient()
    return {name: (w.detach() * gradient[name]).abs() for name, w in given.weights.items()}


CRITERION = Criterion(snip)
