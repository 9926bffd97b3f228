"""Cross-entropy on images perturbed by several steps."""

from __future__ import annotations

from dwlt.training.objectives.base import Perturbing


class Adversarial(Perturbing):
    """Adversarial training by projected gradient descent (Madry et al., arXiv 1706.06083,
    section 2.1): the outer minimisation is taken at the images that the inner one found."""
