"""Cells of a plan that are done, as a verdict takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dwlt import _core
from dwlt.errors import LedgerError
from dwlt.results import EvaluateResult, TransferResult
from dwlt.results.outcomes import Outcomes, OutcomeTable, read_outcomes
from dwlt.runs import layout
from dwlt.runs.plan import Cell
from dwlt.verdict.contenders import contenders_of
from dwlt.verdict.outcomes import Contender, Kind


@dataclass
class Measurements:
    """Results of cells with their outcomes image by image. Each file is read once.

    A decision that cost trainings must not change with a file that was damaged since: where the
    report would fall back on counts, this refuses.

    Attributes:
        runs: the folder that holds all runs.
    """

    runs: Path
    _tables: dict[str, OutcomeTable] = field(default_factory=dict)

    def result(self, cell: Cell) -> TransferResult:
        """The result of a cell that is done.

        Raises:
            LedgerError: it is not.
        """
        result = cell.result()
        if result is None:
            raise LedgerError(f"{cell.label} is not done", hint="run the same command again")
        return result

    def outcomes(self, cell: TransferResult, kind: Kind, strict: bool) -> Outcomes | None:
        """Of a cell, "sa" or "ra", of one checkpoint for both or not; None in older results.

        Raises:
            LedgerError: the file is not the one that the result was written with.
        """
        if cell.outcomes is None:
            return None
        if cell.folder not in self._tables:
            self._tables[cell.folder] = self._read(cell.folder, cell.outcomes)
        return self._tables[cell.folder].of(f"best_{'ra' if strict else kind}.{kind}")

    def _read(self, folder: str, digest: str) -> OutcomeTable:
        path = self.runs / folder / layout.OUTCOMES
        if _core.digest_file(str(path)) != digest:
            raise LedgerError(
                f"{path} is not the file that its result was written with",
                hint=f"put it back, or remove {path.parent} to compute the run again",
            )
        return read_outcomes(path)

    def replace_robust(self, cell: TransferResult, evaluation: EvaluateResult) -> None:
        """Take outcomes under the attack from an evaluation of the cell's best-RA checkpoint.

        Raises:
            LedgerError: the evaluation's file is not the one that its result was written with.
        """
        self.outcomes(cell, "ra", True)
        table = self._tables.get(cell.folder)
        if table is None or evaluation.outcomes is None:
            return
        robust = self._read(evaluation.folder, evaluation.outcomes).of("ra")
        bits = {name: one for name, one in table.bits.items() if not name.endswith(".ra")}
        # Of other images than the transfer's, a row of bits has no place in its table.
        if robust is not None and robust.images == table.images:
            bits["best_ra.ra"] = robust.bits
        self._tables[cell.folder] = OutcomeTable(table.ids, table.images, bits)

    def contenders(self, cells: Iterable[TransferResult], *, strict: bool) -> dict[int, Contender]:
        """The networks of some cells by round, with the seeds that are among them."""
        return contenders_of(cells, strict=strict, outcomes=self.outcomes)
