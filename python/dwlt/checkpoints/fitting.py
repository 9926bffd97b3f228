"""A checkpoint's tensors and normalisation, made to fit a network of dwlt's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dwlt.checkpoints import NameMatch, check_units
from dwlt.errors import ModelError
from dwlt.models import Model, state_of
from dwlt.spec import ModelSpec

NORMALISER = ("normalise.mean", "normalise.std")
"""What the normaliser's tensors are called in a model's state."""

Normalisation = tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]
"""Mean and standard deviation per channel, and the names of where they are from."""


def normalisation(path: Path, spec: ModelSpec, match: NameMatch, width: int) -> Normalisation:
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


def fitted(path: Path, match: NameMatch, model: Model) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The file's tensors in the network's types and shapes, and how many of a type were converted.

    Raises:
        ModelError: shapes differ, a tensor is empty, of another kind of numbers or not finite; the
            first ones are named.
    """
    own = {name: one for name, one in state_of(model).items() if name not in NORMALISER}
    given = match.tensors()
    wrong = [name for name, one in given.items() if one.shape != own[name].shape]
    empty = [name for name in wrong if given[name].numel() == 0]
    if empty:
        raise ModelError(
            f"{path}: {match.entry}: {match.names[empty[0]]!r} is empty, as are {len(empty)} of "
            f"{len(given)} tensors: the file holds no weights",
            hint="trainings that spread weights over processes (DeepSpeed ZeRO-3, FSDP) save them "
            "elsewhere: gather them first, with DeepSpeed's zero_to_fp32.py or the like",
        )
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
    parameters = {name for name, _ in model.named_parameters()}
    learned = {name for name in own if name in parameters or f"network.{name}" in parameters}
    state: dict[str, Tensor] = {}
    converted: Counter[str] = Counter()
    for name, tensor in given.items():
        try:
            state[name] = _converted(tensor, own[name].dtype, learned=name in learned)
        except ValueError as error:
            raise ModelError(f"{path}: {match.names[name]!r} {error}") from error
        if tensor.dtype != own[name].dtype:
            converted[_short(tensor.dtype)] += 1
    return state | {name: torch.zeros_like(own[name]) for name in match.filled}, dict(converted)


def _converted(tensor: Tensor, dtype: torch.dtype, *, learned: bool) -> Tensor:
    """A tensor in the network's type, where that means the same numbers up to rounding.

    Args:
        learned: whether it is a parameter. A parameter stays floating (integers in its place are
            packed or quantised numbers whose scale is elsewhere); a buffer may be of any type that
            holds its values exactly.

    Raises:
        ValueError: it would mean other numbers, or they are not finite. The text follows a name.
    """
    same_kind = _kind(tensor.dtype) == _kind(dtype)
    if tensor.dtype != dtype and not same_kind and (learned or tensor.is_complex()):
        raise ValueError(f"is of type {_short(tensor.dtype)}, the network's is {_short(dtype)}")
    try:
        found = tensor.to(dtype)
        # Floats of another width are rounded; everything else must come back as it was.
        floats = _kind(dtype) == _kind(tensor.dtype) in ("floating", "complex")
        exact = floats or bool((found.to(tensor.dtype) == tensor).all())
        finite = not found.is_floating_point() or bool(torch.isfinite(found).all())
    except RuntimeError as error:
        raise ValueError(f"is of type {_short(tensor.dtype)}, which PyTorch cannot read") from error
    if not exact:
        raise ValueError(f"holds numbers that {_short(dtype)}, the network's type, does not")
    if not finite:
        large = tensor.dtype != dtype and bool(torch.isfinite(tensor.to(torch.float64)).all())
        limit = f" as {_short(dtype)}, the network's type" if large else ""
        raise ValueError(f"has values that are not finite{limit}")
    return found


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_complex:
        return "complex"
    if dtype.is_floating_point:
        return "floating"
    return "boolean" if dtype == torch.bool else "integer"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def rounded(values: Sequence[float]) -> str:
    """Numbers for people to read."""
    return " ".join(f"{value:.4g}" for value in values)


def _shape(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "scalar"
