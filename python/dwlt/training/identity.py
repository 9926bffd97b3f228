"""What a checkpoint belongs to: settings, data, masks and the weights it began with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dwlt.training.job import TrainJob


def identity_of(job: TrainJob) -> dict[str, Any]:
    """Everything that decides a training's numbers, flat and JSON-ready.

    Flat, so that a refusal can name the one setting that differs.
    """
    settings = job.spec.model_dump(mode="json")
    return {
        **{f"train.{name}": value for name, value in settings.items()},
        "seed": job.seed,
        "augment": job.augment,
        "samples": len(job.split),
        "sample ids": _digest({"ids": torch.as_tensor(job.split.ids)}),
        "starting weights": _digest(job.model.state_dict()),
        "masks": None if job.masks is None else _digest(job.masks),
    }


def defaults_of(job: TrainJob) -> dict[str, Any]:
    """The settings' defaults under the names that ``identity_of`` has for them."""
    kind = type(job.spec)
    settings = kind.model_construct().model_dump(mode="json", warnings=False)
    if job.spec.attack is not None:
        settings["attack"] = type(job.spec.attack)().model_dump(mode="json")
    return {f"train.{name}": value for name, value in settings.items()}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Digest of names, types, shapes and values, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name}\0{plain.dtype}\0{tuple(plain.shape)}\0".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
