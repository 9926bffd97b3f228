"""Model files: plain safetensors whose metadata says how to rebuild the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from dwlt import _core
from dwlt.errors import FormatError, ModelError, UserError
from dwlt.models.blueprint import KEY, Blueprint, ImageTask, blueprint_of
from dwlt.models.build import build_model
from dwlt.models.model import Model, load_state, state_of
from dwlt.runs import layout
from dwlt.sniff import refuse_other_kinds
from dwlt.spec import ModelSpec

__all__ = [
    "KEY",
    "Blueprint",
    "blueprint_of",
    "digest",
    "digest_of",
    "find_model",
    "load_into",
    "model_bytes",
    "new_model",
    "read_metadata",
    "read_model",
    "read_tensors",
]

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What safetensors calls each type."""


def new_model(spec: ModelSpec, task: ImageTask, *, seed: int) -> Model:
    """A freshly initialised network for a task.

    Its normaliser is set from the spec, else from published weights, else from the task's
    training pixels.

    Args:
        spec: name, width and normalisation of the network.
        task: its classes, image shape (C, H, W), and mean and deviation per channel.
        seed: of the weights.

    Raises:
        ModelError: no such network, it does not take such images, or the images are not square.
    """
    channels, height, width = task.shape
    if height != width:
        raise ModelError(
            f"{task.name} has {height}x{width} images, and networks here take square ones",
            hint=f"set the task's `size`, e.g. size = {min(height, width)}",
        )
    model = build_model(
        spec,
        num_classes=len(task.classes),
        channels=channels,
        image_size=height,
        mean=task.mean,
        std=task.std,
        seed=seed,
    )
    for name in ("mean", "std"):
        given = getattr(spec, name)
        if given is not None:
            own: torch.Tensor = getattr(model.normalise, name)
            if len(given) != len(own):
                raise ModelError(
                    f"model.{name} has {len(given)} values, the network takes {len(own)} channels"
                )
            own.copy_(torch.tensor(given))
    return model


def model_bytes(model: Model, blueprint: Blueprint) -> bytes:
    """A model file's bytes: same weights, same bytes."""
    state: dict[str, torch.Tensor] = {}
    places: set[int] = set()
    for name, tensor in state_of(model).items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        # A file holds every tensor by itself, so what shares memory is written once per name.
        state[name] = plain.clone() if place in places else plain
        places.add(place)
    text = json.dumps(blueprint.values(), sort_keys=True, separators=(",", ":"))
    return save(state, metadata={KEY: text})


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, str]]:
    """All tensors of a safetensors file, and its metadata.

    Raises:
        FormatError: not a safetensors file, or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        if path.is_file():
            refuse_other_kinds(path)
        raise FormatError(
            f"{path} cannot be read as safetensors: {error}",
            hint="give a .safetensors model file or a run folder",
        ) from error


def read_metadata(path: Path) -> Mapping[str, str]:
    """The metadata of a file; of one that is not safetensors, none."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError):
        return {}


def read_model(path: Path) -> tuple[Model, Blueprint]:
    """Rebuild the network in a model file that dwlt wrote.

    Raises:
        FormatError: the file is damaged or does not say which network it holds.
        ModelError: its tensors do not fit that network.
    """
    tensors, meta = read_tensors(path)
    blueprint = blueprint_of(path, meta)
    # Published weights must not be fetched again just to be overwritten.
    bare = blueprint.model.model_copy(update={"weights": None})
    ones = (1.0,) * blueprint.channels
    model = build_model(
        bare,
        num_classes=len(blueprint.classes),
        channels=blueprint.channels,
        image_size=blueprint.size,
        mean=ones,
        std=ones,
        seed=0,
    )
    load_state(model, tensors)
    return model, blueprint


def digest(path: Path) -> str:
    """The digest that names a model file's tensors, whatever their order in the file."""
    return _core.digest_file(str(path))


def digest_of(model: Model) -> str:
    """The same digest, of a model in memory.

    Buffers that count batches are integers; every type that safetensors writes is understood.
    """
    state = state_of(model)
    parts = []
    for name, tensor in state.items():
        plain = tensor.detach().cpu().contiguous()
        data = plain.flatten().view(torch.uint8).numpy()
        parts.append((name, DTYPES[plain.dtype], list(plain.shape), data))
    return _core.digest_tensors(parts)


def load_into(model: Model, path: Path) -> None:
    """Put a model file's tensors into a model that was built for them.

    Raises:
        FormatError: the file is damaged.
        ModelError: a tensor does not fit.
    """
    tensors, _ = read_tensors(path)
    load_state(model, tensors)


def find_model(path: Path) -> Path:
    """The model file meant by a path: the file itself, or the one in a run folder.

    Raises:
        UserError: the folder holds none or several.
    """
    if path.is_file():
        return path
    if not path.exists():
        raise UserError(f"{path} does not exist", hint="give a model file, a checkpoint or a run")
    names = (layout.MODEL, layout.best("sa"), layout.best("ra"))
    found = [path / name for name in names if (path / name).is_file()]
    if len(found) != 1:
        several = ", ".join(file.name for file in found)
        raise UserError(
            f"{path} holds {'several model files' if found else 'no model file'}",
            hint=f"name one of them: {several}" if found else "give a .safetensors file",
        )
    return found[0]
