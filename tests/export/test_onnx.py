"""Networks as ONNX, asked by ONNX Runtime."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from dwlt.cli.export import command
from dwlt.errors import ModelError, UserError
from dwlt.export.onnx import _require_exporter, load, to_onnx
from dwlt.export.source import find_source
from dwlt.models import build_model
from dwlt.models.blueprint import Blueprint
from dwlt.models.files import read_model
from dwlt.spec import ModelSpec

RUNS = Path(__file__).parents[1] / "golden" / "runs-v1" / "runs"
TICKET = RUNS / "transfer" / "old-0e8e1866"


def test_a_ticket_in_onnx_runtime(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    out = tmp_path / "ticket.onnx"
    before = (TICKET / "best-ra.safetensors").read_bytes()
    words = ["onnx", str(TICKET), "-o", str(out), "--json"]
    done = CliRunner().invoke(command, words, standalone_mode=False)
    assert done.exception is None, done.exception
    assert json.loads(done.stdout)["difference"] < 1e-4
    assert (TICKET / "best-ra.safetensors").read_bytes() == before

    model, blueprint = read_model(TICKET / "best-ra.safetensors")
    model.eval()
    session = runtime.InferenceSession(out, providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = torch.rand(count, 1, 8, 8)
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        with torch.no_grad():
            assert np.allclose(logits, model(images).numpy(), rtol=1e-4, atol=1e-5)

    graph = onnx.load(out).graph
    held = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    masks = find_source(TICKET).masks
    assert masks is not None
    for name, kept in masks.to_torch().items():
        # Named as in the network, zero where masked, and nothing in the graph that masks.
        weights = held[f"network.{name}"]
        assert weights.shape == tuple(kept.shape)
        assert not weights[~kept.numpy()].any()
    assert not {"Mul", "Where", "And"} & {node.op_type for node in graph.node}
    content = out.read_bytes()
    assert b"stack_trace" not in content
    assert str(Path(__file__).parents[2]).encode() not in content
    assert blueprint.classes == tuple("56789")


def test_options_belong_to_what_is_exported(tmp_path: Path) -> None:
    mask = next(RUNS.glob("prune/*/round-01/mask.safetensors"))
    dense = next(RUNS.glob("pretrain/*/model.safetensors"))
    with pytest.raises(UserError, match="has its own masks"):
        load(TICKET, mask=mask, round_=None, checkpoint=None)
    with pytest.raises(UserError, match="are for a run folder"):
        load(dense, mask=None, round_=1, checkpoint=None)
    masked, _ = load(dense, mask=mask, round_=None, checkpoint=None)
    round_, _ = load(mask.parent.parent, mask=None, round_=1, checkpoint=None)
    assert all(
        torch.equal(a, b) for a, b in zip(masked.parameters(), round_.parameters(), strict=True)
    )


def test_networks_that_cannot_be_traced_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    (tmp_path / "export_odd.py").write_text(
        "from torch import nn\n"
        "class Odd(nn.Module):\n"
        "    def __init__(self, num_classes, channels):\n"
        "        super().__init__()\n"
        "        self.conv, self.fc = nn.Conv2d(channels, 4, 3), nn.Linear(4, num_classes)\n"
        "    def forward(self, x):\n"
        "        y = self.conv(x).mean((2, 3))\n"
        "        return self.fc(y if float(y.sum()) > 0 else -y)\n"
    )
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec(name="export_odd:Odd")
    model = build_model(
        spec, num_classes=3, channels=1, image_size=8, mean=[0.4], std=[0.3], seed=0
    )
    with pytest.raises(ModelError, match=r"export_odd:Odd cannot be exported to ONNX"):
        to_onnx(model, Blueprint(spec, ("a", "b", "c"), 1, 8))


def test_without_the_exporter_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match="not installed") as told:
        _require_exporter()
    assert told.value.hint == "pip install 'dwlt[onnx]'"
