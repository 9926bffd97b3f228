"""``dwlt import`` on a file of each layout: what becomes of it, and what the user chooses."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dwlt.models.files import read_model
from tests.checkpoints.make import (
    LAYOUTS,
    MEAN,
    STD,
    cache_torchvision,
    madry,
    network,
    state,
    under,
)
from tests.conftest import Cli

Json = Callable[..., Any]
GIVEN = ["--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD))]
NET = ["--model", "resnet8", "--set", "model.width=4"]


def changed(**tensors: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The state with some tensors replaced, or gone; "__" stands for the dot."""
    found = state()
    for key, tensor in tensors.items():
        name = key.replace("__", ".")
        found.pop(name, None)
        if tensor is not None:
            found[name] = tensor
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_becomes_the_same_model_file(
    layout: str, cli_json: Json, tmp_path: Path
) -> None:
    make, entry, prefix, says = LAYOUTS[layout]
    out = tmp_path / "out.safetensors"
    # Where the file says how it normalises, it needs no telling.
    found = cli_json("import", make(tmp_path), *NET, *([] if says else GIVEN), "-o", out)
    assert (found["entry"], found["prefix"]) == (entry, prefix)
    assert found["mapping"][f"{prefix}layer1.0.conv2.weight"] == "layer1.0.conv2.weight"
    assert found["normalisation"]["mean"] == list(MEAN)
    assert found["normalisation"]["std"] == list(STD)
    assert (found["num_classes"], found["named"]) == (5, False)
    expected = {
        **state(),
        "normalise.mean": torch.tensor(MEAN),
        "normalise.std": torch.tensor(STD),
    }
    tensors = load_file(out)
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        if layout == "counters" and name.endswith("num_batches_tracked"):
            assert tensors[name] == 0
            assert name in found["filled"]
        else:
            assert torch.equal(tensors[name], tensor), name


@pytest.mark.parametrize("layout", ["madry", "robustbench"])
def test_the_model_takes_plain_pixels_and_gives_the_logits_of_the_wrapped_one(
    layout: str, cli_json: Json, tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    cli_json("import", LAYOUTS[layout][0](tmp_path), *NET, "-o", out)
    model, blueprint = read_model(out)
    images = torch.rand(2, 3, 8, 8)
    mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
    with torch.no_grad():
        expected = network().eval()((images - mean) / std)
        assert torch.equal(model.eval()(images), expected)
    assert blueprint.classes == ("0", "1", "2", "3", "4")


def test_people_are_told_what_went_where(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    code, printed, err = cli("import", LAYOUTS["madry"][0](tmp_path), *NET, "-o", out)
    assert code == 0, err
    assert printed == ""
    *lines, not_built, written = err.splitlines()
    assert lines == [
        "  entry 'model': 56 tensors behind 'module.model.'",
        "  the same again behind 'module.attacker.model.'",
        "  normalisation: 0.5 0.25 0.125 / 0.25 0.5 0.75 (module.normalizer.new_mean, "
        "module.normalizer.new_std, module.attacker.normalize.new_mean, "
        "module.attacker.normalize.new_std)",
        "  left out: args, optimizer, epoch, best_acc1",
    ]
    # NumPy's names of its parts differ between versions.
    assert not_built.startswith("  objects in the file that were not built: argparse.Namespace, ")
    assert written.startswith(f"{out}: resnet8, 5 classes, numbered, b3:")


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_protocol_becomes_the_same_model_file(
    protocol: int, old: bool, cli: Cli, tmp_path: Path
) -> None:
    path, out = tmp_path / "given.pth", tmp_path / "out.safetensors"
    value = {"model": madry(), "args": argparse.Namespace(eps=4), "best": np.float64(63.5)}
    torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    code, _, err = cli("import", path, *NET, "-o", out)
    assert code == 0, err
    assert "objects in the file that were not built: argparse.Namespace, " in err
    assert all(torch.equal(load_file(out)[name], tensor) for name, tensor in state().items())


@pytest.mark.filterwarnings("ignore")
def test_sparse_and_quantised_weights_become_dense(cli_json: Json, tmp_path: Path) -> None:
    path, out = tmp_path / "given.pth", tmp_path / "out.safetensors"
    weight = state()["conv1.weight"]
    quantised = torch.quantize_per_tensor(weight, 0.01, 0, torch.qint8)
    for given, expected in ((weight.to_sparse(), weight), (quantised, quantised.dequantize())):
        torch.save(changed(conv1__weight=given), path)
        found = cli_json("import", path, *NET, *GIVEN, "-o", out)
        assert found["dequantized"] == (["conv1.weight"] if given is quantised else [])
        assert torch.equal(load_file(out)["conv1.weight"], expected)


OWN = """
from torch import nn

def picky(num_classes):
    assert num_classes <= 100, f"{num_classes} classes"
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, num_classes))

def fixed():
    return picky(10)
"""


@pytest.mark.parametrize("factory", ["picky", "fixed"])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_the_factory_is_asked_for_as_many_classes_as_the_file_has(
    kind: str, factory: str, cli_json: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picky_nets.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    weights = {"0.weight": torch.ones(4, 3, 3, 3), "0.bias": torch.ones(4)}
    weights |= {"3.weight": torch.ones(10, 4), "3.bias": torch.ones(10)}
    path = tmp_path / f"given.{kind}"
    if kind == "pth":
        torch.save({"state_dict": weights}, path)
    else:
        save_file(weights, path)
    net = ["--model", f"picky_nets:{factory}", *GIVEN]
    found = cli_json("import", path, *net, "-o", tmp_path / "out.safetensors")
    assert found["num_classes"] == 10


def test_what_the_user_chooses_is_taken(cli_json: Json, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    path = LAYOUTS["timm"][0](tmp_path)
    found = cli_json("import", path, *NET, *GIVEN, "--entry", "state_dict", "-o", out)
    assert found["entry"] == "state_dict"
    assert torch.equal(load_file(out)["fc.weight"], state(seed=1)["fc.weight"])
    twice = madry() | under("module.attacker.model.", state(seed=1))
    torch.save(twice, tmp_path / "twice.pth")
    chosen = ["--prefix", "module.attacker.model.", "--ignore", "module.model"]
    found = cli_json("import", tmp_path / "twice.pth", *NET, *chosen, "-o", out)
    assert "module.model.fc.bias" in found["ignored"]
    assert torch.equal(load_file(out)["fc.weight"], state(seed=1)["fc.weight"])


def test_half_precision_and_grey_images_are_taken(cli_json: Json, tmp_path: Path) -> None:
    grey = {
        name: tensor[:, :1] if name == "conv1.weight" else tensor
        for name, tensor in state().items()
    }
    halves = {name: one.half() if one.is_floating_point() else one for name, one in grey.items()}
    save_file({name: one.contiguous() for name, one in halves.items()}, tmp_path / "h.safetensors")
    out = tmp_path / "out.safetensors"
    given = ["--mean", "0.5", "--std", "0.25"]
    found = cli_json("import", tmp_path / "h.safetensors", *NET, *given, "-o", out)
    assert found["channels"] == 1
    assert found["converted"] == {"float16": 47}
    tensors = load_file(out)
    assert torch.equal(tensors["fc.weight"], state()["fc.weight"].half().float())
    assert tensors["normalise.mean"].tolist() == [0.5]


def test_a_task_names_the_classes(cli: Cli, cli_json: Json, tmp_path: Path) -> None:
    path, out = LAYOUTS["bare"][0](tmp_path), tmp_path / "out.safetensors"
    cli_json("import", path, *NET, *GIVEN, "--on", "digits:5-9", "-o", out)
    assert read_model(out)[1].classes == ("5", "6", "7", "8", "9")
    assert read_model(out)[1].named
    code, _, err = cli("import", path, *NET, *GIVEN, "--on", "digits", "-o", out)
    assert code == 2
    assert "--on digits has 10 classes, the head in" in err


def test_torchvisions_own_weights(
    cli: Cli, cli_json: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    net, out = cache_torchvision(tmp_path / "torch"), tmp_path / "out.safetensors"
    found = cli_json("import", "torchvision:resnet18:IMAGENET1K_V1", "-o", out)
    assert found["source"] == "torchvision:resnet18:IMAGENET1K_V1"
    assert found["normalisation"]["mean"] == pytest.approx([0.485, 0.456, 0.406])
    assert (found["num_classes"], found["named"], found["size"]) == (1000, False, 224)
    assert found["regime"] == "standard"
    tensors = load_file(out)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensors[name], tensor)
