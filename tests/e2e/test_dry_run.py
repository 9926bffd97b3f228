"""`--dry-run`: what is left to do and what it costs; the figure stands in the result afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.data.test_torchsets import write_cifar
from tests.e2e.test_paper import imagenet

Json = Callable[..., Any]


def test_the_papers_preset_says_what_it_costs(
    cli_json: Json, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a tiny ImageNet and a tiny CIFAR-10, at 32 pixels: the counts are those of 224."""
    data = tmp_path / "data"
    imagenet(data / "imagenet")
    write_cifar(data)
    monkeypatch.setattr(
        "torchvision.datasets.cifar.check_integrity", lambda path, *_: Path(path).is_file()
    )
    monkeypatch.setattr("dwlt.training.cost.LONG", 0.0)
    options = [
        *("run", "--config", "paper-cifar10", "--dry-run", "--device", "cpu"),
        *("--data-dir", data, "--runs", tmp_path / "runs"),
        *("--set", "score.every=1", "--set", "source.size=32", "--set", "downstream.size=32"),
        *("--set", "attack.evaluate.steps=2", "--set", "attack.adversarial.steps=2"),
        *("--set", "source.validation=2", "--set", "downstream.validation=20"),
    ]
    found = cli_json(*options)
    stages = {(one["stage"], one["label"].rpartition(", ")[2]): one for one in found["lines"]}
    pretrain = stages["pretrain", "adversarial"]
    # 90 epochs of 4 images by PGD-3; 2 validation images after each, and 2 + 2 at the end, which
    # are looked at, attacked in two steps, judged and looked at again.
    assert (pretrain["todo"], pretrain["cost"]["epochs"]) == (1, 90)
    assert pretrain["cost"]["images"] == 90 * (4 + 2) + 4
    assert pretrain["cost"]["backward"] == 90 * (4 * 4 + 2 * 2) + 4 * 2
    # Its attack keeps the strongest point of the way, for which it looks at the last one too.
    assert pretrain["cost"]["forward"] == 90 * (4 * 5 + 2 * 5) + 4 * 5
    (prune,) = (one for one in found["lines"] if one["stage"] == "prune")
    assert (prune["todo"], prune["of"], prune["cost"]["epochs"]) == (20, 20, 600)
    # Nine rounds with three seeds, of 180 images and 20 for validation, tested twice on 40.
    adversarial = stages["transfer", "adversarial"]
    assert adversarial["todo"] == adversarial["of"] == 27
    assert adversarial["cost"]["images"] == 27 * (100 * (180 + 20) + 2 * 40)
    assert stages["transfer", "standard"]["cost"]["epochs"] == 27 * 150
    total = found["total"]
    assert 0 < total["low"] <= total["seconds"] <= total["high"]
    # ResNet-50's weights, gradients and momentum alone are 3 x 4 x 23.5 million bytes.
    assert total["memory"] > 280_000_000
    assert not list((tmp_path / "runs").glob("pretrain/*"))


def test_the_estimate_stands_beside_the_true_time(
    cli_json: Json, cli: Cli, tiny: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    base = ["--config", tiny, "--runs", runs, "--device", "cpu"]
    before = cli_json("pretrain", "--dry-run", *base)
    (line,) = before["lines"]
    cli_json("pretrain", *base)
    result = json.loads(next(runs.glob("pretrain/*/result.json")).read_bytes())
    assert result["estimate"] == line["cost"]
    assert result["seconds"] > 0
    # Another seed is as costly, another batch is not known to be.
    other = json.loads(_pretrained(cli_json, base, runs, "--seed", "5"))
    assert other["estimate"] == line["cost"]
    changed = ("--set", "pretrain.train.batch_size=16")
    assert "estimate" not in json.loads(_pretrained(cli_json, base, runs, *changed))
    # What is done is not counted again.
    code, out, _ = cli("pretrain", "--dry-run", *base)
    assert code == 0
    assert "0" in out.splitlines()[-1]
    again = cli_json("transfer", "--dry-run", *base)
    done = {one["stage"]: one["todo"] for one in again["lines"]}
    assert done == {"pretrain": 0, "prune": 3, "transfer": 2}


def _pretrained(cli_json: Json, base: list[Any], runs: Path, *more: str) -> bytes:
    found = cli_json("pretrain", *base, *more)
    return (Path(found["folder"]) / "result.json").read_bytes()
