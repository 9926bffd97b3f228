"""Every method of making tickets, through the real commands."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from dwlt import _core
from dwlt.spec import METHODS
from dwlt.stages.methods import METHODS as REGISTRY
from tests.conftest import Cli

Json = Callable[..., Any]
KEPT = [4804, 3843, 3074, 2459]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def base(tiny: Path, runs: Path) -> list[str]:
    return ["--config", str(tiny), "--runs", str(runs), "--device", "cpu"]


def masks_of(found: dict[str, Any]) -> list[_core.MaskSet]:
    folder = Path(found["folder"])
    return [
        _core.MaskSet.load(str(folder / f"round-{r['round']:02d}" / "mask.safetensors"))
        for r in found["rounds"]
    ]


def test_every_method_of_the_spec_is_registered() -> None:
    assert tuple(REGISTRY) == METHODS


@pytest.mark.parametrize("method", METHODS)
def test_counts_and_lineage_are_those_of_imp(method: str, cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--method", method, *base)
    rounds, masks = found["rounds"], masks_of(found)
    assert [r["kept"] for r in rounds] == KEPT
    assert [m.kept for m in masks] == KEPT
    assert all(b.is_subset(a) for a, b in itertools.pairwise(masks))
    assert [m.meta["weights"] for m in masks] == [r["weights"] for r in rounds]
    assert {r["method"] for r in rounds} == {method}
    trained = method in ("imp", "oneshot", "hydra")
    assert {r["regime"] for r in rounds} == {"adversarial" if trained else "none"}


def test_one_shot_trains_once_and_cuts_those_weights(cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--method", "oneshot", *base)
    assert [r["search"] is not None for r in found["rounds"]] == [False, True, False, False]
    weights = load_file(Path(found["folder"]) / "trained.safetensors")
    names = [layer["name"] for layer in found["rounds"][0]["layers"]]
    flat = np.concatenate([np.abs(weights[name]).ravel() for name in names])
    for masks in masks_of(found)[1:]:
        bits = np.concatenate([masks[name].ravel() for name in names])
        assert flat[bits].min() >= flat[~bits].max()


def test_one_shot_without_training_cuts_the_pre_trained_weights(
    cli_json: Json, base: list[str], runs: Path
) -> None:
    found = cli_json("prune", "--method", "oneshot", "--set", "prune.train.epochs=0", *base)
    trained = load_file(Path(found["folder"]) / "trained.safetensors")
    pretrained = load_file(next((runs / "pretrain").glob("*/model.safetensors")))
    assert all(np.array_equal(trained[name], pretrained[name]) for name in pretrained)


def test_shuffled_keeps_the_layer_counts_at_other_places(cli_json: Json, base: list[str]) -> None:
    imp = cli_json("prune", *base)
    found = cli_json("prune", "--method", "shuffled", *base)
    assert [r["layers"] for r in found["rounds"]] == [r["layers"] for r in imp["rounds"]]
    assert found["rounds"][3]["of"] == {"id": imp["rounds"][0]["id"], "name": "tiny"}
    ticket, control = masks_of(imp)[3], masks_of(found)[3]
    overlap = ticket.overlap(control)
    assert ticket.digest != control.digest
    # Within every layer it is chance alone: about half of each other's weights at this density.
    assert overlap.lift is not None
    assert 0.9 < overlap.lift < 1.2


def test_layerwise_random_keeps_the_same_share_of_each_layer(
    cli_json: Json, base: list[str]
) -> None:
    found = cli_json("prune", "--method", "layerwise-random", *base)
    last = found["rounds"][3]
    share = last["kept"] / last["total"]
    # Each round rounds each layer's share to a whole weight.
    assert all(abs(x["kept"] - share * x["total"]) <= 3 for x in last["layers"])


def test_random_draws_anew_with_another_seed(cli_json: Json, base: list[str]) -> None:
    one = cli_json("prune", "--method", "random", *base)
    other = cli_json("prune", "--method", "random", "--seed", 1, *base)
    assert one["rounds"][2]["mask"] != other["rounds"][2]["mask"]


def test_reinit_lays_the_tickets_masks_on_new_weights(cli_json: Json, base: list[str]) -> None:
    imp = cli_json("prune", *base)
    found = cli_json("prune", "--method", "reinit", *base)
    assert [r["mask"] for r in found["rounds"]] == [r["mask"] for r in imp["rounds"]]
    dense, *rest = found["rounds"]
    assert dense["weights"] == imp["rounds"][0]["weights"]
    assert {r["weights"] for r in rest} != {dense["weights"]}
    cells = cli_json("transfer", "--method", "reinit", "--rounds", "0,2", *base)
    assert [c["result"]["weights"] for c in cells] == [dense["weights"], rest[0]["weights"]]
    assert cells[1]["result"]["prune"]["of"]["id"] == imp["rounds"][0]["id"]
    fresh = load_file(Path(found["folder"]) / "fresh.safetensors")
    old = load_file(next(Path(found["folder"]).parents[1].glob("pretrain/*/model.safetensors")))
    assert fresh.keys() == old.keys()
    assert np.array_equal(fresh["normalise.mean"], old["normalise.mean"])
    name = dense["layers"][0]["name"]
    assert not np.array_equal(fresh[name], old[name])


def test_rewinding_to_an_epoch_keeps_that_epochs_weights(cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--rewind-epoch", 1, *base)
    dense, *rest = found["rounds"]
    assert {r["rewind"] for r in found["rounds"]} == {1}
    (early,) = {r["weights"] for r in rest}
    assert early != dense["weights"]
    assert [r["search"]["rewound_to"] for r in rest] == [dense["weights"], early, early]
    file = Path(found["folder"]) / "rewound.safetensors"
    assert _core.digest_file(str(file)) == early
    cells = cli_json("transfer", "--rounds", "0,2", "--set", "prune.rewind=1", *base)
    assert [c["result"]["weights"] for c in cells] == [dense["weights"], early]


def test_without_rewinding_each_ticket_has_its_own_weights(cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--rewind", "none", *base)
    dense, *rest = found["rounds"]
    assert len({r["weights"] for r in found["rounds"]}) == 4
    started = [r["search"]["rewound_to"] for r in rest]
    assert started == [r["weights"] for r in found["rounds"][:3]]
    for result, masks in zip(rest, masks_of(found)[1:], strict=True):
        folder = Path(found["folder"]) / f"round-{result['round']:02d}"
        weights = load_file(folder / "model.safetensors")
        assert all(not weights[name][~masks[name]].any() for name in masks)
    cells = cli_json("transfer", "--rounds", "0,3", "--set", "prune.rewind=none", *base)
    assert [c["result"]["weights"] for c in cells] == [dense["weights"], rest[2]["weights"]]


def test_a_search_on_the_downstream_task(cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--on", "downstream", *base)
    assert {r["task"]["name"] for r in found["rounds"]} == {"digits:5-9"}
    last = found["rounds"][-1]
    # Proven every round: the pre-trained weights, whatever the head.
    assert last["search"]["rewound_to"] == last["weights"] == found["rounds"][0]["weights"]
    cells = cli_json("transfer", "--rounds", "0,2", "--set", "prune.on=downstream", *base)
    assert cells[1]["result"]["prune"]["task"] == "digits:5-9"
    named = cli_json("prune", "--on", "digits:5-9", *base)
    assert named["folder"] == found["folder"]


def test_changed_weights_of_an_early_epoch_are_refused(
    cli: Cli, cli_json: Json, base: list[str]
) -> None:
    options = ("--rewind-epoch", 2, *base)
    found = cli_json("prune", "--rounds", 1, *options)
    file = Path(found["folder"]) / "rewound.safetensors"
    other = next(Path(found["folder"]).parents[1].glob("pretrain/*/model.safetensors"))
    file.write_bytes(other.read_bytes())
    code, _, err = cli("prune", "--rounds", 2, *options)
    assert code == 2
    assert "rewound.safetensors" in err
    assert "changed" in err


def test_layers_go_by_name_where_modules_are_not_in_alphabetical_order(
    cli_json: Json, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Twelve modules: "10" sorts before "2", and layers of different sizes tell when they are mixed.
    (tmp_path / "longnet.py").write_text(
        "from torch import nn\n"
        "def build(num_classes, channels):\n"
        "    sizes = [channels, 4, 6, 4, 8, 4, 10]\n"
        "    layers = []\n"
        "    for a, b in zip(sizes, sizes[1:]):\n"
        "        layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()]\n"
        "    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, num_classes)]\n"
        "    return nn.Sequential(*layers, *head)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    net = ("--set", "model.name=longnet:build", "--rounds", 3)
    imp = cli_json("prune", *net, *base)
    names = [layer["name"] for layer in imp["rounds"][3]["layers"]]
    assert names == [f"{index}.weight" for index in (0, 2, 4, 6, 8, 10)]
    for method in ("shuffled", "reinit"):
        found = cli_json("prune", "--method", method, *net, *base)
        assert [r["layers"] for r in found["rounds"]] == [r["layers"] for r in imp["rounds"]]


def test_changed_weights_are_refused_at_transfer(
    cli: Cli, cli_json: Json, base: list[str], tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    own = [*base, "--runs", str(tmp_path / "runs")]
    found = cli_json("pretrain", *own)
    cli_json("prune", "--rounds", 1, *own)
    path = Path(found["folder"]) / "model.safetensors"
    meta = _metadata(path)
    changed = {name: array.copy() for name, array in load_file(path).items()}
    changed["fc.bias"] += 1
    save_file(changed, path, metadata=meta)
    code, _, err = cli("transfer", "--rounds", "0,1", *own)
    assert code == 1
    assert "now holds" in err


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return dict(file.metadata())


@pytest.mark.parametrize("first", ["imp", "oneshot"])
def test_the_round_that_two_searches_share_is_reported_for_both(
    first: str, cli_json: Json, base: list[str], tmp_path: Path
) -> None:
    own = [*base, "--runs", str(tmp_path / "runs")]
    for method in sorted(("imp", "oneshot"), key=lambda name: name != first):
        cells = cli_json("transfer", "--rounds", "0,1,2", "--method", method, *own)
        assert len(cells) == 3
    report = cli_json("report", "--runs", tmp_path / "runs", "--out", tmp_path / "report")
    rounds = {
        group["prune"]["method"]: [ticket["round"] for ticket in group["tickets"]]
        for group in report["groups"]
    }
    assert rounds == {"imp": [1, 2], "oneshot": [1, 2]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rewind-epoch", 9), "trains for 2"),
        (("--rewind", "none", "--rewind-epoch", 1), "exclude"),
        (("--set", "prune.rewind=never"), "rewind"),
        (("--method", "magic"), "magic"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    options: tuple[object, ...], words: str, cli: Cli, base: list[str]
) -> None:
    code, _, err = cli("prune", *options, *base)
    assert code == 2
    assert words in err
