"""A checkpoint's tensors and normalisation, made to fit a network of dwlt's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dwlt.checkpoints import Match, check_units
from dwlt.errors import ModelError
from dwlt.models import Model, state_of
from dwlt.spec import ModelSpec

NORMALISER = ("normalise.mean", "normalise.std")
"""What the normaliser's tensors are called in a model's state."""

Normalisation = tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]
"""Mean and standard deviation per channel, and the names of where they are from."""


def normalisation(path: Path, spec: ModelSpec, match: Match, width: int) -> Normalisation:
    """The file's, else the spec's, for ``width`` channels."""
    given, lifted = None, match.lifted
    if spec.mean is not None and spec.std is not None:
        check_units(spec.mean, spec.std, "the given mean and std")
        given = _spread(spec.mean, width, path), _spread(spec.std, width, path)
    if lifted is None:
        if given is None:
            raise ModelError(
                f"{path} does not say how its images were normalised",
                hint="give --mean and --std (model.mean and model.std in a config), in units of "
                "pixels in [0, 1]: 0.485,0.456,0.406 and 0.229,0.224,0.225 for most ImageNet "
                "networks; 0 and 1 for one that takes plain pixels",
            )
        return *given, ("given",)
    own = _spread(lifted.mean, width, path), _spread(lifted.std, width, path)
    if given is not None and not torch.allclose(torch.tensor(given), torch.tensor(own), atol=1e-6):
        raise ModelError(
            f"{path} normalises with mean {rounded(own[0])} ({lifted.names[0]}), and "
            f"{rounded(given[0])} was given",
            hint="leave mean and std out: the file's own travel with it",
        )
    return *own, lifted.names


def _spread(values: tuple[float, ...], width: int, path: Path) -> tuple[float, ...]:
    """One value per channel; a single one counts for all."""
    if len(values) not in (1, width):
        raise ModelError(
            f"{path}: a mean or std of {len(values)} values, and the network takes {width} channels"
        )
    return values if len(values) == width else values * width


def fitted(path: Path, match: Match, model: Model) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The file's tensors in the network's types and shapes, and how many of a type were converted.

    Raises:
        ModelError: shapes differ, or a weight is not finite; the first ones are named.
    """
    own = {name: one for name, one in state_of(model).items() if name not in NORMALISER}
    given = match.tensors()
    wrong = [name for name, one in given.items() if one.shape != own[name].shape]
    if wrong:
        listed = ", ".join(
            f"{match.names[name]!r} {_shape(given[name])}, the network's is {_shape(own[name])}"
            for name in wrong[:3]
        )
        raise ModelError(
            f"{path}: {match.entry}: {len(wrong)} of {len(given)} tensors have another shape: "
            f"{listed}",
            hint="check --model (names ending in -32 have a 3x3 stem), model.width, --channels and "
            "--size",
        )
    state: dict[str, Tensor] = {}
    converted: Counter[str] = Counter()
    for name, tensor in given.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: {match.names[name]!r} has values that are not finite")
        if tensor.dtype != own[name].dtype:
            converted[str(tensor.dtype).removeprefix("torch.")] += 1
        state[name] = tensor.to(own[name].dtype)
    return state | {name: torch.zeros_like(own[name]) for name in match.filled}, dict(converted)


def rounded(values: Sequence[float]) -> str:
    """Numbers for people to read."""
    return " ".join(f"{value:.4g}" for value in values)


def _shape(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "scalar"
