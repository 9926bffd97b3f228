"""What goes wrong around real commands: it is named at once, and nothing already there suffers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dwlt.training.device import choose_device
from tests.conftest import Cli

Json = Callable[..., Any]

NET = """
from torch import nn

def make(num_classes, channels):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1), nn.{activation}(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, num_classes),
    )
"""


@pytest.fixture
def base(tiny: Path, tmp_path: Path) -> list[str]:
    return ["--config", str(tiny), "--runs", str(tmp_path / "runs"), "--device", "cpu"]


def images(folder: Path, seed: int, classes: tuple[str, ...] = ("a", "b")) -> None:
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(24):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index:02d}.png")


def test_a_run_that_another_process_finished_meanwhile_is_left_alone(
    cli: Cli, cli_json: Json, base: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[Any] = []

    def slow_pick(name: str, threads: int | None) -> torch.device:
        # Between the look for a result and the lock, the same command runs to its end.
        monkeypatch.setattr("dwlt.stages.pretrain.choose_device", choose_device)
        # Whatever is printed inside a session goes to stderr, so the result is read from its file.
        assert cli("pretrain", *base)[0] == 0
        (file,) = Path(base[3]).glob("pretrain/*/result.json")
        first.append(json.loads(file.read_text()))
        return choose_device(name, threads)

    monkeypatch.setattr("dwlt.stages.pretrain.choose_device", slow_pick)
    second = cli_json("pretrain", *base)
    assert second["result"] == first[0]
    assert not list(Path(second["folder"]).glob("state*"))
    assert cli_json("runs", "verify", second["result"]["id"], *base[2:4])["problems"] == {}


def test_images_that_changed_between_stages_are_refused(
    cli: Cli, cli_json: Json, base: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    images(folder, seed=0)
    task = ["--set", f"source.task=imagefolder:{folder}", "--set", "source.per_class=12"]
    cli_json("pretrain", *base, *task)
    shutil.rmtree(folder)
    images(folder, seed=1)
    code, _, err = cli("prune", "--rounds", 1, *base, *task)
    assert code == 2
    assert "are not those that" in err


def test_one_class_is_refused(cli: Cli, base: list[str], tmp_path: Path) -> None:
    images(tmp_path / "images", seed=0, classes=("only",))
    code, _, err = cli("pretrain", *base, "--set", f"source.task=imagefolder:{tmp_path}/images")
    assert code == 2
    assert "single class, 'only'" in err
    assert not (tmp_path / "runs").exists()


def test_code_of_an_own_model_that_changed_is_refused(
    cli: Cli, cli_json: Json, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "changing_net.py"
    own = ["--set", "model.name=changing_net:make"]
    module.write_text(NET.format(activation="ReLU"))
    cli_json("prune", "--rounds", 1, *base, *own)
    module.write_text("# a comment changes nothing\n" + NET.format(activation="ReLU"))
    cli_json("transfer", "--rounds", "0,1", *base, *own)
    module.write_text(NET.format(activation="Tanh"))
    code, _, err = cli("transfer", "--adv", "--rounds", "0,1", *base, *own)
    assert code == 2
    assert "the code of changing_net:make has changed" in err


def test_a_network_without_convolutions_is_refused(
    cli: Cli, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flat_net.py").write_text(
        "from torch import nn\n"
        "def make(num_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))\n"
    )
    code, _, err = cli("prune", "--rounds", 1, *base, "--set", "model.name=flat_net:make")
    assert code == 2
    assert "no conv weights" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "nosuch"], "there is no task 'nosuch'"),
        (["--to", "digits:0-20"], "class"),
        (["--set", "transfer.train.epochs=0"], "0 epochs"),
        (["--rounds", "0,1001"], "round 1001 is beyond the search's 3 rounds"),
    ],
)
def test_a_transfer_that_cannot_work_computes_no_tickets(
    arguments: list[str], message: str, cli: Cli, base: list[str], tmp_path: Path
) -> None:
    code, _, err = cli("transfer", *base, *arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "runs" / "prune").exists()


def test_a_transfer_of_early_rounds_does_not_shorten_the_search(
    cli_json: Json, base: list[str]
) -> None:
    cells = cli_json("transfer", "--rounds", "0,1", *base)
    assert [c["result"]["round"] for c in cells] == [0, 1]
    cells = cli_json("transfer", "--rounds", "all", *base)
    assert [c["result"]["round"] for c in cells] == [0, 1, 2, 3]


def test_evaluate_takes_the_runs_own_attack_unless_told(
    cli: Cli, cli_json: Json, tiny: Path, tmp_path: Path
) -> None:
    runs = ["--runs", str(tmp_path / "runs"), "--device", "cpu"]
    own = ["--set", "attack.evaluate.eps='1/8'", "--set", "attack.evaluate.step='1/32'"]
    trained = cli_json("pretrain", "--config", tiny, *runs, *own)
    model = Path(trained["folder"]) / "model.safetensors"
    found = cli_json("evaluate", model, "--attack", "pgd-3", *runs)
    assert found["result"]["test"] == trained["result"]["test"]
    found = cli_json("evaluate", model, "--eps", "1/4", *runs)
    attack = found["result"]["spec"]["score"]["attack"]
    assert (attack["eps"], attack["step"]) == ("1/4", "1/16")
    code, _, err = cli("evaluate", model, "--norm", "l2", *runs)
    assert code == 2
    assert "--eps and --step" in err


def test_weights_are_not_overwritten_by_a_mask(cli: Cli, cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--rounds", 1, *base)
    mask = Path(found["folder"]) / "round-01" / "mask.safetensors"
    weights = next(Path(base[3]).glob("pretrain/*/model.safetensors"))
    before = weights.read_bytes()
    code, _, err = cli("mask", "apply", weights, mask, "-o", weights)
    assert code == 2
    assert "overwritten" in err
    assert weights.read_bytes() == before


def test_a_damaged_result_is_named_and_listed(cli: Cli, cli_json: Json, base: list[str]) -> None:
    trained = cli_json("pretrain", *base)
    result = Path(trained["folder"]) / "result.json"
    result.write_text("[]")
    code, _, err = cli("prune", "--rounds", 1, *base)
    assert code == 1
    assert str(result) in err
    assert f"remove {result.parent} to compute the run again" in err
    listed = cli_json("runs", "list", *base[2:4])
    assert listed[0]["state"] == "damaged"


def test_quiet_says_nothing_at_all(cli: Cli, base: list[str]) -> None:
    assert cli("pretrain", *base, "--quiet") == (0, "", "")
