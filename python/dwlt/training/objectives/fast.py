"""Cross-entropy on images perturbed by one step."""

from __future__ import annotations

from torch import nn

from dwlt.training.objectives.adversarial import Adversarial
from dwlt.training.probe import HeldOut, OverfittingProbe, probe_fast


class Fast(Adversarial):
    """One step from a random start (Wong et al., arXiv 2001.03994), watched for the collapse that
    the same paper calls catastrophic overfitting."""

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        return probe_fast(model, held_out.batch(), self.attack, seed=seed)
