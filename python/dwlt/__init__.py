"""dwlt finds double-win lottery tickets: sparse subnetworks that keep accuracy and robustness.

The names below are imported when first used, so that ``import dwlt`` stays fast; PyTorch is
imported by ``apply_masks``, ``load_ticket``, ``MaskSet.to_torch`` and the stages alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dwlt._core import MaskSet, Overlap
    from dwlt.api import evaluate, pretrain, prune, transfer, verdict
    from dwlt.checkpoints.ticket import load_ticket
    from dwlt.masks.selection import prune_checkpoint, prune_magnitude, prune_random
    from dwlt.masks.tensors import apply_masks
    from dwlt.spec import Experiment, load_experiment

__all__ = [
    "Experiment",
    "MaskSet",
    "Overlap",
    "apply_masks",
    "evaluate",
    "load_experiment",
    "load_ticket",
    "pretrain",
    "prune",
    "prune_checkpoint",
    "prune_magnitude",
    "prune_random",
    "transfer",
    "verdict",
]

_HOMES = {
    "Experiment": "dwlt.spec",
    "evaluate": "dwlt.api",
    "load_experiment": "dwlt.spec",
    "pretrain": "dwlt.api",
    "prune": "dwlt.api",
    "transfer": "dwlt.api",
    "MaskSet": "dwlt._core",
    "Overlap": "dwlt._core",
    "apply_masks": "dwlt.masks.tensors",
    "load_ticket": "dwlt.checkpoints.ticket",
    "prune_checkpoint": "dwlt.masks.selection",
    "prune_magnitude": "dwlt.masks.selection",
    "prune_random": "dwlt.masks.selection",
}


def __getattr__(name: str) -> Any:
    if name == "verdict":
        # A package of that name is there too, and becomes this attribute once it is imported; it
        # can be called.
        return importlib.import_module("dwlt.verdict")
    if name not in _HOMES:
        raise AttributeError(f"module 'dwlt' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
