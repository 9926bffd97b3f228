"""A whole experiment, grid and all: its pre-trainings, searches and cells, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dwlt.runs.plan.cells import Cell, rounds_of
from dwlt.runs.plan.searches import Pretraining, Search
from dwlt.spec import Experiment, TransferRegime, Variant, variants


@dataclass(frozen=True)
class Plan:
    """Everything that an experiment consists of, each part once.

    Attributes:
        pretrainings: trained or given ones, in the order of variants.
        searches: each with the number of rounds that are needed of it.
        cells: in the order of variants, rounds and seeds.
    """

    pretrainings: tuple[Pretraining, ...]
    searches: tuple[tuple[Search, int], ...]
    cells: tuple[Cell, ...]

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        runs: Path,
        regimes: Sequence[TransferRegime] | None = None,
        *,
        full_searches: bool = True,
        cells: bool = True,
        tickets: bool = True,
    ) -> Plan:
        """Everything that an experiment consists of.

        Args:
            regimes: transfer regimes to take; None: all of the grid.
            full_searches: whether searches go as far as the config says, and not only as far as the
                cells need them.
            cells: False leaves them out, and does not ask whether the searches reach them.
            tickets: False takes controls alone.

        Raises:
            SpecError: a round is asked for that no search reaches.
        """
        collected = _Collected(runs, full_searches=full_searches, cells=cells)
        for variant in variants(experiment):
            wanted = tickets or not variant.dense
            if wanted and (regimes is None or variant.regime in regimes):
                collected.add(variant)
        return cls(
            tuple(collected.pretrainings.values()),
            tuple((search, collected.needed[key]) for key, search in collected.searches.items()),
            tuple(collected.cells),
        )


class _Collected:
    def __init__(self, runs: Path, *, full_searches: bool, cells: bool) -> None:
        self.runs = runs
        self.full_searches = full_searches
        self.with_cells = cells
        self.pretrainings: dict[str, Pretraining] = {}
        self.searches: dict[object, Search] = {}
        self.needed: dict[object, int] = {}
        self.cells: list[Cell] = []

    def add(self, variant: Variant) -> None:
        experiment = variant.experiment
        pretraining = Pretraining.of(experiment, self.runs)
        pretraining = self.pretrainings.setdefault(pretraining.key, pretraining)
        search = Search.of_experiment(experiment, pretraining)
        rounds = rounds_of(variant, search) if self.with_cells else variant.rounds or ()
        # A control follows its transferred rounds; a search, the config.
        last = max((1, *rounds))
        if not rounds or (self.full_searches and variant.dense):
            last = max((search.spec.rounds, *rounds))
        if search.of is not None:
            base = self._take(search.of, last)
            search = Search(pretraining, search.spec, base)
        search = self._take(search, last)
        seeds = range(experiment.seed, experiment.seed + experiment.transfer.seeds)
        self.cells += [
            Cell(search, experiment.transfer_spec(variant.regime, round_, seed), variant)
            for round_ in rounds
            for seed in seeds
        ]

    def _take(self, search: Search, rounds: int) -> Search:
        self.needed[search.key] = max(rounds, self.needed.get(search.key, 0))
        return self.searches.setdefault(search.key, search)
