"""Plans: what an experiment consists of, looked at on disk, without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dwlt.errors import SpecError
from dwlt.results import PretrainResult, PruneRound, TransferResult
from dwlt.runs.done import finished
from dwlt.runs.plan import Plan, State, matrix, state_of
from dwlt.runs.state import failure
from dwlt.runs.store import Run
from dwlt.spec import Experiment, load_experiment
from tests.runs.folders import drop_lines, golden


def experiment(*changes: str) -> Experiment:
    return load_experiment(changes=changes)


def test_a_search_goes_as_far_as_its_cells_need(tmp_path: Path) -> None:
    plan = Plan.of(experiment("transfer.rounds=[0,2]", "prune.rounds=5"), tmp_path)
    assert [last for _, last in plan.searches] == [5]
    only = Plan.of(
        experiment("transfer.rounds=[0,2]", "prune.rounds=5"), tmp_path, full_searches=False
    )
    assert [last for _, last in only.searches] == [2]
    with pytest.raises(SpecError, match="round 7 is beyond"):
        Plan.of(experiment("transfer.rounds=[7]", "prune.rounds=5"), tmp_path)


def test_cells_are_rounds_times_seeds_times_regimes(tmp_path: Path) -> None:
    plan = Plan.of(experiment("transfer.rounds=[0,2]", "transfer.seeds=3"), tmp_path)
    found = [(c.spec.train.regime, c.spec.round, c.spec.seed) for c in plan.cells]
    assert found == [
        (regime, round_, seed)
        for regime in ("standard", "adversarial")
        for round_ in (0, 2)
        for seed in (0, 1, 2)
    ]


def test_a_control_brings_the_search_that_it_is_made_from(tmp_path: Path) -> None:
    plan = Plan.of(
        experiment("prune.method=shuffled", "prune.rounds=4", "transfer.rounds=[0,4]"), tmp_path
    )
    assert [(s.spec.method, last) for s, last in plan.searches] == [("imp", 4), ("shuffled", 4)]
    assert plan.searches[1][0].of is plan.searches[0][0]


def test_before_anything_is_done_everything_is_to_do(tmp_path: Path) -> None:
    found = matrix(Plan.of(experiment("transfer.rounds=[0,2]", "transfer.seeds=3"), tmp_path))
    assert found.totals == {State.TODO: 12}
    assert {state for *_, state in found.searches} == {State.TODO}
    assert (found.workers, found.seconds_left) == (0, None)


def test_states_of_a_run(tmp_path: Path) -> None:
    spec = experiment().pretrain_spec()
    folder = tmp_path / "pretrain" / "x-0a1b2c3d"
    plan = [("pretrain", "result.json")]
    assert state_of(folder, plan, done=False) is State.TODO
    with Run(folder, spec, {}, plan):
        assert state_of(folder, plan, done=False) is State.RUNNING
    assert state_of(folder, plan, done=False) is State.TODO
    with pytest.raises(ValueError, match="out of luck"), Run(folder, spec, {}, plan):
        raise ValueError("out of luck\nand more")
    assert state_of(folder, plan, done=False) is State.FAILED
    assert failure(folder) == "out of luck"
    with Run(folder, spec, {}, plan) as run:
        run.ledger.note(json.dumps({"event": "work"}))
    # Work on it clears an old failure.
    assert state_of(folder, plan, done=False) is State.TODO
    assert state_of(folder, plan, done=True) is State.DONE


def test_damage_counts_as_failed_and_stops_no_plan(tmp_path: Path) -> None:
    runs = golden(tmp_path)
    pretrained = runs / "pretrain" / "old-c098b9bf"
    steps = [("pretrain", "result.json")]
    assert finished(pretrained, PretrainResult) is not None
    (pretrained / "model.safetensors").write_bytes(b"cut")
    assert finished(pretrained, PretrainResult) is None
    assert state_of(pretrained, steps, done=False) is State.FAILED
    pruned = runs / "prune" / "old-72afc1e9"
    journal = (pruned / "journal").read_bytes()
    (pruned / "journal").write_bytes(journal.replace(b"commit", b"kommit", 1))
    assert finished(pruned, PruneRound, ("round-00", "round-00/result.json")) is None
    assert state_of(pruned, [("round-00", "round-00/result.json")], done=False) is State.FAILED
    assert "damaged" in str(failure(pruned))


def test_a_result_that_no_journal_knows_is_not_done(tmp_path: Path) -> None:
    folder = golden(tmp_path) / "transfer" / "old-0e8e1866"
    step = ("transfer", "result.json")
    assert finished(folder, TransferResult) is not None
    drop_lines(folder, 1)
    assert finished(folder, TransferResult) is None
    assert state_of(folder, [step], done=False) is State.TODO
