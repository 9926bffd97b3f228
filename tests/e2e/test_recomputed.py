"""A small experiment by the real stages, and by `plain.py` once more: they must agree.

Weights, masks, images, seeds and choices: all that results claim. The networks learn little in
these few steps, and need not; what matters is that every setting has a value at which ignoring it
shows, which the first test makes sure of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from dwlt.grid.walk import Policy, walk
from dwlt.runs.context import Context
from dwlt.runs.plan import Plan
from dwlt.spec import load_experiment
from tests.e2e import plain

SETTINGS = {
    "seed": 3,
    "model.width": 2,
    "source.per_class": 8,
    "source.subset_seed": 2,
    "downstream.per_class": 12,
    "downstream.fraction": 0.5,
    "downstream.subset_seed": 1,
    "score.every": 2,
    "attack.evaluate.steps": 2,
    "attack.adversarial.steps": 2,
    "pretrain.regime": "fast",
    "pretrain.train.epochs": 3,
    "pretrain.train.warmup": 1,
    "prune.rounds": 2,
    "prune.train.epochs": 2,
    "transfer.seeds": 1,
    "transfer.rounds": "[0,2]",
    "transfer.train.epochs": 5,
    "transfer.train.weight_decay": 0.02,
}
SETTINGS |= {
    f"{stage}.train.{name}": value
    for stage in ("pretrain", "prune", "transfer")
    for name, value in (("batch_size", 16), ("channels_last", "false"))
}
CELLS = [(round_, regime) for round_ in (0, 2) for regime in ("standard", "adversarial")]


@dataclass(frozen=True)
class Made:
    """An experiment on the disk: results with their folders."""

    pretrain: dict[str, Any]
    rounds: list[dict[str, Any]]
    cells: dict[tuple[int, str], dict[str, Any]]


def read(path: Path) -> dict[str, Any]:
    return {**json.loads(path.read_bytes()), "folder": path.parent}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    runs = tmp_path_factory.mktemp("recomputed")
    experiment = load_experiment("digits", [f"{key}={value}" for key, value in SETTINGS.items()])
    context = Context(runs, runs, "cpu", 0, 1, lambda event: None, lambda: False, {})
    walk(Plan.of(experiment, runs, ["standard", "adversarial"]), context, Policy(), asked=True)
    (pretrain,) = map(read, runs.glob("pretrain/*/result.json"))
    rounds = [read(path) for path in sorted(runs.glob("prune/*/round-*/result.json"))]
    cells = [read(path) for path in runs.glob("transfer/*/result.json")]
    return Made(pretrain, rounds, {(cell["round"], cell["regime"]): cell for cell in cells})


@pytest.fixture(scope="module")
def source(made: Made) -> plain.Images:
    return plain.images(made.pretrain["spec"]["data"])


@pytest.fixture(scope="module")
def dense(made: Made, source: plain.Images) -> tuple[plain.Network, list[plain.Epoch]]:
    """The pre-trained network, computed anew."""
    spec = made.pretrain["spec"]
    pixels = source.pixels[source.train].double()
    mean, std = float(pixels.mean()), float(pixels.std(correction=0))
    with torch.random.fork_rng():
        net = plain.Network(spec["model"]["width"], 5, spec["seed"], mean, std)
    return net, plain.train(net, source, spec)


@pytest.fixture(scope="module")
def masks(
    made: Made, source: plain.Images, dense: tuple[plain.Network, list[plain.Epoch]]
) -> list[plain.State]:
    """The masks of every round, computed anew."""
    net, start = dense[0], dense[0].state()
    all_kept = {
        name: torch.ones_like(weight, dtype=torch.bool)
        for name, weight in net.named_parameters()
        if weight.dim() == 4
    }
    found = [all_kept]
    for result in made.rounds[1:]:
        net.load_state_dict(start)
        plain.train(net, source, result["spec"], found[-1])
        found.append(plain.smaller(net, found[-1], result["rate"]))
    net.load_state_dict(start)
    return found


def same(file: Path, state: plain.State) -> None:
    """The file holds these tensors, bit for bit."""
    saved = load_file(file)
    assert saved.keys() == state.keys()
    for name, value in saved.items():
        assert torch.equal(value, state[name]), name


def test_the_experiment_can_tell(made: Made) -> None:
    """Choices differ by measure and are not simply the last epoch."""
    epochs = [(c["best_sa"]["epoch"], c["best_ra"]["epoch"]) for c in made.cells.values()]
    assert any(sa != ra for sa, ra in epochs)
    assert {epoch for pair in epochs for epoch in pair} >= {2, 4}
    assert sorted(made.cells) == sorted(CELLS)


def test_images_are_the_documented_ones_and_disjoint(made: Made) -> None:
    """By their digests, taken where the images were read."""
    results = [made.pretrain, *made.rounds[1:], *made.cells.values()]
    for result in results:
        data = plain.images(result["spec"]["data"])
        splits = {name: getattr(data, name) for name in ("train", "validation", "test")}
        together = np.concatenate(list(splits.values()))
        assert len(np.unique(together)) == len(together)
        expected: dict[str, str | None] = {name: plain.digest(ids) for name, ids in splits.items()}
        if result in made.rounds:
            expected["test"] = None
        assert result["ids"] == expected
    for cell in made.cells.values():
        for best in (cell["best_sa"], cell["best_ra"]):
            assert best["validation"]["images"] == cell["ids"]["validation"]
            assert best["test"]["images"] == cell["ids"]["test"]


def test_pretraining(
    made: Made, source: plain.Images, dense: tuple[plain.Network, list[plain.Epoch]]
) -> None:
    net, scored = dense
    assert made.pretrain["seed"] == SETTINGS["seed"]
    same(made.pretrain["folder"] / "model.safetensors", scored[-1].state)
    assert_counts(made.pretrain["validation"], scored[-1].sa, scored[-1].ra)
    net.load_state_dict(scored[-1].state)
    clean, robust = plain.outcomes(net, source, source.test, made.pretrain["spec"]["score"])
    assert_counts(made.pretrain["test"], int(clean.sum()), int(robust.sum()))


def test_masks_of_every_round(made: Made, masks: list[plain.State]) -> None:
    assert len(made.rounds) == 3
    for result, expected in zip(made.rounds, masks, strict=True):
        assert result["kept"] == sum(int(mask.sum()) for mask in expected.values())
        assert result["seed"] == SETTINGS["seed"]
        assert result["weights"] == made.pretrain["weights"]
        with safe_open(result["folder"] / "mask.safetensors", framework="np") as file:
            for name, mask in expected.items():
                bits = np.unpackbits(file.get_tensor(name), bitorder="little")
                assert bits[: mask.numel()].tolist() == mask.flatten().int().tolist(), name


@pytest.mark.parametrize(("round_", "regime"), CELLS)
def test_transfer(
    made: Made,
    dense: tuple[plain.Network, list[plain.Epoch]],
    masks: list[plain.State],
    round_: int,
    regime: str,
) -> None:
    result = made.cells[round_, regime]
    spec, net = result["spec"], dense[0]
    assert (result["seed"], spec["train"]["regime"]) == (SETTINGS["seed"], regime)
    data = plain.images(spec["data"])
    before, head = net.state(), net.fc
    try:
        net.new_head(5, spec["seed"])
        scored = plain.train(net, data, spec, masks[round_])
        assert [epoch.epoch for epoch in scored] == [2, 4, 5]
        for kind in ("sa", "ra"):
            # max takes the first of equals.
            best = max(scored, key=lambda epoch: getattr(epoch, kind))
            said = result[f"best_{kind}"]
            assert said["epoch"] == best.epoch
            same(result["folder"] / f"best-{kind}.safetensors", best.state)
            assert_counts(said["validation"], best.sa, best.ra)
            net.load_state_dict(best.state)
            clean, robust = plain.outcomes(net, data, data.test, spec["score"])
            assert_counts(said["test"], int(clean.sum()), int(robust.sum()))
    finally:
        net.fc = head
        net.load_state_dict(before)


def assert_counts(score: dict[str, Any], sa: int, ra: int) -> None:
    assert (score["sa"]["correct"], score["ra"]["correct"]) == (sa, ra)
