"""Each option of a command is heeded, or refused where it would change nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwlt.runs.plan import Plan
from dwlt.spec import at_rounds, load_experiment
from tests.conftest import Cli

Json = Callable[..., Any]


@pytest.fixture
def base(tiny: Path, tmp_path: Path) -> list[str]:
    return ["--config", str(tiny), "--runs", str(tmp_path / "runs"), "--device", "cpu"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("prune --fraction 0.5", "nothing here is searched on that task"),
        ("prune --fraction 0.5 --on source", "nothing here is searched on that task"),
        ("prune --method random --set prune.on=downstream --fraction 0.5", "nothing here"),
        ("prune --method random --regime fast", "--regime fast would change nothing"),
        ("transfer --method layerwise-random --on downstream", "--on downstream would change"),
        ("prune --method oneshot --rewind none", "rewinding belongs to --method imp"),
        ("prune --method random --rewind-epoch 2", "rewinding belongs to --method imp"),
        ("transfer --to digits:0-4 --on digits:5-9", "name two downstream tasks"),
        ("run --to digits:0-4 --on digits:5-9", "name two downstream tasks"),
    ],
)
def test_searches_refuse_what_they_would_not_heed(
    arguments: str, message: str, cli: Cli, base: list[str], tmp_path: Path
) -> None:
    code, _, err = cli(*arguments.split(), *base)
    assert (code, message in err) == (2, True), err
    assert not (tmp_path / "runs").exists()


def test_a_search_on_the_downstream_task_takes_the_fraction(
    cli_json: Json, base: list[str]
) -> None:
    short = ["--rounds", 1, "--set", "pretrain.train.epochs=1", "--set", "prune.train.epochs=1"]
    found = cli_json("prune", "--on", "downstream", "--fraction", 0.5, *short, *base)
    assert found["rounds"][1]["spec"]["data"]["fraction"] == 0.5


GRID = """
extends = "{tiny}"
name = "grid"
[grid]
methods = ["imp", "random"]
fractions = [1.0, 0.5]
regimes = ["adversarial"]
control_rounds = [2, 3]
control_fractions = [1.0]
"""


@pytest.fixture
def gridded(tiny: Path, tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(GRID.format(tiny=tiny))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("transfer", "the grid has no standard transfer; run this with --adv"),
        ("transfer --adv --method random --fraction 0.5", "control_fractions"),
        ("transfer --adv --method random --rounds 0,1", "random at rounds 2, 3 alone"),
        ("prune --method random --rounds 1", "random at rounds 2, 3 alone"),
    ],
)
def test_a_grid_in_which_nothing_is_left_to_do_is_refused(
    arguments: str, message: str, cli: Cli, gridded: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    code, _, err = cli(*arguments.split(), "--config", gridded, "--runs", runs)
    assert (code, message in err) == (2, True), err
    assert not runs.exists()


def test_rounds_that_are_asked_for_count_for_controls_too(gridded: Path, tmp_path: Path) -> None:
    experiment = load_experiment(str(gridded), overrides={"transfer.rounds": (0, 2)})
    plan = Plan.of(at_rounds(experiment, (0, 2)), tmp_path)
    rounds = {
        (cell.variant.experiment.prune.method, cell.spec.round)
        for cell in plan.cells
        if cell.variant is not None
    }
    assert rounds == {("imp", 0), ("imp", 2), ("random", 2)}
    # Without a round of theirs, controls are left out.
    left = at_rounds(experiment, (0, 1)).grid
    assert left is not None
    assert left.methods == ("imp",)
    assert at_rounds(load_experiment(), (1,)).grid is None


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pre-training."""
    from dwlt.cli.root import run

    runs = tmp_path_factory.mktemp("trained")
    options = ["--config", str(tiny), "--runs", str(runs), "--device", "cpu", "--quiet"]
    assert run(["pretrain", "--regime", "standard", *options]) == 0
    return next((runs / "pretrain").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--attack none --prefilter", "takes no --prefilter"),
        ("--attack fgsm --restarts 3", "--restarts would repeat it"),
        ("--eps-sweep --from MODEL", "ask for them one by one"),
        ("--set downstream.test=10", "the images are those of the run"),
    ],
)
def test_an_evaluation_refuses_what_it_would_not_heed(
    arguments: str, message: str, cli: Cli, trained: Path, tmp_path: Path
) -> None:
    given = [str(trained) if one == "MODEL" else one for one in arguments.split()]
    code, _, err = cli("evaluate", trained, *given, "--runs", tmp_path / "runs")
    assert (code, message in err) == (2, True), err
    assert not (tmp_path / "runs").exists()


def test_an_evaluation_heeds_set_over_the_runs_own_attack(
    cli_json: Json, trained: Path, tmp_path: Path
) -> None:
    changes = ["--set", "attack.evaluate.restarts=2", "--set", "attack.evaluate.eps='1/8'"]
    found = cli_json(
        *("evaluate", trained, "--attack", "pgd-1", *changes, "--set", "attack.evaluate.steps=7"),
        *("--runs", tmp_path / "runs", "--device", "cpu", "--samples", 8),
    )
    attack = found["result"]["spec"]["score"]["attack"]
    # An option of the command comes last.
    assert (attack["restarts"], attack["eps"], attack["steps"]) == (2, "1/8", 1)


def test_runs_takes_its_options_before_and_after_a_subcommand(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DWLT_RUNS", str(tmp_path / "other"))
    runs, name = trained.parent.parent, trained.name
    for arguments in (
        ["runs", "--runs", runs],
        ["runs", "--runs", runs, "list"],
        ["runs", "list", "--runs", runs],
        ["runs", "--runs", tmp_path / "other", "list", "--runs", runs],
        ["runs", "--runs", runs, "show", name],
        ["runs", "--runs", runs, "verify", name, "--json"],
        ["runs", "--runs", runs, "--json", "verify"],
    ):
        code, out, err = cli(*arguments)
        assert (code, name in out or '"runs": 1' in out) == (0, True), (arguments, err)
        assert out.startswith("{") == ("--json" in arguments)
    shutil.copytree(runs, tmp_path / "other")
    assert name in cli("runs", "list")[1]


@pytest.mark.parametrize(
    "option",
    ["--model resnet8", "--mean 0 --std 1", "--entry x", "--prefix x", "--ignore x"],
)
def test_torchvisions_weights_take_no_options_about_files(
    option: str, cli: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    code, _, err = cli("import", "torchvision:resnet18", *option.split(), "-o", out)
    assert (code, f"takes no {option.split()[0]}" in err) == (2, True), err
