"""Transfer cells: one ticket, one transfer regime, one fraction, one seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dwlt.errors import SpecError
from dwlt.results import PruneRound, TransferResult
from dwlt.runs import layout, store
from dwlt.runs.done import finished
from dwlt.runs.plan.searches import Search, SourceWeights
from dwlt.spec import TransferSpec, Variant, spread


@dataclass
class _Read:
    """What a cell has read so far; neither file ever changes once it is there."""

    ticket: PruneRound | None = None
    result: TransferResult | None = None


@dataclass(frozen=True)
class Cell:
    """One transfer of one ticket.

    Attributes:
        search: that found the ticket; for the dense network, the one it is shown with.
        spec: of the transfer; ``spec.round`` says which ticket.
        variant: the combination of the grid that it belongs to.
    """

    search: Search
    spec: TransferSpec
    variant: Variant
    _read: _Read = field(default_factory=_Read, compare=False, repr=False)

    @property
    def label(self) -> str:
        """Its name in progress messages."""
        return f"round {self.spec.round} seed {self.spec.seed}"

    def ticket(self) -> PruneRound | None:
        """The result of the round that found the ticket, or None while it is not there."""
        if self._read.ticket is None:
            self._read.ticket = self.search.round(self.spec.round)
        return self._read.ticket

    def folder(self) -> Path | None:
        """Where it lives or would live; None while its ticket is still to be found."""
        ticket = self.ticket()
        if ticket is None:
            return None
        run_id = store.run_id("transfer", self.resolved_spec(), self.starts(ticket))
        runs = self.search.pretraining.runs
        return layout.run_folder(runs, "transfer", self.spec.name, run_id)

    @staticmethod
    def starts(ticket: PruneRound) -> dict[str, str]:
        """Digests of what a transfer of this ticket starts from."""
        return {"weights": ticket.weights, "mask": ticket.mask}

    def resolved_spec(self) -> TransferSpec:
        """The spec with the network that given weights turned out to be, whatever the config says.

        The cell's ticket must be there.
        """
        if self.search.pretraining.given is None:
            return self.spec
        return self.spec.model_copy(update={"model": self.source().model})

    def result(self) -> TransferResult | None:
        """Its result, or None while it is not done. Once read it is kept: it never changes."""
        if self._read.result is None and (folder := self.folder()) is not None:
            self._read.result = finished(folder, TransferResult)
        return self._read.result

    def source(self) -> SourceWeights:
        """The pre-trained weights. The cell's ticket must be there."""
        source = self.search.pretraining.source()
        assert source is not None
        return source


def rounds_of(variant: Variant, search: Search) -> tuple[int, ...]:
    """Which rounds of a search are transferred, ascending.

    Raises:
        SpecError: one of them is beyond the search's last round.
    """
    wanted = variant.rounds or variant.experiment.transfer.rounds
    # What `dwlt prune` was asked for says how far "all" goes; else the config does.
    last = search.last()
    limit = max(last, search.spec.rounds)
    if not isinstance(wanted, str) and max(wanted, default=0) > limit:
        raise SpecError(
            f"round {max(wanted)} is beyond the search's {limit} rounds",
            hint=f"run `dwlt prune --rounds {max(wanted)}` first, or choose lower rounds",
        )
    if isinstance(wanted, str):
        rounds = spread(last) if wanted == "spread" else tuple(range(last + 1))
    else:
        rounds = tuple(sorted({0, *wanted}))
    return rounds if variant.dense else tuple(r for r in rounds if r > 0)


def once(cells: Iterable[Cell]) -> Iterable[Cell]:
    """Each cell once: dense ones are shared by searches from the same weights."""
    seen: set[object] = set()
    for cell in cells:
        dense = cell.spec.round == 0
        search = cell.search.pretraining.key if dense else cell.search.key
        key = (search, cell.spec.model_dump_json())
        if key not in seen:
            seen.add(key)
            yield cell
