"""Replicates of a grid, and the variance components of what is done of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dwlt.grid import replicates
from dwlt.runs.plan import Cell
from dwlt.spec import load_experiment
from dwlt.verdict.outcomes import Contender, Measured
from tests.verdict.make import STANDARD_SA


class Fakes:
    """Cells that are done without a run: SA is 50 of 100, 10 less in each further replicate."""

    def __init__(self, runs: Path) -> None: ...

    def result(self, cell: Cell) -> Cell:
        return cell

    def contenders(self, cells: list[Cell], *, strict: bool) -> dict[int, Contender]:
        found: dict[int, dict[int, int]] = {}
        for cell in cells:
            replicate, seed = divmod(cell.spec.seed, 1000)
            found.setdefault(cell.spec.round, {})[cell.spec.seed] = 50 - 10 * replicate + seed
        return {
            round_: Contender(round_, 1, 1, {STANDARD_SA: Measured.of_counts(counts, 100)})
            for round_, counts in found.items()
        }


def test_replicates_of_one_combination_are_put_together(
    hunt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ["grid.replicates=3", "grid.fractions=[1.0, 0.5]", "transfer.seeds=2"]
    experiment = load_experiment(str(hunt), changes)
    assert replicates.variance(experiment, tmp_path) == (), "nothing is done yet"
    monkeypatch.setattr(replicates, "Measurements", Fakes)
    done: dict[str, Any] = {}
    monkeypatch.setattr(Cell, "result", lambda self: done)
    found = replicates.variance(experiment, tmp_path)
    assert [label for label, _ in found] == [
        "standard, imp/standard, digits:5-9",
        "standard, imp/standard, digits:5-9 50%",
    ]
    for _, (one,) in found:
        assert (one.replicates, one.networks, one.seeds) == (3, 3, 2)
        # Seeds lie a half from their mean: variance 1/2; replicates ten points from one another.
        assert one.seed == pytest.approx(0.5)
        assert one.ticket == 0
        assert one.replicate == pytest.approx(100)


def test_labels_leave_the_replicate_out(hunt: Path) -> None:
    from dwlt.spec import variants

    second = variants(load_experiment(str(hunt), ["grid.replicates=2"]))[2]
    assert second.combination.endswith("replicate 2")
    assert not replace(second, replicate=0).combination.endswith("replicate 2")
