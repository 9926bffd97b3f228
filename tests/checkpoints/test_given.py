"""Weights given instead of a pre-training: files of others, torchvision's, dwlt's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dwlt.checkpoints.given import given_weights
from dwlt.errors import ModelError, UserError
from dwlt.models.blueprint import Blueprint
from dwlt.models.files import digest, read_model
from dwlt.results import RunRef
from dwlt.runs.context import Context
from dwlt.runs.plan import SourceWeights
from dwlt.spec import ModelSpec, TaskSpec
from tests.checkpoints.make import LAYOUTS, MEAN, STD, cache_torchvision
from tests.conftest import Cli

Json = Callable[..., Any]

DIGITS = TaskSpec(task="digits:0-4", channels=3)
NET = ModelSpec(name="resnet8", width=4, mean=MEAN, std=STD)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(
        runs=tmp_path / "runs",
        data_dir=tmp_path,
        device="cpu",
        workers=0,
        threads=None,
        observe=lambda event: None,
        stop=lambda: False,
    )


def id8(source: SourceWeights) -> str:
    """What stands for a run's id: the first digits of the weights' digest."""
    return source.digest.rpartition(":")[2][:8]


@pytest.mark.parametrize("layout", ["bare", "madry", "timm", "sharded"])
def test_a_published_checkpoint_becomes_a_source(
    layout: str, context: Context, tmp_path: Path
) -> None:
    path = LAYOUTS[layout][0](tmp_path)
    source = given_weights(str(path), NET, DIGITS, context)
    model, blueprint = read_model(source.path)
    assert source.path.parent == context.runs / "weights"
    assert source.digest == digest(source.path)
    assert source.pretrain == RunRef(id8(source), path.stem, "given")
    # As many classes as the task has: they are the task's.
    assert blueprint.classes == ("0", "1", "2", "3", "4")
    assert (blueprint.named, blueprint.channels, blueprint.size) == (True, 3, 8)
    assert model.num_classes == 5
    again = given_weights(str(path), NET, DIGITS, context)
    assert again == source


def test_a_head_of_another_size_stays_numbered(context: Context, tmp_path: Path) -> None:
    path = LAYOUTS["bare"][0](tmp_path)
    ten = TaskSpec(task="digits", channels=3)
    source = given_weights(str(path), NET, ten, context)
    blueprint = read_model(source.path)[1]
    assert (len(blueprint.classes), blueprint.named) == (5, False)


def test_torchvisions_weights_are_a_source(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    net = cache_torchvision(tmp_path / "torch")
    large = TaskSpec(task="digits:0-4", channels=3, size=64)
    source = given_weights("torchvision:resnet18", NET, large, context)
    # The name of the network comes from the weights, not from the config.
    assert source.model == ModelSpec(name="resnet18")
    assert source.pretrain.regime == "standard"
    assert source.pretrain.name == "torchvision-resnet18"
    model, blueprint = read_model(source.path)
    assert (len(blueprint.classes), blueprint.named, blueprint.size) == (1000, False, 64)
    assert torch.equal(
        model.network.get_parameter("conv1.weight"), net.get_parameter("conv1.weight")
    )


def test_a_model_file_is_taken_as_it_is(cli_json: Json, context: Context, tmp_path: Path) -> None:
    out = tmp_path / "robust.safetensors"
    net = ["--model", "resnet8", "--set", "model.width=4"]
    cli_json("import", LAYOUTS["madry"][0](tmp_path), *net, "--regime", "adversarial", "-o", out)
    source = given_weights(str(out), ModelSpec(), DIGITS, context)
    assert source.path == out
    assert source.model == ModelSpec(name="resnet8", width=4)
    assert source.pretrain == RunRef(id8(source), "robust", "adversarial")


def test_unnamed_classes_only_have_to_be_as_many() -> None:
    def task(*classes: str) -> Any:
        return type("Task", (), {"classes": classes, "shape": (3, 8, 8), "name": "task"})()

    numbered = Blueprint(NET, ("0", "1"), 3, 8, named=False)
    numbered.require(task("cat", "dog"))
    with pytest.raises(ModelError, match="tells 2 classes apart"):
        numbered.require(task("cat", "dog", "eel"))
    with pytest.raises(ModelError, match="tells 2 classes apart"):
        Blueprint(NET, ("0", "1"), 3, 8).require(task("cat", "dog"))
    # An accented letter in one code point, and as letter and mark.
    cafes = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"
    Blueprint(NET, ("bar", cafes[0]), 3, 8).require(task("bar", cafes[1]))


def test_what_is_not_there_is_said(context: Context) -> None:
    with pytest.raises(UserError, match="nowhere"):
        given_weights("nowhere.pth", NET, DIGITS, context)


def test_an_imported_network_is_pruned_and_transferred(
    cli: Cli, cli_json: Json, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "robust.safetensors"
    base = ["--config", tiny, "--runs", tmp_path / "runs", "--device", "cpu"]
    colour = ["--set", "source.channels=3", "--set", "downstream.channels=3"]
    net = ["--model", "resnet8", "--set", "model.width=4"]
    cli_json("import", LAYOUTS["madry"][0](tmp_path), *net, "--regime", "adversarial", "-o", out)
    found = cli_json("prune", "--rounds", 1, "--weights", out, *base, *colour)
    dense, first = found["rounds"]
    assert dense["pretrain"]["name"] == "robust"
    assert dense["pretrain"]["regime"] == "adversarial"
    assert first["weights"] == digest(out)
    assert first["kept"] == dense["kept"] - round(0.2 * dense["kept"])
    cells = cli_json("transfer", "--rounds", "0,1", "--weights", out, *base, *colour)
    assert cells
    on = ["--on", "digits:5-9", "--attack", "pgd-2", "--eps", "8/255"]
    scored = cli_json("evaluate", out, *on, *base, "--set", "downstream.channels=3")
    assert scored["result"]["weights"] == digest(out)
    # The digits have ten classes, the head has five: numbered or not, that does not fit.
    ten = ["--set", "source.task=digits"]
    code, _, err = cli("prune", "--rounds", 1, "--weights", out, *base, *colour, *ten)
    assert code == 2
    assert "tells 5 classes apart" in err
