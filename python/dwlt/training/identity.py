"""What a checkpoint belongs to: settings, data, masks and the weights it began with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dwlt.spec import TrainSpec

if TYPE_CHECKING:
    from dwlt.data import Split


def identity_of(
    model: nn.Module,
    spec: TrainSpec,
    split: Split,
    *,
    seed: int,
    augment: str,
    masks: Mapping[str, Tensor] | None,
) -> dict[str, Any]:
    """Everything that decides a training's numbers, flat and JSON-ready.

    Flat, so that a refusal can name the one setting that differs.
    """
    settings = {f"train.{name}": value for name, value in spec.model_dump(mode="json").items()}
    return {
        **settings,
        "seed": seed,
        "augment": augment,
        "samples": len(split),
        "sample ids": _digest({"ids": torch.as_tensor(split.ids)}),
        "starting weights": _digest(model.state_dict()),
        "masks": None if masks is None else _digest(masks),
    }


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Digest of names, types, shapes and values, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name}\0{plain.dtype}\0{tuple(plain.shape)}\0".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
