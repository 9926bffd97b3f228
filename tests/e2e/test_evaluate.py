"""``dwlt evaluate`` from the command line: every threat, its files, and its refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwlt.attacks.auto import SUITE, package
from dwlt.attacks.corruptions import CORRUPTIONS
from tests.conftest import Cli

Json = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with a pre-trained model and two rounds of tickets."""
    from dwlt.cli.root import run

    runs = tmp_path_factory.mktemp("trained")
    base = ["--config", str(tiny), "--runs", str(runs), "--device", "cpu", "--quiet"]
    assert run(["prune", "--rounds", "1", *base]) == 0
    return runs


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """The model, in a runs folder of its own."""
    shutil.copytree(trained, tmp_path / "runs")
    (found,) = (tmp_path / "runs" / "pretrain").glob("tiny-*")
    return found


@pytest.fixture
def base(tiny: Path, tmp_path: Path) -> list[str]:
    return ["--config", str(tiny), "--runs", str(tmp_path / "runs"), "--device", "cpu"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "QUERIES", 40)
    monkeypatch.setattr(package, "STEPS", 10)


def test_autoattack_fills_the_result_and_the_report(
    cli: Cli, cli_json: Json, model: Path, base: list[str], tmp_path: Path
) -> None:
    asked = ["evaluate", model, "--attack", "autoattack", "--eps", "1/64", *base]
    found = cli_json(*asked, "--samples", 60)
    result = found["result"]
    assert result["test"]["attack"] == "autoattack linf 1/64"
    assert result["test"]["sa"]["n"] == result["test"]["ra"]["n"] == 60
    assert [one["name"] for one in result["attacks"]] == list(SUITE)
    assert result["attacks"][-1]["ra"] == result["test"]["ra"]
    samples = result["samples"]
    assert {len(samples[key]) for key in ("ids", "clean", "robust", "broken_by")} == {60}
    assert sum(samples["robust"]) == result["test"]["ra"]["correct"]
    for clean, robust, by in zip(
        samples["clean"], samples["robust"], samples["broken_by"], strict=True
    ):
        assert (by is not None) == (clean == 1 and robust == 0)
    assert "60 of 225 test images are used" in result["task"]["notes"]
    assert {path.name for path in Path(found["folder"]).iterdir()} >= {"result.json", "spec.toml"}
    assert not (Path(found["folder"]) / "shards").exists()
    # The same again is the same run, and another n is another one.
    assert cli_json(*asked, "--samples", 60) == found
    other = cli_json(*asked)
    assert other["folder"] != found["folder"]
    report = tmp_path / "report"
    code, out, err = cli("report", "--runs", tmp_path / "runs", "--out", report)
    assert code == 0, err
    assert "Evaluations on digits:0-4, n = 60" in out
    assert "Evaluations on digits:0-4, n = 225" in out
    page = (report / "report.html").read_text()
    assert "Evaluations" in page
    assert "60 of 225 test images are used" in page
    told = json.loads((report / "report.json").read_text())["evaluate"]
    assert [len(one["attacks"]) for one in told] == [4, 4]


def test_pgd_before_autoattack_is_labelled(cli_json: Json, model: Path, base: list[str]) -> None:
    found = cli_json(
        *("evaluate", model, "--attack", "apgd-ce+square", "--prefilter", "--eps", "1/64"),
        *("--samples", 40, *base),
    )["result"]
    assert found["test"]["attack"] == "pgd-20+apgd-ce+square linf 1/64"
    assert [one["name"] for one in found["attacks"]] == ["pgd-20", "apgd-ce", "square"]
    assert "prefilter" in [flag["code"] for flag in found["flags"]]


def test_few_classes_are_not_the_standard_suite(
    cli: Cli, cli_json: Json, tiny: Path, base: list[str]
) -> None:
    three = ["--set", "source.task=digits:0-2"]
    made = cli_json("pretrain", *base, *three)
    found = cli_json(
        *("evaluate", made["folder"], "--attack", "autoattack", "--samples", 30, *base, *three),
        *("--eps", "1/64", "--on", "digits:0-2"),
    )["result"]
    assert found["test"]["attack"] == "apgd-ce+fab-t+square linf 1/64"
    (flag,) = [flag for flag in found["flags"] if flag["code"] == "not-standard"]
    assert "not the standard AutoAttack" in flag["text"]


def test_a_sweep_draws_its_curve(
    cli: Cli, cli_json: Json, model: Path, base: list[str], tmp_path: Path
) -> None:
    found = cli_json("evaluate", model, "--attack", "pgd-3", "--eps-sweep", *base)
    curve = found["result"]["sweep"]
    assert [point["eps"] for point in curve] == ["0", "3/64", "3/32", "3/16", "3/8", "3/4", "1"]
    assert curve[0]["ra"] == found["result"]["test"]["sa"]
    for kind, head in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert (Path(found["folder"]) / f"eps-sweep.{kind}").read_bytes().startswith(head)
    code, _, err = cli(
        "report", "--figures", "--runs", tmp_path / "runs", "--out", tmp_path / "report"
    )
    assert code == 0, err
    assert len(list((tmp_path / "report" / "figures").glob("sweep-*.svg"))) == 1
    assert "RA as eps grows" in (tmp_path / "report" / "report.html").read_text()


def test_built_in_corruptions(cli: Cli, cli_json: Json, model: Path, base: list[str]) -> None:
    asked = ["evaluate", model, "--attack", "none", "--corruptions", "builtin", *base]
    found = cli_json(*asked, "--samples", 50)["result"]
    rows = found["corruptions"]["rows"]
    assert [(row["name"], row["severity"]) for row in rows] == [
        (name, severity) for name in CORRUPTIONS for severity in range(1, 6)
    ]
    assert {row["sa"]["n"] for row in rows} == {50}
    mean = sum(row["sa"]["value"] for row in rows) / len(rows)
    assert found["corruptions"]["mean"] == pytest.approx(mean)
    code, out, _ = cli(*asked, "--samples", 50)
    assert code == 0
    assert "gaussian-noise" in out


def corrupted_folder(folder: Path, severities: int = 5) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name in ("fog", "snow"):
        pixels = rng.integers(0, 256, (20 * severities, 8, 8), dtype=np.uint8)
        np.save(folder / f"{name}.npy", pixels)
    np.save(folder / "labels.npy", np.tile(np.arange(20) % 5, severities).astype(np.uint8))
    return folder


def test_a_folder_of_corrupted_images(
    cli: Cli, cli_json: Json, model: Path, base: list[str], tmp_path: Path
) -> None:
    folder = corrupted_folder(tmp_path / "digits-c")
    asked = ["evaluate", model, "--attack", "none", "--corruptions", folder, *base]
    found = cli_json(*asked)["result"]["corruptions"]
    assert [(row["name"], row["severity"]) for row in found["rows"]][:6] == [
        *(("fog", severity) for severity in range(1, 6)),
        ("snow", 1),
    ]
    assert {row["sa"]["n"] for row in found["rows"]} == {20}
    few = cli_json(*asked, "--samples", 10)["result"]["corruptions"]
    assert {row["sa"]["n"] for row in few["rows"]} == {10}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "labels.npy").unlink(), "labels.npy is missing"),
        (lambda folder: (folder / "fog.npy").write_bytes(b"<html>"), "cannot be read as a numpy"),
        (lambda folder: np.save(folder / "fog.npy", np.zeros((7, 8, 8), np.uint8)), "five sever"),
        (lambda folder: np.save(folder / "labels.npy", np.full(100, 9)), "labels of 5 classes"),
        (lambda folder: [path.unlink() for path in folder.glob("[fs]*")], "no corrupted images"),
    ],
)
def test_folders_that_are_no_corruptions_are_refused(
    spoil: Callable[[Path], object],
    message: str,
    cli: Cli,
    model: Path,
    base: list[str],
    tmp_path: Path,
) -> None:
    folder = corrupted_folder(tmp_path / "bad-c")
    spoil(folder)
    code, _, err = cli("evaluate", model, "--attack", "none", "--corruptions", folder, *base)
    assert code == 2
    assert message in err


def test_attacks_made_on_another_model(cli_json: Json, model: Path, base: list[str]) -> None:
    own = cli_json("evaluate", model, "--eps", "1/32", *base)["result"]
    moved = cli_json("evaluate", model, "--eps", "1/32", "--from", model, *base)["result"]
    assert moved["test"]["attack"] == "pgd-20 linf 1/32, transferred"
    assert moved["from"] == str(model)
    # Made on the very model that is attacked, it is the attack itself.
    assert moved["samples"]["robust"] == own["samples"]["robust"]


def test_a_mask_is_laid_on_its_weights(
    cli: Cli, cli_json: Json, model: Path, base: list[str], tmp_path: Path
) -> None:
    (mask,) = (tmp_path / "runs" / "prune").glob("tiny-*/round-01/mask.safetensors")
    file = model / "model.safetensors"
    found = cli_json("evaluate", file, "--mask", mask, "--attack", "pgd-3", *base)
    applied = tmp_path / "applied.safetensors"
    code, _, err = cli("mask", "apply", file, mask, "-o", applied)
    assert code == 0, err
    task = ["--on", "digits:0-4", "--set", "downstream.per_class=16"]
    other = cli_json("evaluate", applied, *task, "--attack", "pgd-3", *base)
    assert found["result"]["samples"] == other["result"]["samples"]
    assert found["result"]["starts"].keys() == {"weights", "mask"}
    code, _, err = cli("evaluate", applied, "--mask", mask, *task, *base)
    assert code == 2
    assert "belongs to weights" in err


def test_fgsm_is_one_step_to_the_border(cli_json: Json, model: Path, base: list[str]) -> None:
    found = cli_json("evaluate", model, "--attack", "fgsm", "--eps", "1/32", *base)["result"]
    assert found["test"]["attack"] == "fgsm linf 1/32"
    attack = found["spec"]["score"]["attack"]
    assert (attack["step"], attack["steps"], attack["random_start"]) == ("1/32", 1, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attack", "apgd"], "there is no attack 'apgd'"),
        (["--attack", "autoattack", "--restarts", "2"], "takes no --restarts"),
        (["--attack", "autoattack", "--from", "MODEL"], "--from makes the attack with pgd-K"),
        (["--attack", "pgd-5", "--prefilter"], "--prefilter goes before AutoAttack"),
        (["--attack", "none", "--eps-sweep"], "takes no --eps-sweep"),
        (["--attack", "autoattack", "--norm", "l2"], "--norm needs --eps"),
        (["--attack", "autoattack", "--eps", "8"], "eps 8 exceeds 1"),
        (["--eps", "-1/255"], "is not a non-negative number"),
    ],
)
def test_mistakes_are_named(
    options: list[str], message: str, cli: Cli, model: Path, base: list[str]
) -> None:
    given = [str(model) if option == "MODEL" else option for option in options]
    code, _, err = cli("evaluate", model, *given, *base)
    assert code == 2
    assert message in err.replace("\n", " ")


def test_steps_of_another_evaluation_are_refused(
    cli: Cli, cli_json: Json, model: Path, base: list[str]
) -> None:
    asked = ["evaluate", model, "--attack", "apgd-ce", "--samples", 40, *base]
    interrupted = cli_json(*asked, "--eps", "1/64")
    folder = Path(interrupted["folder"])
    (folder / "result.json").unlink()
    shutil.rmtree(folder)
    # What an evaluation at another eps would have left, if it had been killed.
    other = Path(cli_json(*asked, "--eps", "1/32")["folder"])
    values = {"fooled": [], "blind": 0, "wavering": 0}
    shards = other / "shards"
    shards.mkdir()
    identity = {"attack eps": "1/64"}
    content = {"format": "dwlt-shard", "identity": identity, "step": "clean", "shard": 0}
    (shards / "clean-00000.json").write_text(json.dumps({**content, "value": values}))
    (other / "result.json").unlink()
    shutil.rmtree(other / "journal", ignore_errors=True)
    (other / "journal").unlink(missing_ok=True)
    code, _, err = cli(*asked, "--eps", "1/32")
    assert code == 1
    assert "belongs to another evaluation" in err
    assert "its attack eps is 1/64, not 1/32" in err
