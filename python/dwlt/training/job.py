"""What one training is: everything that decides its numbers, and where it keeps its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from dwlt.spec import TrainSpec
from dwlt.training.slot import CheckpointSlot

if TYPE_CHECKING:
    from dwlt.data import Split


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """One training.

    Attributes:
        model: logits of images in [0, 1], on ``device``; trained in place, from its present
            weights or from where ``slot`` left off. With masks, its masked weights are zeroed
            first.
        split: what to train on.
        spec: epochs, batches, learning rates and regime.
        seed: of everything random here.
        device: where it is trained.
        slot: the training's checkpoint, replaced after each epoch.
        augment: as in ``TaskSpec.augment``.
        prunable: the parameters that masks may name, by ordinary name. Needed with ``masks``.
        masks: boolean tensors of the parameters' shapes, True is kept; None trains every weight.
        held_out: samples for the probe of regimes that need watching; usually validation.
        keep_best: keep snapshots of the best epochs by validation SA and RA.
    """

    model: nn.Module
    split: Split
    spec: TrainSpec
    seed: int
    device: torch.device | str
    slot: CheckpointSlot
    augment: str = "none"
    prunable: Mapping[str, Parameter] | None = None
    masks: Mapping[str, Tensor] | None = None
    held_out: Split | None = None
    keep_best: bool = False
