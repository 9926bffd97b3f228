"""Cells of a plan that are done, as a verdict takes them."""

from __future__ import annotations

from collections.abc import Iterable

from dwlt.errors import LedgerError
from dwlt.results import EvaluateResult, TransferResult
from dwlt.results.outcomes import OutcomeTable
from dwlt.runs.outcomes import OutcomeFiles
from dwlt.runs.plan import Cell
from dwlt.verdict.contenders import contenders_of
from dwlt.verdict.outcomes import Contender


class Measurements(OutcomeFiles):
    """Results of cells with their outcomes image by image."""

    def result(self, cell: Cell) -> TransferResult:
        """The result of a cell that is done.

        Raises:
            LedgerError: it is not.
        """
        result = cell.result()
        if result is None:
            raise LedgerError(f"{cell.label} is not done", hint="run the same command again")
        return result

    def replace_robust(self, cell: TransferResult, evaluation: EvaluateResult) -> None:
        """Take outcomes under the attack from an evaluation of the cell's best-RA checkpoint.

        Raises:
            LedgerError: the evaluation's file is not the one that its result was written with.
        """
        table, robust = self.table(cell), self.robust(evaluation)
        if table is None or evaluation.outcomes is None:
            return
        bits = {name: one for name, one in table.bits.items() if not name.endswith(".ra")}
        # Of other images than the transfer's, a row of bits has no place in its table.
        if robust is not None and robust.images == table.images:
            bits["best_ra.ra"] = robust.bits
        self.tables[cell.folder] = OutcomeTable(table.ids, table.images, bits)

    def contenders(self, cells: Iterable[TransferResult], *, strict: bool) -> dict[int, Contender]:
        """The networks of some cells by round, with the seeds that are among them."""
        return contenders_of(cells, strict=strict, outcomes=self)
