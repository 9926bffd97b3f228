"""``import``: a published checkpoint, or torchvision's published weights, as a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dwlt.checkpoints import (
    Choice,
    Entry,
    NameMatch,
    choose,
    entries_of,
    head_rows,
    read_checkpoint,
)
from dwlt.checkpoints.classes import class_counts
from dwlt.checkpoints.fitting import NORMALISER, fitted, normalisation, rounded
from dwlt.checkpoints.hub import HUB, fetch
from dwlt.errors import ModelError, UserError
from dwlt.models import Model, build_model, load_state, rehearse, state_of
from dwlt.models.blueprint import KEY, Blueprint
from dwlt.models.factory import is_own
from dwlt.models.files import read_metadata
from dwlt.models.small import DEPTHS
from dwlt.spec import ModelSpec, Regime

TORCHVISION = "torchvision:"
"""What stands before the name of a network whose weights torchvision publishes."""

_CHANNELS = 3
"""Of the first try; where the file says otherwise the network is built anew."""

_LARGE, _SMALL = 224, 32
"""Pixels that torchvision's networks and those for small images are commonly trained at."""


@dataclass(frozen=True)
class ImportRequest:
    """What the user says about a checkpoint; None leaves it to the file.

    Attributes:
        choice: what to take of the file.
        num_classes: must agree with the file's head.
        classes: names of the classes; used where their number is the file's.
        channels, size: of the images.
        regime: how the network was trained; noted in the model file.
    """

    choice: Choice = field(default_factory=Choice)
    num_classes: int | None = None
    classes: tuple[str, ...] | None = None
    channels: int | None = None
    size: int | None = None
    regime: Regime | None = None


@dataclass(frozen=True)
class Imported:
    """A network as dwlt has it, and how it came out of the file.

    Attributes:
        origin: JSON-ready: entry, prefix, mapping of names, normalisation and where it is from,
            what was left out, filled or converted.
        notes: the same for people, a line each.
    """

    model: Model
    blueprint: Blueprint
    origin: dict[str, Any]
    notes: tuple[str, ...]


def load(text: str, spec: ModelSpec, wanted: ImportRequest) -> Imported:
    """Import a file, ``torchvision:NAME[:WEIGHTS]``, or ``hub:ORG/NAME[@REVISION]``.

    Args:
        spec: which network a file holds, and its normalisation where the file has none.
            torchvision's weights name their own.

    Raises:
        FormatError: the file is damaged, of another kind, or would have to run code.
        ModelError: its tensors are not those of the network, all of them and no others; or
            nothing says how pixels are normalised.
        UserError: there is no such file.
    """
    if text.startswith(TORCHVISION):
        return _from_torchvision(text, wanted)
    if text.startswith(HUB):
        fetched = fetch(text)
        imported = _from_file(fetched.path, spec, wanted)
        origin = {**imported.origin, "hub": fetched.name}
        note = f"{fetched.name}, {fetched.path.name}"
        return replace(imported, notes=(note, *imported.notes), origin=origin)
    path = Path(text)
    if not path.is_file():
        raise UserError(
            f"{text} is not a file",
            hint="give a checkpoint file, torchvision:NAME such as torchvision:resnet50, or "
            "hub:ORG/NAME",
        )
    return _from_file(path, spec, wanted)


def checked(imported: Imported, *, to_train: bool = False) -> Imported:
    """The same after a dry run of the network; what it brought up is in notes and origin.

    Args:
        to_train: refuse a network that can be scored but neither trained nor pruned.

    Raises:
        ModelError: naming the network, the part that fails, and why.
    """
    blueprint = imported.blueprint
    found = rehearse(
        imported.model,
        blueprint.model,
        channels=blueprint.channels,
        image_size=blueprint.size,
        to_train=to_train,
    )
    origin = {**imported.origin, "warnings": list(found)}
    return replace(imported, notes=(*imported.notes, *found), origin=origin)


def _from_torchvision(text: str, wanted: ImportRequest) -> Imported:
    name, _, which = text.removeprefix(TORCHVISION).partition(":")
    from dwlt.models import zoo

    spec = ModelSpec(name=name, weights=which or "default")
    published = zoo.published_weights(spec)
    assert published is not None
    count = _agreed(len(published.meta["categories"]), wanted, text)
    channels, size = wanted.channels or _CHANNELS, wanted.size or _LARGE
    model = _built(spec, count, channels, size)
    own = state_of(model)
    mean, std = (tuple(own[one].tolist()) for one in NORMALISER)
    origin = {
        "source": f"{TORCHVISION}{name}:{published.name}",
        "normalisation": {"mean": list(mean), "std": list(std), "from": [str(published)]},
    }
    return Imported(
        model,
        _blueprint(ModelSpec(name=name), count, wanted, channels, size, "standard"),
        origin,
        (f"torchvision's {published}", f"normalisation: {rounded(mean)} / {rounded(std)}"),
    )


def _from_file(path: Path, spec: ModelSpec, wanted: ImportRequest) -> Imported:
    if KEY in read_metadata(path):
        raise UserError(f"{path} is a model file of dwlt already", hint="use it as it is")
    value, not_built = read_checkpoint(path)
    bare = spec.model_copy(update={"weights": None})
    size = wanted.size or (_SMALL if _for_small_images(bare.name) else _LARGE)
    channels = wanted.channels or _CHANNELS
    entries = entries_of(value)
    first, model = _first(bare, entries, wanted, channels, size)
    match = choose(path, entries, _names(model), wanted.choice)
    count = _agreed(head_rows(match, model.head) or first, wanted, str(path))
    if wanted.channels is None and _input_channels(match, model) == 1:
        channels = 1
    if (count, channels) != (first, wanted.channels or _CHANNELS):
        model = _built(bare, count, channels, size)
    width = state_of(model)[NORMALISER[0]].numel()
    mean, std, origins = normalisation(path, spec, match, width)
    state, converted = fitted(path, match, model)
    normaliser = {
        name: torch.tensor(values) for name, values in zip(NORMALISER, (mean, std), strict=True)
    }
    load_state(model, state | normaliser)
    origin = {
        "source": path.name,
        "entry": match.entry.label,
        "prefix": match.prefix,
        "mapping": {theirs: own for own, theirs in match.names.items()},
        "copies": list(match.copies),
        "normalisation": {"mean": list(mean), "std": list(std), "from": list(origins)},
        "filled": list(match.filled),
        "ignored": list(match.ignored),
        "converted": converted,
        "dequantized": sorted(match.entry.dequantized & set(match.names.values())),
        "beside": list(match.entry.beside),
        "not_built": not_built,
    }
    blueprint = _blueprint(bare, count, wanted, channels, size, None)
    return Imported(model, blueprint, origin, tuple(_notes(match, origin)))


def _first(
    spec: ModelSpec, entries: Sequence[Entry], wanted: ImportRequest, channels: int, size: int
) -> tuple[int, Model]:
    """The network with as many classes as the file's head seems to have, whose names are needed.

    Raises:
        ModelError: it cannot be built with any number of classes that the file could mean. What
            is said is what came of the likeliest.
    """
    counts = class_counts(entries) if wanted.num_classes is None else [wanted.num_classes]
    faults: list[ModelError] = []
    for count in counts:
        try:
            return count, _built(spec, count, channels, size)
        except ModelError as error:
            faults.append(error)
    raise faults[0]


def _for_small_images(name: str) -> bool:
    return name in DEPTHS or name.endswith("-32") or is_own(name)


def _built(spec: ModelSpec, num_classes: int, channels: int, size: int) -> Model:
    return build_model(
        spec,
        num_classes=num_classes,
        channels=channels,
        image_size=size,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        seed=0,
    )


def _names(model: Model) -> list[str]:
    return [name for name in state_of(model) if name not in NORMALISER]


def _agreed(count: int, wanted: ImportRequest, where: str) -> int:
    if wanted.num_classes not in (None, count):
        raise ModelError(
            f"the head in {where} has {count} outputs, --num-classes says {wanted.num_classes}",
            hint="leave --num-classes out: the file decides",
        )
    return count


def _input_channels(match: NameMatch, model: Model) -> int | None:
    """Colour channels that the first convolution in the file takes."""
    for own, tensor in state_of(model).items():
        if tensor.dim() == 4 and own in match.names:
            theirs = match.entry.tensors[match.names[own]]
            return int(theirs.shape[1]) if theirs.dim() == 4 else None
    return None


def _blueprint(
    spec: ModelSpec,
    count: int,
    wanted: ImportRequest,
    channels: int,
    size: int,
    regime: Regime | None,
) -> Blueprint:
    names = wanted.classes
    named = names is not None and len(names) == count
    return Blueprint(
        model=spec,
        classes=names if names is not None and named else tuple(str(i) for i in range(count)),
        channels=channels,
        size=size,
        named=named,
        regime=wanted.regime or regime,
    )


def _notes(match: NameMatch, origin: dict[str, Any]) -> Iterator[str]:
    prefix = f" behind {match.prefix!r}" if match.prefix else " under their own names"
    yield f"{match.entry}: {len(match.names)} tensors{prefix}"
    for copy in match.copies:
        yield f"the same again behind {copy!r}"
    if match.entry.averaged:
        yield "these are averages over training; --entry chooses other weights"
    found = origin["normalisation"]
    where = ", ".join(found["from"])
    yield f"normalisation: {rounded(found['mean'])} / {rounded(found['std'])} ({where})"
    for dtype, number in origin["converted"].items():
        yield f"{number} tensors converted from {dtype}"
    if origin["dequantized"]:
        yield f"quantised in the file, and float32 now: {_few(origin['dequantized'])}"
    if match.filled:
        yield f"{len(match.filled)} counters of batches begin at 0: the file has none"
    if match.ignored:
        yield f"ignored as asked: {_few(match.ignored)}"
    if origin["beside"]:
        yield f"left out: {_few(origin['beside'])}"
    if origin["not_built"]:
        yield f"objects in the file that were not built: {_few(origin['not_built'])}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
