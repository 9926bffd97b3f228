"""Variance components of a grid's replicates, from the transfers that are done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dwlt.grid.measured import Measurements
from dwlt.grid.target import targets
from dwlt.spec import Experiment
from dwlt.verdict.outcomes import Contender
from dwlt.verdict.variance import Components, of_combinations


def variance(experiment: Experiment, runs: Path) -> tuple[tuple[str, tuple[Components, ...]], ...]:
    """Of each combination of a grid, what its luck is made of.

    Returns:
        Label and components; nothing where there are fewer than three replicates, or where too
        few of their transfers are done.
    """
    return of_combinations(_replicates(experiment, runs))


def _replicates(experiment: Experiment, runs: Path) -> Iterator[tuple[str, dict[int, Contender]]]:
    measured = Measurements(runs)
    for target in targets(experiment, runs):
        done = [measured.result(cell) for cell in target.every() if cell.result() is not None]
        networks = measured.contenders(done, strict=target.experiment.verdict.strict)
        yield replace(target.variants["standard"], replicate=0).combination, networks
