"""The folder for the hub: read without dwlt, and as the hub's own library reads it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file

from dwlt import _core
from dwlt.cli.export import command
from dwlt.errors import DwltError, LedgerError, UserError
from dwlt.export.card import code
from dwlt.export.network import plain_network
from dwlt.models import build_model
from dwlt.models.blueprint import Blueprint
from dwlt.models.files import model_bytes, read_model
from dwlt.spec import ModelSpec

GOLDEN = Path(__file__).parents[1] / "golden" / "runs-v1" / "runs"
TICKET = "transfer/old-0e8e1866"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(GOLDEN, tmp_path / "runs")
    return tmp_path / "runs"


def export(runs: Path, run: str, *options: str) -> tuple[Path, dict[str, Any]]:
    out = runs.parent / "out"
    words = ["hub", str(runs / run), "-o", str(out), "--json", *options]
    found = CliRunner().invoke(command, words, standalone_mode=False)
    if found.exception is not None:
        raise found.exception
    return out, json.loads(found.stdout)


def blocks(folder: Path) -> list[str]:
    card = (folder / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def run_lines(lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run lines of a card in its folder, where dwlt cannot be imported."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "network", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "dwlt"]:
        monkeypatch.setitem(sys.modules, name, None)
    names: dict[str, Any] = {}
    exec(compile(lines, "card", "exec"), names)
    return names


def test_a_ticket_without_dwlt(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, said = export(runs, TICKET)
    assert said["files"] == [
        "model.safetensors",
        "mask.safetensors",
        "config.json",
        "network.py",
        "README.md",
    ]
    assert {path.name for path in out.iterdir()} == set(said["files"])
    model, _ = read_model(runs / TICKET / "best-ra.safetensors")
    masks = _core.MaskSet.load(out / "mask.safetensors").to_torch()
    config = json.loads((out / "config.json").read_bytes())
    loading, masking = blocks(out)
    assert len([line for line in loading.splitlines() if line]) == 10
    names = run_lines(loading, out, monkeypatch)
    with torch.no_grad():
        assert torch.equal(names["logits"], model.eval()(names["images"]))
    assert config["mean"] == names["mean"].flatten().tolist()
    read = run_lines(masking, out, monkeypatch)["masks"]
    assert read.keys() == masks.keys()
    assert all(torch.equal(read[name], masks[name]) for name in masks)
    weights = load_file(out / "model.safetensors")
    assert all(not weights[name][~mask].any() for name, mask in masks.items())
    assert (config["kept"], config["total"]) == (3843, sum(m.numel() for m in masks.values()))
    assert config["id2label"]["0"] == "5"


def test_the_card_says_what_the_result_says(runs: Path) -> None:
    out, said = export(runs, TICKET, "--checkpoint", "sa")
    result = json.loads((runs / TICKET / "result.json").read_bytes())
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| SA | 29.02% | 23.47 to 35.28% | 224 |" in card
    assert "| RA, pgd-3 linf 3/16 | 0.00% | 0.00 to 1.69% | 224 |" in card
    assert result["task"]["fingerprint"] in card
    assert said["verdict"] in ("at-floor", "undecided", "not", "double-win", "incomplete")
    assert "## Verdict" in card
    assert card.count("| SA, standard transfer |") == 1


def test_the_hub_reads_the_card(runs: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    out, _ = export(runs, TICKET)
    card = hub.ModelCard.load(out / "README.md")
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.datasets == ["digits"]
    sa, ra = card.data.eval_results
    assert (sa.dataset_name, sa.dataset_split, sa.metric_name) == ("digits:5-9", "test", "SA")
    assert sa.metric_value == pytest.approx(65 / 224, abs=1e-6)
    assert sa.metric_args["n"] == 224
    assert sa.metric_args["low"] < sa.metric_value < sa.metric_args["high"]
    assert ra.metric_name == "RA, pgd-3 linf 3/16"


def test_rounds_and_dense_networks(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = next(path for path in (runs / "prune").iterdir())
    out, said = export(runs, f"prune/{search.name}", "--round", "1")
    masks = _core.MaskSet.load(search / "round-01" / "mask.safetensors")
    assert _core.MaskSet.load(out / "mask.safetensors") == masks
    dense = load_file(next(runs.glob("pretrain/*/model.safetensors")))
    mine = load_file(out / "model.safetensors")
    for name, mask in masks.to_torch().items():
        assert torch.equal(mine[name], dense[name] * mask)
    assert said["title"].endswith("round 1")
    shutil.rmtree(out)
    base = next((runs / "pretrain").iterdir())
    out, said = export(runs, f"pretrain/{base.name}")
    assert "mask.safetensors" not in said["files"]
    assert (out / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    assert len(blocks(out)) == 1
    assert said["verdict"] is None


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [
        ("resnet14", 3, 16),
        ("resnet18-32", 1, 16),
        ("shufflenet_v2_x0_5", 3, 64),
        ("export_own:make", 1, 8),
    ],
)
def test_lines_for_every_kind_of_network(
    name: str, channels: int, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "export_own.py").write_text(
        "from torch import nn\n"
        "def make(num_classes, channels):\n"
        "    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(),\n"
        "                         nn.Linear(4 * 36, num_classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec(name=name, width=4)
    shape = {"num_classes": 3, "channels": channels, "image_size": size}
    model = build_model(spec, **shape, mean=[0.4], std=[0.3], seed=0).eval()
    blueprint = Blueprint(spec, ("a", "b", "c"), channels, size)
    plain = plain_network(blueprint)
    (tmp_path / "model.safetensors").write_bytes(model_bytes(model, blueprint))
    if plain.source is not None:
        (tmp_path / "network.py").write_text(plain.source)
    names = run_lines("\n".join(code(blueprint, plain)), tmp_path, monkeypatch)
    with torch.no_grad():
        assert torch.equal(names["logits"], model(names["images"]))


def test_what_cannot_be_exported_is_named(runs: Path) -> None:
    cell, search = runs / TICKET, next((runs / "prune").iterdir()).name
    cases: list[tuple[str, list[str], type[DwltError], str]] = [
        ("evaluate", [], UserError, "is no run folder of pretrain, prune or transfer"),
        (TICKET, ["--round", "1"], UserError, "--round belongs to a search"),
        (
            f"prune/{search}",
            ["--checkpoint", "sa"],
            UserError,
            "--checkpoint belongs to a transfer",
        ),
        (f"prune/{search}", ["--round", "77"], UserError, "has no finished round 77"),
    ]
    for run, options, kind, said in cases:
        with pytest.raises(kind, match=said):
            export(runs, run, *options)
    (runs.parent / "out").mkdir()
    (runs.parent / "out" / "old").touch()
    with pytest.raises(UserError, match="is not empty"):
        export(runs, TICKET)
    (runs.parent / "out" / "old").unlink()
    # A byte of the weights changed after the run.
    file = cell / "best-ra.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(LedgerError, match=r"best-ra\.safetensors"):
        export(runs, TICKET)
    (cell / "result.json").unlink()
    with pytest.raises(UserError, match="is not finished"):
        export(runs, TICKET)
    assert not list((runs.parent / "out").iterdir())


@pytest.mark.slow
def test_the_lines_run_in_a_python_without_dwlt(runs: Path) -> None:
    out, _ = export(runs, TICKET)
    script = "import sys; sys.modules['dwlt'] = None\n" + blocks(out)[0] + "print(logits.shape)\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=out, capture_output=True, text=True, check=True
    )
    assert done.stdout == "torch.Size([2, 5])\n"


def test_metadata_of_the_weights_stays(runs: Path) -> None:
    """So that `dwlt evaluate` and `dwlt import` know the exported file."""
    out, _ = export(runs, TICKET)
    with safe_open(out / "model.safetensors", framework="np") as file:
        assert json.loads(file.metadata()["dwlt"])["classes"] == list("56789")
        assert file.get_tensor("normalise.mean").dtype == np.float32
