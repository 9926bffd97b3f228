"""Criteria and scopes through the real commands."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from dwlt import _core
from dwlt.criteria import CRITERIA
from dwlt.stages.methods.cut import falling
from tests.conftest import Cli
from tests.processes import Command

Json = Callable[..., Any]
KEPT = [4804, 3843, 3074, 2459]
FEW = ("source.per_class=6", "downstream.per_class=6", "pretrain.train.epochs=1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def base(tiny: Path, runs: Path) -> list[str]:
    few = [word for one in (*FEW, "prune.train.epochs=1") for word in ("--set", one)]
    return ["--config", str(tiny), "--runs", str(runs), "--device", "cpu", *few]


def masks_of(found: dict[str, Any]) -> list[_core.MaskSet]:
    folder = Path(found["folder"])
    return [
        _core.MaskSet.load(str(folder / f"round-{r['round']:02d}" / "mask.safetensors"))
        for r in found["rounds"]
    ]


@pytest.mark.parametrize("method", ["imp", "oneshot"])
@pytest.mark.parametrize("criterion", CRITERIA.own)
def test_every_criterion_finds_tickets_of_the_same_sizes(
    method: str, criterion: str, cli_json: Json, base: list[str]
) -> None:
    asked = ("prune", "--method", method, "--criterion", criterion, *base)
    found = cli_json(*asked, "--set", "prune.iterations=2" if criterion == "synflow" else "seed=0")
    assert [r["kept"] for r in found["rounds"]] == KEPT
    assert {r["criterion"] for r in found["rounds"]} == {criterion}
    masks = masks_of(found)
    assert all(b.is_subset(a) for a, b in itertools.pairwise(masks))
    assert not list(Path(found["folder"]).rglob("*state.safetensors"))


def test_the_usual_criterion_names_the_same_run(cli_json: Json, base: list[str]) -> None:
    plain = cli_json("prune", *base)
    named = cli_json("prune", "--criterion", "magnitude", "--scope", "global", *base)
    other = cli_json("prune", "--criterion", "snip", *base)
    assert plain["folder"] == named["folder"] != other["folder"]


def test_snip_cuts_by_the_regimes_own_loss(cli_json: Json, base: list[str]) -> None:
    asked = ("prune", "--method", "oneshot", "--criterion", "snip", *base)
    once = ("--set", "prune.train.epochs=0", "--rounds", 1)
    standard, adversarial = (
        cli_json(*asked, *once, "--regime", regime)["rounds"][1]["mask"]
        for regime in ("standard", "adversarial")
    )
    assert standard != adversarial


def test_taken_of_the_whole_network_later_rounds_go_on_with_the_same_scores(
    cli_json: Json, base: list[str]
) -> None:
    asked = ("prune", "--method", "oneshot", "--criterion", "snip", *base)
    by_fifths = cli_json(*asked, "--rounds", 2)["rounds"][2]
    # 0.36 of 4804 leaves as many as two fifths do.
    at_once = cli_json(*asked, "--rounds", 1, "--rate", 0.36)["rounds"][1]
    assert by_fifths["kept"] - at_once["kept"] in (-1, 0, 1)
    if by_fifths["kept"] == at_once["kept"]:
        assert by_fifths["mask"] == at_once["mask"]


def test_erk_shares_and_patterns(cli_json: Json, base: list[str]) -> None:
    drawn = cli_json("prune", "--method", "random", "--scope", "erk", *base)
    ranked = cli_json("prune", "--scope", "erk", *base)
    layers = [
        [layer["kept"] for layer in found["rounds"][3]["layers"]] for found in (drawn, ranked)
    ]
    assert layers[0] == layers[1]
    shapes = [layer["total"] for layer in drawn["rounds"][3]["layers"]]
    shares = np.array(layers[0]) / np.array(shapes)
    assert shares.max() == 1
    assert shares[np.argmax(shapes)] < 0.5
    found = cli_json("prune", "--scope", "2:4", "--rounds", 1, *base)
    (_, after) = found["rounds"]
    assert after["rate"] == 0.5
    for name in (masks := masks_of(found)[1]):
        bits = masks[name]
        if bits.shape[1] % 4 == 0:
            grouped = bits.reshape(bits.shape[0], -1, 4, *bits.shape[2:])
            assert (grouped.sum(2) == 2).all(), name


def test_hydra_is_its_criterion_on_weights_that_stay(cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--method", "hydra", *base)
    assert {r["weights"] for r in found["rounds"]} == {found["rounds"][0]["weights"]}
    for r in found["rounds"][1:]:
        assert r["search"] is None
        assert r["ids"]["train"] is not None
        folder = Path(found["folder"]) / f"round-{r['round']:02d}"
        assert len((folder / "scores-metrics.jsonl").read_text().splitlines()) == 1
    once = ("--method", "oneshot", "--set", "prune.train.epochs=1", "--rounds", 1)
    other = cli_json("prune", *once, "--criterion", "hydra", *base)
    assert other["rounds"][1]["mask"] != found["rounds"][1]["mask"]


def test_they_stand_beside_the_magnitude_ticket_in_the_report(
    cli_json: Json, base: list[str], tmp_path: Path, runs: Path
) -> None:
    short = ("--rounds", "2", "--set", "transfer.train.epochs=1")
    for how in ((), ("--criterion", "snip"), ("--method", "hydra")):
        cli_json("transfer", *how, *short, *base)
    report = cli_json("report", "--runs", runs, "--out", tmp_path / "report")
    controls = {one["prune"]["id"] for table in report["controls"] for one in table["controls"]}
    groups = {group["prune"]["id"]: group["prune"]["method"] for group in report["groups"]}
    assert len(groups) == 3
    assert len(controls) == 2
    (page_file,) = (tmp_path / "report").glob("*.html")
    page = page_file.read_text(encoding="utf-8")
    assert "imp/snip" in page
    assert "hydra" in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--criterion", "snap"), "there is no criterion 'snap'"),
        (("--criterion", "snip", "--method", "random"), "--criterion belongs to"),
        (("--scope", "2:4"), "set rounds to 1"),
        (("--scope", "2:4", "--rounds", 1, "--method", "random"), "draws them"),
        (("--scope", "diagonal"), "scope"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    options: tuple[object, ...], words: str, cli: Cli, base: list[str]
) -> None:
    code, _, err = cli("prune", *options, *base)
    assert code == 2
    assert words in err


def test_steps_fall_by_the_same_factor() -> None:
    assert falling(100, 25, 2) == [50, 25]
    assert falling(1000, 1, 3) == [100, 10, 1]
    # Steps that would remove nothing are left out.
    assert falling(4, 3, 10) == [3]
    assert falling(4, 4, 10) == [4]
    assert falling(5, 0, 3) == [0]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_scores_that_were_being_trained_when_killed_end_as_the_same_bytes(
    longer: Path, tmp_path: Path
) -> None:
    def start(runs: Path) -> Command:
        options = ("--method", "hydra", "--rounds", 2, "--device", "cpu")
        return Command("prune", "--config", longer, "--runs", runs, *options)

    def checkpoints(runs: Path) -> list[Path]:
        return list(runs.glob("prune/*/round-*/scores-state.safetensors"))

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for runs in (whole, broken):
        done = Command("pretrain", "--config", longer, "--runs", runs, "--device", "cpu")
        assert done.communicate(timeout=120) is not None
    assert start(whole).communicate(timeout=120) is not None
    killed = 0
    for _ in range(3):
        process = start(broken)
        deadline = time.monotonic() + 60
        while process.poll() is None and not checkpoints(broken):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)
        if process.poll() is None:
            process.kill()
            killed += 1
    assert killed >= 2
    assert start(broken).communicate(timeout=120) is not None
    left, right = (
        {str(path.relative_to(runs)): load_file(path) for path in runs.rglob("*.safetensors")}
        for runs in (whole, broken)
    )
    assert left.keys() == right.keys()
    assert len(left) == 1 + 3
    for name, tensors in left.items():
        assert all(np.array_equal(one, right[name][key]) for key, one in tensors.items())
