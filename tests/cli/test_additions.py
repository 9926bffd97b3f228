"""``dwlt doctor`` shows what other packages add, and that package's things are used by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dwlt.data import load_task
from dwlt.errors import DataError
from dwlt.spec import ModelSpec, TaskSpec
from tests.conftest import Cli
from tests.plugin_package import installed

ENTRIES = {
    "dwlt.objectives": {"halved": "dwlt_tiny:Halved", "trades": "dwlt_tiny:Halved"},
    "dwlt.models": {"tiny-net": "dwlt_tiny:tiny_net", "resnet8": "dwlt_tiny:tiny_net"},
    "dwlt.tasks": {"stripes": "dwlt_tiny:stripes", "gone": "dwlt_tiny:nothing"},
}
SOURCE = '''
import numpy as np
from torch import nn

from dwlt.data.source import ArraySource, Dataset
from dwlt.training import Objective


class Halved(Objective):
    """Half the cross-entropy of clean images."""

    uses_attack = False

    def loss_at(self, model, batch, images, seed):
        logits = model(images).float()
        return self.cross_entropy(logits, batch.labels) / 2, logits


def tiny_net(num_classes, channels):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, num_classes),
    )


def stripes(request):
    """Bright rows or bright columns."""
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(0, 90, (60, 8, 8)).astype(np.uint8)
    images[labels == 0, ::2] += 150
    images[labels == 1, :, ::2] += 150
    return Dataset(("rows", "columns"), ArraySource("stripes", images, labels))
'''
CHANGES = [
    *("--set", "source.task=stripes", "--set", "downstream.task=stripes"),
    *("--set", "model.name=tiny-net", "--set", "score.every=9"),
]


def test_a_package_adds_an_objective_a_model_and_a_task(
    tiny: Path, tmp_path: Path, cli: Cli
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    with installed(package, ENTRIES, {"dwlt_tiny.py": SOURCE}):
        code, out, err = cli("doctor", "--json", "--runs", tmp_path)
        lines = {line["what"]: line for line in json.loads(out)}
        assert lines["regime halved"]["ok"]
        assert lines["regime halved"]["found"] == "dwlt_tiny:Halved of dwlt-example 1.0"
        assert lines["model tiny-net"]["ok"]
        assert lines["task stripes"]["ok"]
        for hidden in ("regime trades", "model resnet8"):
            assert lines[hidden]["found"] == "hidden: dwlt has this name itself"
        assert "cannot be loaded" in lines["task gone"]["found"]
        assert code == 1
        assert ModelSpec(name="resnet8").name == "resnet8"
        assert ModelSpec(name="tiny-net").name == "dwlt_tiny:tiny_net"

        words = ["-c", tiny, "--runs", tmp_path / "runs", "--regime", "halved", *CHANGES]
        code, out, err = cli("pretrain", *words, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found["result"]["regime"] == "halved"
        first = (Path(found["folder"]) / "metrics.jsonl").read_text().splitlines()[0]
        # Two classes that are not told apart yet: half of log 2, where the whole would be 0.69.
        assert 0.2 < json.loads(first)["loss"] < 0.5
    with pytest.raises(DataError, match="there is no task 'stripes'"):
        load_task(TaskSpec(task="stripes"), data_dir=tmp_path)
