"""dwlt finds double-win lottery tickets: sparse subnetworks that keep accuracy and robustness.

The names below are imported when first used, so that ``import dwlt`` stays fast; PyTorch is
imported by ``apply_masks``, ``load_ticket`` and ``MaskSet.to_torch`` alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dwlt._core import MaskSet, Overlap
    from dwlt.checkpoints.ticket import load_ticket
    from dwlt.masks.selection import prune_checkpoint, prune_magnitude, prune_random
    from dwlt.masks.tensors import apply_masks

__all__ = [
    "MaskSet",
    "Overlap",
    "apply_masks",
    "load_ticket",
    "prune_checkpoint",
    "prune_magnitude",
    "prune_random",
]

_HOMES = {
    "MaskSet": "dwlt._core",
    "Overlap": "dwlt._core",
    "apply_masks": "dwlt.masks.tensors",
    "load_ticket": "dwlt.checkpoints.ticket",
    "prune_checkpoint": "dwlt.masks.selection",
    "prune_magnitude": "dwlt.masks.selection",
    "prune_random": "dwlt.masks.selection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dwlt' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
