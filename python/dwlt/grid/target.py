"""What a search for the frontier is about: the tickets of one search on one task and fraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dwlt.errors import SpecError
from dwlt.results import Spent
from dwlt.runs.plan import Cell, Plan, Pretraining, Search
from dwlt.spec import Experiment, FrontierSpec, TransferRegime, Variant, spread, variants


@dataclass(frozen=True)
class Target:
    """One combination of a grid, under both transfer regimes.

    Attributes:
        search: that finds the tickets.
        variants: by transfer regime.
        rounds: those that could be transferred, ascending, without the dense network.
    """

    search: Search
    variants: Mapping[TransferRegime, Variant]
    rounds: tuple[int, ...]

    @property
    def experiment(self) -> Experiment:
        """Without a grid; the same under both regimes."""
        return self.variants["standard"].experiment

    @property
    def label(self) -> str:
        """What tells it from the other combinations."""
        return self.variants["standard"].combination

    def cell(self, round_: int, regime: TransferRegime, seed: int) -> Cell:
        """One of its transfers."""
        spec = self.experiment.transfer_spec(regime, round_, seed)
        return Cell(self.search, spec, self.variants[regime])

    def plan(self, cells: tuple[Cell, ...]) -> Plan:
        """These cells, with no more of the earlier stages than they need."""
        last = max((1, *(cell.spec.round for cell in cells)))
        base = () if self.search.of is None else ((self.search.of, last),)
        return Plan((self.search.pretraining,), (*base, (self.search, last)), cells)

    def every(self) -> tuple[Cell, ...]:
        """The cells of its full grid, as the config has it."""
        one = self.experiment
        return tuple(
            self.cell(round_, regime, seed)
            for regime in self.variants
            for round_ in (0, *self.rounds)
            for seed in range(one.seed, one.seed + one.transfer.seeds)
        )

    def spec(self) -> FrontierSpec:
        """What names its search for the frontier. The pre-trained weights must be there."""
        one = self.experiment
        source = self.search.pretraining.source()
        assert source is not None
        return FrontierSpec(
            name=one.name,
            data=one.downstream,
            model=source.model if self.search.pretraining.given is not None else one.model,
            score=one.scoring(),
            seed=one.seed,
            standard=one.transfer_spec("standard", 0, one.seed).train,
            adversarial=one.transfer_spec("adversarial", 0, one.seed).train,
            rounds=self.rounds,
            verdict=one.verdict,
        )

    def cost(self, cells: tuple[Cell, ...]) -> Spent:
        """Epochs of training that some cells stand for, with what comes before them."""
        deepest = max((cell.spec.round for cell in cells), default=0)
        return self._spent(deepest, sum(cell.spec.train.epochs for cell in cells))

    def full_cost(self) -> Spent:
        """Epochs of every round of the search under both regimes, with the config's seeds."""
        one = self.experiment
        rounds = one.prune.rounds
        transfers = sum(
            one.transfer_spec(regime, 0, one.seed).train.epochs for regime in self.variants
        )
        return self._spent(rounds, transfers * (rounds + 1) * one.transfer.seeds)

    def _spent(self, rounds: int, transfer: int) -> Spent:
        pretraining = self.search.pretraining
        pretrain = 0 if pretraining.given is not None else pretraining.spec.train.epochs
        made = self.search.of or self.search  # a control's masks are those of another search
        train = made.spec.train
        trainings = min(rounds, 1) if made.spec.method == "oneshot" else rounds
        return Spent(pretrain, 0 if train is None else train.epochs * trainings, transfer)


def targets(experiment: Experiment, runs: Path) -> tuple[Target, ...]:
    """Every combination of an experiment that has tickets of its own; controls are none.

    Raises:
        SpecError: a regime is left out, or a declared round lies beyond the search.
    """
    found: dict[str, dict[TransferRegime, Variant]] = {}
    for variant in variants(experiment):
        if variant.dense:
            key = f"{variant.replicate} {variant.experiment.model_dump_json()}"
            found.setdefault(key, {})[variant.regime] = variant
    pretrainings: dict[str, Pretraining] = {}
    return tuple(_target(regimes, runs, pretrainings) for regimes in found.values())


def _target(
    regimes: dict[TransferRegime, Variant], runs: Path, pretrainings: dict[str, Pretraining]
) -> Target:
    if len(regimes) < 2:
        raise SpecError(
            f"the grid transfers under regime {next(iter(regimes))} alone; a double win is judged "
            "after both",
            hint='leave out grid.regimes, or name both: ["standard", "adversarial"]',
        )
    experiment = regimes["standard"].experiment
    pretraining = Pretraining.of(experiment, runs)
    pretraining = pretrainings.setdefault(pretraining.key, pretraining)
    search = Search.of_experiment(experiment, pretraining)
    return Target(search, regimes, _rounds(experiment))


def _rounds(experiment: Experiment) -> tuple[int, ...]:
    """The rounds that could be transferred, as the settings alone say.

    How far a search on disk happens to go is not looked at, so that the answer does not depend on
    what else was run.
    """
    last, wanted = experiment.prune.rounds, experiment.transfer.rounds
    if isinstance(wanted, str):
        wanted = spread(last) if wanted == "spread" else tuple(range(last + 1))
    rounds = tuple(sorted({*wanted} - {0}))
    for name, asked in (("transfer.rounds", rounds), ("verdict.rounds", experiment.verdict.rounds)):
        if asked and asked[-1] > last:
            raise SpecError(
                f"{name} names round {asked[-1]}, but the search has {last} rounds",
                hint=f"set prune.rounds to at least {asked[-1]}, or name lower rounds",
            )
    if not rounds:
        raise SpecError(
            "transfer.rounds names the dense network alone, so there is no ticket to look for",
            hint='set transfer.rounds to "all", "spread", or a list of rounds',
        )
    return rounds
