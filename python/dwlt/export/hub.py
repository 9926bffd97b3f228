"""A folder ready for the Hugging Face hub: weights, masks, config, and a model card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from dwlt import _core
from dwlt.errors import UserError
from dwlt.export.card import kept_of, title_of, write_card
from dwlt.export.network import NETWORK, plain_network
from dwlt.export.source import Source
from dwlt.export.verdict import Told, tell_verdict
from dwlt.models.blueprint import Blueprint, blueprint_of
from dwlt.outputs import write_file
from dwlt.results import PruneRound
from dwlt.results.files import to_json, version
from dwlt.runs import layout
from dwlt.spec.verdict import VerdictPart

CARD, CONFIG = "README.md", "config.json"


@dataclass(frozen=True)
class HubFolder:
    """What was written.

    Attributes:
        files: names in the folder, in the order in which they were written.
        title: what the network is called on its card.
        verdict: "double-win" and the like; None where there is none.
    """

    folder: Path
    files: tuple[str, ...]
    title: str
    verdict: str | None


def export_hub(source: Source, out: Path, settings: VerdictPart) -> HubFolder:
    """Write the folder; the card comes last.

    Args:
        out: a new or empty folder.
        settings: how the ticket is judged.

    Raises:
        UserError: ``out`` is a file, or holds something.
        FormatError, MaskError, ModelError: the network cannot be read as what it should be.
        DwltError, OSError: ``out`` cannot be written.
    """
    _require_empty(out)
    with safe_open(source.weights, framework="np") as file:
        blueprint = blueprint_of(source.weights, file.metadata() or {})
        mean, std = (file.get_tensor(f"normalise.{name}").tolist() for name in ("mean", "std"))
    plain = plain_network(blueprint)
    told = tell_verdict(source, settings)
    out.mkdir(parents=True, exist_ok=True)
    files = [layout.MODEL]
    if source.masks is None or source.mask_file is None:
        write_file(out / layout.MODEL, source.weights.read_bytes())
    else:
        _core.apply_to_file(source.weights, source.masks, out / layout.MODEL)
        write_file(out / layout.MASK, source.mask_file.read_bytes())
        files.append(layout.MASK)
    config = _config(source, blueprint, told, mean, std)
    content = {CONFIG: to_json(config)}
    if plain.source is not None:
        content[NETWORK] = plain.source.encode()
    content[CARD] = write_card(source, blueprint, plain, told).encode()
    for name, text in content.items():
        write_file(out / name, text)
    return HubFolder(out, (*files, *content), title_of(source), told.state)


def _require_empty(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file, not a folder")
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty", hint="name a new folder, or remove this one first")


def _config(
    source: Source, blueprint: Blueprint, told: Told, mean: list[float], std: list[float]
) -> dict[str, Any]:
    result = source.result
    kept, total = kept_of(source)
    weights = _core.digest_file(source.weights)
    return {
        "architecture": blueprint.model.name,
        "settings": json.loads(blueprint.model.model_dump_json(exclude_none=True)),
        "num_classes": len(blueprint.classes),
        "num_channels": blueprint.channels,
        "image_size": blueprint.size,
        "pixels": [0, 1],
        "mean": mean,
        "std": std,
        "id2label": {str(place): name for place, name in enumerate(blueprint.classes)},
        "label2id": {name: place for place, name in enumerate(blueprint.classes)},
        "kept": kept or None,
        "total": total or None,
        "dwlt": {
            "version": version(),
            "stage": result.stage,
            "run": result.label,
            "round": None if result.stage == "pretrain" else getattr(result, "round", None),
            "checkpoint": source.checkpoint,
            "dense_weights" if isinstance(result, PruneRound) else "weights": weights,
            "mask": None if source.masks is None else source.masks.digest,
            "verdict": told.state,
        },
    }
