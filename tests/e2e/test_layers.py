"""What is prunable, by real commands: a small transformer from pre-training to report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

Json = Callable[..., Any]

NETWORK = """
import torch
from torch import nn

class Tiny(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.patches = nn.Conv2d(channels, 8, 2, 2)
        self.place = nn.Parameter(torch.zeros(16, 8))
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.down(self.up(self.norm2(x)).relu())
        return self.head(x.mean(1))
"""
WEIGHTS = [
    "patches.weight",
    "attention.in_proj_weight",
    "attention.out_proj.weight",
    "up.weight",
    "down.weight",
]
PRUNABLE, ALL = 32 + 192 + 64 + 128 + 128, 544 + 8 + 128 + 32 + 24 + 8 + 16 + 8 + 45


@pytest.fixture
def base(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "layers_net.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    net = ["--set", "model.name=layers_net:Tiny", "--set", "pretrain.train.epochs=1"]
    runs = ["--runs", str(tmp_path / "runs"), "--device", "cpu"]
    few = ["source.per_class=6", "downstream.per_class=6", "prune.train.epochs=1"]
    return ["--config", str(tiny), *net, *runs, *(x for one in few for x in ("--set", one))]


def test_a_transformer_is_pruned_where_its_weights_are(
    cli: Cli, cli_json: Json, base: list[str], tmp_path: Path
) -> None:
    code, _, err = cli("prune", "--rounds", 2, *base)
    assert code == 0, err
    assert "conv and linear weights, chosen for this kind of network: 544 of 813 parameters" in err
    auto = cli_json("prune", "--rounds", 2, *base)
    last = auto["rounds"][2]
    assert [layer["name"] for layer in last["layers"]] == WEIGHTS
    assert (last["total"], last["parameters"], last["flags"]) == (PRUNABLE, ALL, [])
    # What was chosen is part of the run's name, as if it had been asked for.
    asked = cli_json("prune", "--rounds", 2, *base, "--set", 'prune.layers=["linear","conv"]')
    assert asked["folder"] == auto["folder"]
    cells = cli_json("transfer", "--rounds", "2", *base, "--set", "transfer.train.epochs=1")
    assert cells[-1]["result"]["parameters"] == ALL
    report = cli_json("report", "--runs", tmp_path / "runs", "--out", tmp_path / "report")
    (group,) = report["groups"]
    assert group["tickets"][0]["kept_of_all"] == (ALL - PRUNABLE + last["kept"]) / ALL


def test_a_small_part_is_told(cli: Cli, cli_json: Json, base: list[str]) -> None:
    part = ("--rounds", 1, *base, "--set", 'prune.layers=["conv"]')
    code, _, err = cli("prune", *part)
    assert code == 0, err
    assert "only 3.9% of the network's 813 parameters are prunable (conv weights)" in err
    found = cli_json("prune", *part)
    assert [flag["code"] for flag in found["rounds"][1]["flags"]] == ["small-part"]
    spec = json.dumps(found["rounds"][1]["spec"])
    assert "layers" not in spec or '"auto"' in spec


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('prune.include=["classifier"]', "'head' cannot be pruned"),
        ('prune.exclude=["nothing*"]', "no layer is named 'nothing*'"),
        ('prune.layers=["embedding"]', "layers"),
        ("prune.layers=[]", "layers"),
    ],
)
def test_choices_that_mean_nothing(setting: str, words: str, cli: Cli, base: list[str]) -> None:
    code, _, err = cli("prune", "--rounds", 1, *base, "--set", setting)
    assert code == 2
    assert words in err
