"""What a search for the frontier has asked for, as its answers on disk say; computes nothing.

What to ask next is a function of the results of the transfers that were asked for before, and of
nothing else, so the whole path can be found again from the results. Never imports torch: `dwlt
runs matrix` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dwlt.errors import LedgerError
from dwlt.grid.measured import Measurements
from dwlt.grid.target import Target
from dwlt.results import TransferResult
from dwlt.runs.plan import Cell
from dwlt.verdict.frontier import Found, SearchPlan, Step, advance


@dataclass
class Asked:
    """A search's questions and answers so far.

    Attributes:
        steps: each question with its cells, in order.
        results: the answers.
    """

    target: Target
    steps: list[tuple[Step, tuple[Cell, ...]]] = field(default_factory=list)
    results: list[TransferResult] = field(default_factory=list)
    measured: Measurements = field(init=False)

    def __post_init__(self) -> None:
        self.measured = Measurements(self.target.search.pretraining.runs)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell that was asked for, in order."""
        return tuple(cell for _, cells in self.steps for cell in cells)

    def plan(self) -> SearchPlan:
        """What the search may ask for, and by what rules."""
        one = self.target.experiment
        # How many classes there are matters to comparisons alone, and before there is a result
        # there is nothing to compare.
        classes = len(self.results[0].task.classes) if self.results else 2
        return SearchPlan.of(one.verdict, self.target.rounds, classes, one.seed)

    def ask(self) -> Step | Found:
        """What comes next, or the end."""
        strict = self.target.experiment.verdict.strict
        networks = self.measured.contenders(self.results, strict=strict)
        return advance(self.plan(), networks.get(0), networks)

    def cells_of(self, step: Step) -> tuple[Cell, ...]:
        """Note a question; returns its cells.

        Raises:
            LedgerError: it was asked before, and its answer could not be used.
        """
        have = {(one.round, one.regime, one.seed) for one in self.results}
        again = [seed for seed in step.seeds if (step.round, step.regime, seed) in have]
        if again:
            raise LedgerError(
                f"round {step.round}, {step.regime} transfer, seed {again[0]} is done but holds "
                "no number that could be compared",
                hint="see `dwlt runs show`; score with an attack, or remove that run to redo it",
            )
        cells = tuple(self.target.cell(step.round, step.regime, seed) for seed in step.seeds)
        self.steps.append((step, cells))
        return cells

    def take(self, cells: tuple[Cell, ...]) -> None:
        """Read the answers of a question whose cells are done."""
        self.results += [self.measured.result(cell) for cell in cells]


def asked_so_far(target: Target) -> tuple[Asked, bool]:
    """The questions of a search up to the first that is still open, and whether none is.

    Raises:
        As ``Asked.cells_of``, and ``Measurements`` for what is damaged.
    """
    asked = Asked(target)
    while True:
        answer = asked.ask()
        if isinstance(answer, Found):
            return asked, True
        cells = asked.cells_of(answer)
        if any(cell.result() is None for cell in cells):
            return asked, False
        asked.take(cells)
