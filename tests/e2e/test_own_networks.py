"""A network that dwlt cannot work with is found before any work; nothing is left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import Cli

Json = Callable[..., Any]

NETS = """
import torch
from torch import nn

print("using the CPU")

def base(num_classes, channels, side=1):
    return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1) if side == 1 else nn.Identity(), nn.Flatten(),
                         nn.Linear(4 * side * side, num_classes))

class Chatty(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.layers = base(num_classes, channels)
    def forward(self, x):
        print("looking")
        return self.layers(x)

def plain(num_classes, channels):
    print("building")
    return Chatty(num_classes, channels)

def frozen(num_classes, channels):
    return base(num_classes, channels).requires_grad_(False)

def sized(num_classes, channels):
    return base(num_classes, channels, side=8)

class Tuple(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.net = base(num_classes, channels)
    def forward(self, x):
        return (self.net(x), x) if self.training else self.net(x)
"""


@pytest.fixture
def base(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "guest_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "guest_nets", raising=False)
    return ["--config", str(tiny), "--runs", str(tmp_path / "runs"), "--device", "cpu"]


def own(name: str) -> list[str]:
    return ["--set", f"model.name=guest_nets:{name}"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("frozen", "is frozen"), ("Tuple", "in training mode"), ("nothing", "no callable 'nothing'")],
)
@pytest.mark.parametrize("command", [("pretrain",), ("prune", "--rounds", "1"), ("transfer",)])
def test_it_is_refused_before_any_work(
    command: tuple[str, ...], name: str, message: str, cli: Cli, base: list[str]
) -> None:
    code, _, err = cli(*command, *base, *own(name))
    assert code == 2
    assert f"guest_nets:{name}" in err
    assert message in err
    assert "Traceback" not in err
    assert not Path("runs").exists()


def test_given_weights_are_refused_before_they_are_kept(cli: Cli, base: list[str]) -> None:
    import importlib

    sys.path.insert(0, ".")
    try:
        state = importlib.import_module("guest_nets").base(5, 1).state_dict()
    finally:
        sys.path.remove(".")
    torch.save(state, "frozen.pth")
    more = ["--set", "model.mean=[0]", "--set", "model.std=[1]"]
    given = ["prune", "--rounds", "1", "--weights", "frozen.pth", *base, *more]
    code, _, err = cli(*given, *own("frozen"))
    assert code == 2
    assert "guest_nets:frozen: '0.weight' is frozen" in err
    assert not Path("runs").exists()
    # It can be imported to be scored, and that is said.
    normal = ["--mean", "0", "--std", "1", "--size", "8", "--channels", "1", "--num-classes", "5"]
    code, _, err = cli(
        "import", "frozen.pth", "--model", "guest_nets:frozen", "-o", "m.st", *normal
    )
    assert code == 0, err
    assert "neither trained nor pruned" in err


def test_images_of_another_size_are_refused_before_the_transfer(
    cli: Cli, cli_json: Json, base: list[str]
) -> None:
    cli_json("prune", "--rounds", 1, *base, *own("sized"))
    larger = [*own("sized"), "--set", "downstream.size=16"]
    code, _, err = cli("transfer", "--rounds", "0", *base, *larger)
    assert code == 2
    assert "guest_nets:sized" in err
    assert "any number of 1x16x16 images" in err
    assert not Path("runs/transfer").exists()
    model = next(Path("runs").glob("pretrain/*/model.safetensors"))
    code, _, err = cli("evaluate", model, "--on", "digits:0-4", *base, *larger)
    assert code == 2
    assert "1x16x16" in err
    assert not Path("runs/evaluate").exists()


def test_what_own_code_prints_goes_to_stderr(cli: Cli, base: list[str]) -> None:
    code, out, err = cli("pretrain", *base, *own("plain"), "--json")
    assert code == 0
    assert json.loads(out)["result"]["stage"] == "pretrain"
    assert all(line in err for line in ("using the CPU", "building", "looking"))
    # And from an import, which has no session.
    model = next(Path("runs").glob("pretrain/*/model.safetensors"))
    save_file(load_file(model), "bare.safetensors")
    normal = ["--mean", "0.5", "--std", "0.5", "--size", "8", "--ignore", "normalise"]
    bare = ["import", "bare.safetensors", "--model", "guest_nets:plain", "-o", "m.safetensors"]
    code, out, err = cli(*bare, *normal, "--json")
    assert code == 0, err
    assert json.loads(out)["warnings"] == []
    assert "building" in err


def test_the_dry_run_is_done_once_and_not_when_all_is_done(
    cli_json: Json, base: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dwlt.models import rehearse

    seen: list[str] = []

    def counted(model: Any, spec: Any, **options: Any) -> tuple[str, ...]:
        seen.append(spec.name)
        return rehearse(model, spec, **options)

    monkeypatch.setattr("dwlt.stages.rehearsed.rehearse", counted)
    cli_json("prune", "--rounds", 1, *base, *own("plain"))
    assert seen == ["guest_nets:plain"]
    cli_json("prune", "--rounds", 1, *base, *own("plain"))
    assert len(seen) == 1
