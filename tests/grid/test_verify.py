"""A verdict that is verified: by the real AutoAttack with fewer steps, through the real command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dwlt.cli.root import run
from dwlt.grid.measured import Measurements
from dwlt.grid.target import targets
from dwlt.grid.verify import around
from dwlt.report import assess, collect, summary
from dwlt.results import EvaluateResult, TransferResult, parse
from dwlt.runs.outcomes import NotedOutcomes
from dwlt.spec import load_experiment, load_verdict
from dwlt.verdict.judge import judge
from dwlt.verdict.outcomes import NUMBERS
from dwlt.verdict.verified import with_verified
from tests.conftest import Cli
from tests.grid.conftest import command
from tests.grid.test_frontier import result_of
from tests.verdict.make import network


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """AutoAttack's attacks with a few steps each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dwlt.attacks.auto.package.STEPS", 2)
        patched.setattr("dwlt.attacks.auto.package.QUERIES", 5)
        yield


@pytest.fixture(scope="module")
def attacked(
    quick: None, hunted: Path, hunt: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A runs folder with a verified frontier."""
    runs = tmp_path_factory.mktemp("attacked") / "runs"
    shutil.copytree(hunted, runs)
    assert run(verified(hunt, runs, "--quiet")) == 0
    return runs


def verified(hunt: Path, runs: Path, *options: str) -> list[str]:
    return ["verify", *command(hunt, runs, *options)[1:]]


def test_the_frontier_is_verified_and_nothing_else(attacked: Path, hunt: Path, cli: Cli) -> None:
    runs = attacked
    result = result_of(runs)
    seeds = result["attempts"][-1]["seeds"]
    evaluations = {path: path.read_bytes() for path in runs.glob("evaluate/*/result.json")}
    # Dense network and ticket, two regimes, the seeds of the look that decided.
    assert len(evaluations) == 2 * 2 * seeds
    code, out, err = cli(*verified(hunt, runs))
    assert code == 0, err
    assert "autoattack linf 1/64" in out
    assert f"(round {result['extreme']}) is a double win, as it was under pgd-1" in err
    code, out, err = cli(*verified(hunt, runs, "--json"))
    assert code == 0, err
    assert {path: path.read_bytes() for path in evaluations} == evaluations
    (one,) = json.loads(out)
    assert one["stronger"] == "autoattack linf 1/64"
    (ticket,) = one["tickets"]
    assert (ticket["round"], ticket["before"], ticket["after"]) == (
        result["extreme"],
        "double-win",
        "double-win",
    )
    assert ticket["ra"] == pytest.approx(by_hand(runs, evaluations, result["extreme"]))


def test_the_report_comes_to_the_same_verdict(attacked: Path, hunt: Path, cli: Cli) -> None:
    """From the files alone, outcomes of the stronger attack paired image by image."""
    code, out, err = cli(*verified(hunt, attacked, "--json"))
    assert code == 0, err
    (told,) = json.loads(out)[0]["tickets"]
    outcomes = NotedOutcomes(attacked)
    report = assess(collect(attacked), settings=load_verdict(str(hunt), ()), outcomes=outcomes)
    assert outcomes.notices == ()
    (one,) = report.verified.values()
    (ticket,) = one.after.tickets
    assert one.stronger.label == "autoattack linf 1/64"
    assert (ticket.ticket.round, ticket.verdict) == (told["round"], told["after"])
    assert one.confidence == result_of(attacked)["attempts"][-1]["confidence"]
    found = {number.key: measured for number, measured in ticket.ticket.numbers.items()}
    assert all(measured.bits is not None for measured in found.values())
    assert {key: found[key].mean for key in told["ra"]} == pytest.approx(told["ra"])
    assert "under AutoAttack" in summary(report).found


def by_hand(runs: Path, evaluations: dict[Path, bytes], round_: int) -> dict[str, float]:
    """Mean RA after each regime, from the files of the evaluations alone."""
    found: dict[str, list[float]] = {}
    for blob in evaluations.values():
        value = json.loads(blob)
        cell = json.loads((Path(value["model"]).parent / "result.json").read_bytes())
        if cell["round"] == round_:
            key = f"{cell['regime']}_ra"
            found.setdefault(key, []).append(value["test"]["ra"]["value"])
    return {key: sum(values) / len(values) for key, values in found.items()}


def test_asked_for_in_the_config_the_frontier_ends_verified(
    attacked: Path, hunt: Path, cli: Cli
) -> None:
    code, out, err = cli(*command(hunt, attacked, "--set", "verify.attack=autoattack", "--json"))
    assert code == 0, err
    (one,) = json.loads(out)
    assert one["result"] == result_of(attacked), "no run is named by it"
    assert one["verified"]["stronger"] == "autoattack linf 1/64"


def test_outcomes_of_the_stronger_attack_enter_image_by_image(attacked: Path, hunt: Path) -> None:
    runs = attacked
    (target,) = targets(load_experiment(str(hunt)), runs)
    seed = target.experiment.seed + 1
    measured = Measurements(runs)
    cell = measured.result(target.cell(0, "adversarial", seed))
    checkpoint = runs / cell.folder / "best-ra.safetensors"
    evaluation = next(
        found
        for path in runs.glob("evaluate/*/result.json")
        if (found := parse(path.read_bytes(), EvaluateResult, f"evaluate/{path.parent.name}")).model
        == str(checkpoint)
    )
    (stronger,) = with_verified([cell], {cell.folder: evaluation})
    measured.replace_robust(stronger, evaluation)
    (known,) = measured.contenders([stronger], strict=False).values()
    ra = known.numbers[NUMBERS[3]]
    assert ra.bits is not None, "paired, as all outcomes are"
    assert evaluation.test.ra is not None
    assert ra.correct == (evaluation.test.ra.correct,)
    assert known.numbers[NUMBERS[2]].correct == (cell.best_sa.test.sa.correct,)


def test_two_attacks_never_enter_one_verdict(hunted: Path, hunt: Path) -> None:
    (target,) = targets(load_experiment(str(hunt)), hunted)
    cell: TransferResult = Measurements(hunted).result(target.cell(0, "standard", 0))
    (without,) = with_verified([cell], {})
    assert without.accuracy("ra") is None
    assert without.accuracy("sa") == cell.accuracy("sa")


@pytest.mark.parametrize(
    ("deficits", "expected"),
    [((0, 0, 30), (3, 6, 8)), ((0, 0, 0), (6, 8)), ((0, 30, 30), (3, 6)), ((30, 30, 30), ())],
)
def test_around_the_sparsest_double_win(
    deficits: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    tickets = [
        network(round_, levels=tuple(level - points / 100 for level in (0.95, 0.4, 0.85, 0.6)))
        for round_, points in zip((3, 6, 8), deficits, strict=True)
    ]
    assert around(judge(network(), tickets, 10, curves=False)) == expected


def test_where_nothing_wins_nothing_is_attacked(
    hunt: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dwlt.grid import verify

    def found(*arguments: Any) -> Any:
        return SimpleNamespace(result=SimpleNamespace(extreme=None), cells=())

    monkeypatch.setattr(verify, "find", found)
    code, _, err = cli(*verified(hunt, tmp_path / "none", "--frontier"))
    assert code == 2
    assert "no ticket is a double win, so there is nothing to verify" in err
