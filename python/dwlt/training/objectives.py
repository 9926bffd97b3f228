"""What each regime trains on. The loop calls an objective and never asks which regime it trains.

An objective turns a clean batch into the images to fit, and may watch a held-out batch once an
epoch for the failure that its regime is prone to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

from dwlt.attacks import perturb
from dwlt.errors import SpecError
from dwlt.spec import AttackSpec, TrainSpec
from dwlt.training.probe import HeldOut, OverfittingProbe, probe_fast

if TYPE_CHECKING:
    from dwlt.data import Batch


class Objective(Protocol):
    """One regime's part in the loop."""

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        """The images to train on, a pure function of model, batch and seed."""

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        """What held-out samples show, or None where the regime needs no watching."""


class Standard:
    """Clean images."""

    def __init__(self, spec: TrainSpec) -> None:
        pass

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        return batch.images

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        return None


class Adversarial:
    """Images perturbed against the network as it is (Madry et al., arXiv 1706.06083)."""

    def __init__(self, spec: TrainSpec) -> None:
        if spec.attack is None:
            raise SpecError(f"regime {spec.regime!r} needs an attack")
        self.attack: AttackSpec = spec.attack

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        return perturb(model, batch.images, batch.labels, self.attack, seed=seed, ids=batch.ids)

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        return None


class Fast(Adversarial):
    """One step from a random start (Wong et al., arXiv 2001.03994), watched for the collapse that
    the same paper calls catastrophic overfitting."""

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        return probe_fast(model, held_out.batch(), self.attack, seed=seed)


OBJECTIVES: dict[str, Callable[[TrainSpec], Objective]] = {
    "standard": Standard,
    "fast": Fast,
    "adversarial": Adversarial,
}
"""By regime."""
