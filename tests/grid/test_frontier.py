"""The search for the frontier through the real command, on networks that train in a second."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dwlt.errors import DwltError, LedgerError, SpecError
from dwlt.grid import asked, frontier
from dwlt.grid.target import targets
from dwlt.grid.walk import Policy
from dwlt.results import Spent
from dwlt.results.schema import schemas
from dwlt.runs.context import Context
from dwlt.runs.plan import Cell
from dwlt.spec import load_experiment
from dwlt.verdict.frontier import Step
from tests.conftest import Cli
from tests.grid.conftest import command
from tests.results.test_schema import missing


def result_of(runs: Path) -> dict[str, Any]:
    (path,) = runs.glob("frontier/*/result.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def lasting(runs: Path) -> dict[str, Any]:
    """What must not depend on how often the work was stopped, or who shared it."""
    bytes_ = {str(p.relative_to(runs)): p.read_bytes() for p in runs.rglob("*.safetensors")}
    result = result_of(runs)
    kept = {
        k: v
        for k, v in result.items()
        if k not in ("environment", "seconds", "finished", "waiting")
    }
    return {**bytes_, "result": kept}


def test_it_records_why_each_cell_was_run_and_what_it_cost(hunted: Path) -> None:
    result = result_of(hunted)
    path, spent = result["path"], result["spent"]
    assert [step["round"] for step in path[:2]] == [0, 1]
    assert all(step["reason"] and len(step["runs"]) == len(step["seeds"]) for step in path)
    transfers = [name for step in path for name in step["runs"]]
    assert {p.name for p in hunted.glob("transfer/*")} == set(transfers)
    assert len(transfers) == len(set(transfers))
    # 6 epochs of pre-training, one per pruning round, 6 per transfer.
    deepest = max(step["round"] for step in path)
    assert spent == {"pretrain": 6, "prune": deepest, "transfer": 6 * len(transfers)}
    assert result["full"] == {"pretrain": 6, "prune": 3, "transfer": 6 * 2 * 4}
    assert result["attempts"] or result["extreme"] is None
    (journal,) = hunted.glob("frontier/*/journal")
    assert journal.read_text().count("asked for") == len(path)


def test_its_result_is_in_the_schema(hunted: Path) -> None:
    schema = json.loads(schemas()["frontier.json"])
    assert missing(result_of(hunted), schema, schema) == []


def test_again_it_finds_everything_done_and_says_the_same(
    hunted: Path, hunt: Path, cli: Cli
) -> None:
    before = {p: p.stat().st_mtime_ns for p in hunted.rglob("*") if p.is_file()}
    code, out, err = cli(*command(hunt, hunted))
    assert code == 0, err
    assert "epochs of training, where the full grid takes 57" in err
    assert "locate: is round 1 promising?" in out
    assert {p: p.stat().st_mtime_ns for p in hunted.rglob("*") if p.is_file()} == before


def test_stopped_in_between_it_comes_to_the_same_end(
    hunted: Path, hunt: Path, tmp_path: Path, cli: Cli
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(hunted, runs)
    last = result_of(runs)["path"][-1]["runs"][-1]
    shutil.rmtree(runs / "transfer" / last)
    shutil.rmtree(runs / "frontier")
    code, out, err = cli(*command(hunt, runs, "--json"))
    assert code == 0, err
    assert json.loads(out)[0]["result"]["path"] == result_of(hunted)["path"]
    assert lasting(runs) == lasting(hunted)


def test_a_cell_that_fails_ends_it_and_the_same_command_goes_on(
    hunted: Path, hunt: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(hunted, runs)
    last = result_of(runs)["path"][-1]
    shutil.rmtree(runs / "transfer" / last["runs"][-1])
    shutil.rmtree(runs / "frontier")
    with monkeypatch.context() as patched:

        def fail(cell: Cell, context: Context) -> None:
            if cell.result() is None:
                raise DwltError(f"{cell.label}: no space for it")

        patched.setattr("dwlt.stages.transfer.run", fail)
        code, _, err = cli(*command(hunt, runs))
    assert code == 1
    assert f"round {last['round']} seed {last['seeds'][-1]}: no space for it" in err
    assert not list(runs.glob("frontier/*"))
    assert cli(*command(hunt, runs))[0] == 0
    assert lasting(runs) == lasting(hunted)


def test_a_cell_without_a_number_is_not_asked_for_for_ever(
    hunted: Path, hunt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "advance", lambda *_: Step(0, "standard", (0,), "locate", "again"))
    (target,) = targets(load_experiment(str(hunt)), hunted)
    context = Context(hunted, Path("data"), "cpu", 0, 1, lambda event: None, lambda: False)
    with pytest.raises(LedgerError, match="round 0, standard transfer, seed 0 is done but"):
        frontier.find(target, context, Policy())


def test_a_damaged_file_of_outcomes_decides_nothing(
    hunted: Path, hunt: Path, tmp_path: Path, cli: Cli
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(hunted, runs)
    first = runs / "transfer" / result_of(runs)["path"][0]["runs"][0] / "outcomes.safetensors"
    blob = bytearray(first.read_bytes())
    blob[-1] ^= 1
    first.write_bytes(bytes(blob))
    code, _, err = cli(*command(hunt, runs))
    assert code == 1
    assert str(first) in err


def test_the_cost_of_the_full_grid_by_hand(tmp_path: Path) -> None:
    (target,) = targets(load_experiment("digits", ["model.width=16"]), tmp_path)
    one = target.experiment
    seeds, epochs = one.transfer.seeds, one.transfer_spec("standard", 0, 0).train.epochs
    assert target.full_cost() == Spent(
        one.pretrain_spec().train.epochs,
        one.prune.rounds * int(one.prune.train["epochs"]),
        (one.prune.rounds + 1) * seeds * 2 * epochs,
    )
    cells = (target.cell(0, "standard", 0), target.cell(3, "adversarial", 1))
    assert target.cost(cells).transfer == 2 * epochs
    assert target.cost(cells).prune == 3 * int(one.prune.train["epochs"])
    assert [search.spec.rounds and last for search, last in target.plan(cells).searches] == [3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["verdict.rounds=[3, 30]"], "verdict.rounds names round 30, but the search has 3 rounds"),
        (["transfer.rounds=[0]"], "names the dense network alone"),
        (['grid.regimes=["standard"]'], "under regime standard alone"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    changes: list[str], message: str, hunt: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        targets(load_experiment(str(hunt), changes), tmp_path)


def test_controls_are_no_targets(hunt: Path, tmp_path: Path) -> None:
    changes = ['grid.methods=["imp", "random"]', "grid.fractions=[1.0, 0.5]"]
    found = targets(load_experiment(str(hunt), changes), tmp_path)
    assert [one.label for one in found] == [
        "standard, imp/standard, digits:5-9",
        "standard, imp/standard, digits:5-9 50%",
    ]


def test_as_a_strategy_of_a_grid_it_finds_the_same_cells(
    hunted: Path, hunt: Path, cli: Cli
) -> None:
    code, out, err = cli(
        *("run", "--config", hunt, "--runs", hunted, "--set", 'grid.strategy="frontier"'),
        "--json",
    )
    assert code == 0, err
    (one,) = json.loads(out)
    assert one["result"] == result_of(hunted)
