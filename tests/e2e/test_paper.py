"""The paper's presets on an ImageNet-shaped folder that fits into a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

Json = Callable[..., Any]

FEW = [
    *("--set", "source.validation=2", "--set", "source.test=2", "--set", "score.every=30"),
    *("--set", "attack.evaluate.steps=1", "--set", "prune.train.batch_size=2"),
    *("--set", "prune.train.epochs=1", "--device", "cpu"),
]
"""What makes a step or two of it: few images, one epoch, a short look at the end."""


def imagenet(folder: Path) -> None:
    """Two of ImageNet's classes by their names, images of several sizes, one of them grey."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 3), ("val", 1)):
        for name in ("n01440764", "n01443537"):
            (folder / part / name).mkdir(parents=True)
            for index in range(count):
                grey = part == "train" and index == 2
                shape = (256, 240 + 16 * index) if grey else (256, 240 + 16 * index, 3)
                pixels = rng.integers(0, 256, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{name}_{index}.JPEG")


def checkpoint(path: Path) -> None:
    """A ResNet-50 as MadryLab's library keeps one, with two classes."""
    from torchvision.models import resnet50

    torch.manual_seed(0)
    state = resnet50(num_classes=2).state_dict()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    wrapped = {
        "module.normalizer.new_mean": mean[:, None, None],
        "module.normalizer.new_std": std[:, None, None],
        **{f"module.model.{name}": one for name, one in state.items()},
        **{f"module.attacker.model.{name}": one for name, one in state.items()},
    }
    torch.save({"model": wrapped, "epoch": 90}, path)


def test_a_published_resnet50_is_pruned_on_an_imagenet_folder(
    cli_json: Json, tmp_path: Path
) -> None:
    preset = "paper-cifar10"
    imagenet(tmp_path / "data" / "imagenet")
    checkpoint(tmp_path / "robust.pt")
    out = tmp_path / "robust.safetensors"
    cli_json("import", tmp_path / "robust.pt", "--config", preset, "-o", out)
    base = ["--config", preset, "--runs", tmp_path / "runs", "--data-dir", tmp_path / "data"]
    found = cli_json("prune", "--weights", out, "--rounds", 1, *base, *FEW)
    dense, first = found["rounds"]
    # ResNet-50's convolutions, and nothing else: 23,454,912 weights, of which 20% go.
    assert dense["total"] == 23_454_912
    assert first["kept"] == 23_454_912 - round(0.2 * 23_454_912)
    assert first["task"]["shape"] == [3, 224, 224]
    assert first["task"]["n"] == {"train": 4, "validation": 2, "test": 2}
    assert first["task"]["classes"] == ["n01440764", "n01443537"]
    assert first["regime"] == "adversarial"
    # One step of the preset's PGD: a random start and a quarter of the radius, which FGSM has not.
    assert first["search"]["validation"]["attack"] == "pgd-1 linf 8/255"
