"""The normalisation that a checkpoint carries beside its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dwlt.errors import ModelError

PAIRS = {"mean": "std", "new_mean": "new_std", "mu": "sigma", "image_mean": "image_std"}
"""Last parts of names: MadryLab's ``normalizer.new_mean``, RobustBench's ``mu`` and
``normalize.mean``, advertorch's ``0.mean``, dwlt's own ``normalise.mean``."""

_COLOURS = (1, 3)


@dataclass(frozen=True)
class Lifted:
    """Mean and standard deviation per channel, in units of pixels in [0, 1].

    Attributes:
        names: the tensors that they come from.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    names: tuple[str, ...]


def lift(tensors: Mapping[str, Tensor]) -> Lifted | None:
    """The normalisation among a file's left-over tensors, or None where there is none.

    Raises:
        ModelError: two places disagree, or the numbers are not of pixels in [0, 1].
    """
    found: list[Lifted] = []
    for name, mean in tensors.items():
        parent, dot, last = name.rpartition(".")
        partner = f"{parent}{dot}{PAIRS[last]}" if last in PAIRS else ""
        if partner not in tensors:
            continue
        std = tensors[partner]
        if mean.numel() in _COLOURS and std.numel() == mean.numel():
            found.append(Lifted(_values(mean), _values(std), (name, partner)))
    if not found:
        return None
    first = found[0]
    for other in found[1:]:
        if (other.mean, other.std) != (first.mean, first.std):
            raise ModelError(
                f"{first.names[0]} and {other.names[0]} normalise differently "
                f"({_text(first.mean)} and {_text(other.mean)})",
                hint="leave one out with --ignore NAME",
            )
    check_units(first.mean, first.std, f"{first.names[0]} and {first.names[1]}")
    return Lifted(first.mean, first.std, tuple(name for one in found for name in one.names))


def check_units(mean: tuple[float, ...], std: tuple[float, ...], where: str) -> None:
    """Refuse numbers that cannot be a mean and a deviation of pixels in [0, 1].

    Raises:
        ModelError: they are in units of 0..255, not finite, or a deviation is not positive.
    """
    both = torch.tensor([*mean, *std])
    if not bool(torch.isfinite(both).all()) or min(std) <= 0:
        raise ModelError(f"{where}: not a mean and a positive deviation: {mean}, {std}")
    if max(mean) > 1 or min(mean) < 0:
        raise ModelError(
            f"{where} are not of pixels in [0, 1]: mean {_text(mean)}",
            hint="divide both by 255 and give them as --mean and --std, with --ignore for these "
            "names",
        )


def _values(tensor: Tensor) -> tuple[float, ...]:
    return tuple(float(value) for value in tensor.flatten().to(torch.float32))


def _text(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
