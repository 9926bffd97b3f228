"""The undefended CIFAR-10 network that comes with pyautoattack, through ``dwlt evaluate``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyautoattack
import pytest
import torch

from dwlt.data import load_task
from dwlt.models import build_model
from dwlt.models.files import Blueprint, model_bytes
from dwlt.spec import ModelSpec, TaskSpec

Json = Callable[..., Any]

EXAMPLES = Path(pyautoattack.__file__).parent / "examples"
NET = f"""
import importlib.util

def resnet18(num_classes):
    spec = importlib.util.spec_from_file_location("example_resnet", {str(EXAMPLES / "resnet.py")!r})
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ResNet18()
"""

SA, PGD, APGD = 86, 47, 45
"""Right of 100."""


def images() -> Path:
    folder = Path(os.environ.get("DWLT_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (folder / "cifar10").is_dir():
        pytest.skip(f"no folder {folder / 'cifar10'}")
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published weights as a model file; they were trained on bare pixels in [0, 1]."""
    if not (EXAMPLES / "model_test.pt").exists():
        pytest.skip("this pyautoattack comes without its checkpoint")
    folder = images()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example_net.py").write_text(NET)
    spec = ModelSpec(name="example_net:resnet18")
    task = load_task(TaskSpec(task="parquet:cifar10"), data_dir=folder)
    model = build_model(
        spec,
        num_classes=10,
        channels=3,
        image_size=32,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        seed=0,
    )
    weights = torch.load(EXAMPLES / "model_test.pt", map_location="cpu", weights_only=True)
    model.network.load_state_dict(weights)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(model_bytes(model, Blueprint.of(spec, task)))
    return path


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(3600)
def test_the_figures_of_the_example_network(
    cli_json: Json, checkpoint: Path, tmp_path: Path
) -> None:
    def measure(attack: str, eps: str, samples: int) -> dict[str, Any]:
        found = cli_json(
            *("evaluate", checkpoint, "--on", "parquet:cifar10", "--data-dir", images()),
            *("--attack", attack, "--eps", eps, "--samples", samples),
            *("--runs", tmp_path / "runs", "--device", "cpu"),
        )
        result: dict[str, Any] = found["result"]
        return result

    # 100 images, 10 per class, the selection that `--samples 100` makes. Counts on CPU; a few
    # images lie so near a boundary that another machine's rounding may move them.
    pgd = measure("pgd-20", "0.5/255", 100)
    assert pgd["test"]["sa"]["correct"] == pytest.approx(SA, abs=1)
    assert pgd["test"]["ra"]["correct"] == pytest.approx(PGD, abs=2)
    apgd = measure("apgd-ce", "0.5/255", 100)
    assert apgd["test"]["ra"]["correct"] == pytest.approx(APGD, abs=2)
    # Whoever APGD-CE leaves standing, PGD-20 does too, but for a few.
    pairs = zip(apgd["samples"]["robust"], pgd["samples"]["robust"], strict=True)
    assert sum(strong > weak for strong, weak in pairs) <= 2
    # An undefended network: nothing stands at 8/255.
    assert measure("apgd-ce", "8/255", 30)["test"]["ra"]["correct"] == 0
    assert pgd["flags"] == []
