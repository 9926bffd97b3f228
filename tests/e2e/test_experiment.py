"""A whole experiment through the real commands, in this process."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from dwlt import _core
from tests.conftest import Cli

Json = Callable[..., Any]

# round(0.2 * remaining) removed per round from the 4804 convolution weights of resnet8, width 4.
KEPT = [4804, 3843, 3074, 2459, 1967, 1574, 1259, 1007, 806, 645, 516]
KEPT += [413, 330, 264, 211, 169, 135, 108, 86, 69, 55]


def test_the_counts_are_those_of_python() -> None:
    kept = [4804]
    for _ in range(20):
        kept.append(kept[-1] - round(0.2 * kept[-1]))
    assert kept == KEPT


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def base(tiny: Path, runs: Path) -> list[str]:
    return ["--config", str(tiny), "--runs", str(runs), "--device", "cpu"]


def test_twenty_rounds_leave_21_nested_masks(cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--rounds", 20, *base, "--set", "prune.train.epochs=1")
    rounds = found["rounds"]
    assert [r["kept"] for r in rounds] == KEPT
    assert {r["total"] for r in rounds} == {4804}
    files = sorted(Path(found["folder"]).glob("round-*/mask.safetensors"))
    masks = [_core.MaskSet.load(str(file)) for file in files]
    assert [m.kept for m in masks] == KEPT
    assert all(b.is_subset(a) for a, b in itertools.pairwise(masks))
    assert [m.meta["round"] for m in masks] == list(range(21))
    assert [m.meta["parent"] for m in masks] == [None, *(m.digest for m in masks[:-1])]
    assert all(r["search"]["rewound_to"] == r["weights"] for r in rounds[1:])


def test_stages_run_what_they_need_then_rest(cli: Cli, cli_json: Json, base: list[str]) -> None:
    cells = cli_json("transfer", "--adv", "--rounds", "0,2", *base)
    assert [(c["result"]["round"], c["result"]["regime"]) for c in cells] == [
        (0, "adversarial"),
        (2, "adversarial"),
    ]
    assert [c["result"]["kept"] for c in cells] == [4804, 3074]
    code, _, err = cli("transfer", "--adv", "--rounds", "0,2", *base)
    assert code == 0
    assert err.count("already done") == 3


def test_weights_stay_where_the_mask_put_them(cli_json: Json, base: list[str]) -> None:
    for cell in cli_json("transfer", "--adv", "--rounds", "0,2", *base):
        folder = Path(cell["folder"])
        mask = cell["result"]["mask"]
        for kind in ("sa", "ra"):
            with safe_open(folder / f"best-{kind}.safetensors", framework="np") as file:
                zeros = sum(
                    int((file.get_tensor(layer["name"]) == 0).sum())
                    for layer in cell["result"]["layers"]
                )
            # Nothing revived; and no kept weight of so few happens to train to exactly zero.
            assert zeros == cell["result"]["total"] - cell["result"]["kept"], mask


def test_more_rounds_carry_on_where_fewer_stopped(cli_json: Json, base: list[str]) -> None:
    first = cli_json("prune", "--rounds", 2, *base)
    more = cli_json("prune", "--rounds", 3, *base)
    assert first["folder"] == more["folder"]
    assert more["rounds"][:3] == first["rounds"]
    # What prune was last asked for is how far "all" goes.
    cells = cli_json("transfer", "--rounds", "all", *base)
    assert [c["result"]["round"] for c in cells] == [0, 1, 2, 3]


def test_a_changed_value_is_a_new_run(cli_json: Json, base: list[str]) -> None:
    first = cli_json("pretrain", *base)
    again = cli_json("pretrain", *base)
    other = cli_json("pretrain", *base, "--seed", 1)
    assert first == again
    assert first["result"]["id"] != other["result"]["id"]
    assert first["result"]["weights"] != other["result"]["weights"]


@pytest.mark.parametrize("regime", ["standard", "fast", "adversarial"])
def test_every_regime_pretrains_and_prunes(regime: str, cli_json: Json, base: list[str]) -> None:
    found = cli_json("prune", "--rounds", 1, "--regime", regime, "--pretrain-regime", regime, *base)
    assert found["rounds"][1]["regime"] == regime
    assert found["rounds"][1]["pretrain"]["regime"] == regime
    assert found["rounds"][1]["search"]["validation"]["ra"] is not None


def test_given_weights_are_the_dense_network(
    cli_json: Json, base: list[str], tmp_path: Path
) -> None:
    trained = cli_json("pretrain", *base, "--seed", 5, "--runs", tmp_path / "elsewhere")
    file = Path(trained["folder"]) / "model.safetensors"
    found = cli_json("prune", "--rounds", 1, "--weights", file, *base)
    assert found["rounds"][0]["weights"] == trained["result"]["weights"]
    assert found["rounds"][0]["pretrain"]["regime"] == "given"
    cells = cli_json("transfer", "--rounds", "0,1", "--weights", file, *base)
    assert [c["result"]["weights"] for c in cells] == [trained["result"]["weights"]] * 2


def test_a_plain_checkpoint_is_taken_with_its_normalisation(
    cli: Cli, cli_json: Json, base: list[str], tmp_path: Path
) -> None:
    trained = cli_json("pretrain", *base, "--seed", 6, "--runs", tmp_path / "elsewhere")
    with safe_open(Path(trained["folder"]) / "model.safetensors", framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    mean, std = (float(tensors.pop(f"normalise.{name}")[0]) for name in ("mean", "std"))
    plain = tmp_path / "plain.safetensors"
    save_file(tensors, plain)
    code, _, err = cli("prune", "--rounds", 1, "--weights", plain, *base)
    assert code == 2
    assert "model.mean" in err
    given = ["--set", f"model.mean=[{mean}]", "--set", f"model.std=[{std}]"]
    found = cli_json("prune", "--rounds", 1, "--weights", plain, *base, *given)
    # With its normaliser back, the checkpoint is the network that was trained.
    assert found["rounds"][0]["weights"] == trained["result"]["weights"]
    # Another normalisation is another network, not the one that was taken before.
    other = ["--set", "model.mean=[0.9]", "--set", f"model.std=[{std}]"]
    changed = cli_json("prune", "--rounds", 1, "--weights", plain, *base, *other)
    assert changed["rounds"][0]["weights"] != found["rounds"][0]["weights"]
    tensors["conv1.weight"] = tensors["conv1.weight"][:2]
    save_file(tensors, plain)
    code, _, err = cli("prune", "--rounds", 1, "--weights", plain, *base, *given)
    assert code == 2
    assert "conv1.weight" in err


def test_other_weights_are_refused(cli: Cli, base: list[str], tmp_path: Path) -> None:
    page = tmp_path / "model.safetensors"
    page.write_bytes(b"<!DOCTYPE html><html>not found</html>")
    code, _, err = cli("prune", "--rounds", 1, "--weights", page, *base)
    assert code == 2
    assert "model.safetensors" in err


def test_evaluate_agrees_with_the_run_that_made_the_model(cli_json: Json, base: list[str]) -> None:
    trained = cli_json("pretrain", *base)
    found = cli_json("evaluate", trained["folder"], "--attack", "pgd-3", *base)
    assert found["result"]["test"] == trained["result"]["test"]
    samples = found["result"]["samples"]
    assert sum(samples["clean"]) == trained["result"]["test"]["sa"]["correct"]
    assert sum(samples["robust"]) == trained["result"]["test"]["ra"]["correct"]
    assert len(samples["ids"]) == trained["result"]["test"]["sa"]["n"]
    plain = cli_json("evaluate", trained["folder"], "--attack", "none", *base)
    assert plain["result"]["test"]["ra"] is None


def test_evaluate_refuses_other_classes(cli: Cli, cli_json: Json, base: list[str]) -> None:
    trained = cli_json("pretrain", *base)
    code, _, err = cli("evaluate", trained["folder"], "--on", "digits:5-9", *base)
    assert code == 2
    assert "classes" in err


def test_a_mask_applied_is_the_ticket(cli_json: Json, base: list[str], tmp_path: Path) -> None:
    trained = cli_json("pretrain", *base)
    found = cli_json("prune", "--rounds", 2, *base)
    weights = Path(trained["folder"]) / "model.safetensors"
    mask = Path(found["folder"]) / "round-02" / "mask.safetensors"
    out = tmp_path / "ticket.safetensors"
    assert cli_json("mask", "apply", weights, mask, "-o", out)["kept"] == 3074
    masks = _core.MaskSet.load(str(mask))
    with safe_open(out, framework="np") as ticket, safe_open(weights, framework="np") as dense:
        assert sorted(ticket.keys()) == sorted(dense.keys())
        for name in dense.keys():  # noqa: SIM118 - a safetensors handle is no mapping
            expected = dense.get_tensor(name)
            if name in masks:
                expected = expected * masks[name]
            assert (ticket.get_tensor(name) == expected).all()
    shown = cli_json("mask", "show", mask)
    assert (shown["kept"], shown["total"]) == (3074, 4804)
    same = cli_json("mask", "compare", mask, mask)
    assert same["all"]["iou"] == 1.0


def test_runs_tell_the_state_and_verify_finds_damage(
    cli: Cli, cli_json: Json, base: list[str], runs: Path
) -> None:
    trained = cli_json("pretrain", *base)
    listed = cli_json("runs", "list", "--runs", runs)
    assert {"stage": "pretrain", "state": "done"}.items() <= listed[0].items()
    shown = cli_json("runs", "show", trained["result"]["id"], "--runs", runs)
    assert shown["journal"][0]["event"] == "open"
    assert cli("runs", "verify", trained["result"]["id"], "--runs", runs)[0] == 0
    metrics = Path(trained["folder"]) / "metrics.jsonl"
    whole = metrics.read_bytes()
    try:
        metrics.write_bytes(whole[:-10])
        code, out, _ = cli("runs", "verify", trained["result"]["id"], "--runs", runs)
        assert code == 1
        assert "metrics.jsonl" in out
    finally:
        metrics.write_bytes(whole)


def test_report_judges_every_ticket(cli: Cli, base: list[str], runs: Path, tmp_path: Path) -> None:
    for adv in ([], ["--adv"]):
        assert cli("transfer", *adv, "--rounds", "0,2", *base)[0] == 0
    code, out, _ = cli("report", "--runs", runs, "--out", tmp_path / "report")
    assert code == 0
    assert "36.01%" in out
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    json.loads((tmp_path / "report" / "report.json").read_bytes())
