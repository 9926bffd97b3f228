"""Outcomes image by image of transfers and evaluations below a runs folder, for the verdict."""

from __future__ import annotations

from pathlib import Path

from dwlt import _core
from dwlt.errors import DwltError, LedgerError
from dwlt.results import EvaluateResult, Notice, TransferResult, notice
from dwlt.results.outcomes import Outcomes, OutcomeTable, read_outcomes
from dwlt.runs import layout


class OutcomeFiles:
    """Finds the outcomes of a test; each file is read once.

    A decision that cost trainings must not change with a file that was damaged since: it is
    refused here. ``NotedOutcomes`` goes on without it.

    Args:
        runs: the folder that holds all runs.
    """

    def __init__(self, runs: Path | str) -> None:
        self.runs = Path(runs)
        self.tables: dict[str, OutcomeTable | None] = {}

    def __call__(self, cell: TransferResult, kind: str, strict: bool = False) -> Outcomes | None:
        """Which test images the network got right; None where that is not on file.

        Args:
            kind: "sa" of the best-SA checkpoint, or "ra" of the best-RA checkpoint.
            strict: both of the best-RA checkpoint.

        Raises:
            LedgerError: the file is missing, or not the one that the result was written with.
            FormatError: it is damaged.
        """
        table = self.table(cell)
        return None if table is None else table.of(f"best_{'ra' if strict else kind}.{kind}")

    def robust(self, evaluation: EvaluateResult) -> Outcomes | None:
        """Which test images held against an evaluation's attack; as when called."""
        table = self.table(evaluation)
        return None if table is None else table.of("ra")

    def table(self, result: TransferResult | EvaluateResult) -> OutcomeTable | None:
        """All outcomes of a result; None in older results, which have none."""
        if result.outcomes is None:
            return None
        if result.folder not in self.tables:
            self.tables[result.folder] = self.read(result)
        return self.tables[result.folder]

    def read(self, result: TransferResult | EvaluateResult) -> OutcomeTable | None:
        """The file of a result; raises as when called."""
        path = self.path(result)
        if _core.digest_file(str(path)) != result.outcomes:
            raise LedgerError(
                f"{path} is not the file that its result was written with",
                hint=f"put it back, or remove {path.parent} to compute the run again",
            )
        return read_outcomes(path)

    def path(self, result: TransferResult | EvaluateResult) -> Path:
        """Where the outcomes of a result lie."""
        return self.runs / result.folder / layout.OUTCOMES


class NotedOutcomes(OutcomeFiles):
    """A file that is missing, damaged or not the one that its result names is noted and left out.

    The network is then known by its counts, as cells are that were made before there were files.
    """

    def __init__(self, runs: Path | str) -> None:
        super().__init__(runs)
        self._notices: list[Notice] = []

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was left out so far, in a fixed order."""
        return tuple(sorted(self._notices))

    def read(self, result: TransferResult | EvaluateResult) -> OutcomeTable | None:
        """The file of a result; None where it is left out."""
        path = self.path(result)
        where = path.relative_to(self.runs).as_posix()
        if not path.is_file():
            self._notices.append(notice(where, "outcomes-missing"))
            return None
        try:
            return super().read(result)
        except LedgerError:
            self._notices.append(notice(where, "outcomes-changed", digest=str(result.outcomes)))
        except (DwltError, OSError) as error:
            self._notices.append(notice(where, "unreadable", error=f"{error}: counts are used"))
        return None
