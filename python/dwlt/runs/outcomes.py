"""Outcomes image by image of transfers and evaluations below a runs folder, for the verdict."""

from __future__ import annotations

from pathlib import Path

from dwlt import _core
from dwlt.errors import DwltError
from dwlt.results import EvaluateResult, Notice, TransferResult, notice
from dwlt.results.outcomes import Outcomes, OutcomeTable, read_outcomes
from dwlt.runs import layout


class OutcomeFiles:
    """Finds the outcomes of a test; each file is read once.

    A file that is missing, damaged or not the one that its result names is noted and left out, and
    the network is known by its counts, as cells are that were made before there were such files.

    Args:
        runs_dir: the folder that the results were read from.
    """

    def __init__(self, runs_dir: Path | str) -> None:
        self._root = Path(runs_dir)
        self._tables: dict[str, OutcomeTable | None] = {}
        self._notices: list[Notice] = []

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was left out so far, in a fixed order."""
        return tuple(sorted(self._notices))

    def __call__(self, cell: TransferResult, kind: str, strict: bool = False) -> Outcomes | None:
        """Which test images the network got right; None where that is not on file.

        Args:
            kind: "sa" of the best-SA checkpoint, or "ra" of the best-RA checkpoint.
            strict: both of the best-RA checkpoint.
        """
        table = self._table(cell)
        checkpoint = "ra" if strict else kind
        return None if table is None else table.of(f"best_{checkpoint}.{kind}")

    def robust(self, evaluation: EvaluateResult) -> Outcomes | None:
        """Which test images held against an evaluation's attack; None where that is not on file."""
        table = self._table(evaluation)
        return None if table is None else table.of("ra")

    def _table(self, result: TransferResult | EvaluateResult) -> OutcomeTable | None:
        if result.outcomes is None:
            return None
        if result.folder not in self._tables:
            self._tables[result.folder] = self._read(result)
        return self._tables[result.folder]

    def _read(self, result: TransferResult | EvaluateResult) -> OutcomeTable | None:
        path = self._root / result.folder / layout.OUTCOMES
        where = path.relative_to(self._root).as_posix()
        if not path.is_file():
            self._notices.append(notice(where, "outcomes-missing"))
            return None
        try:
            if _core.digest_file(str(path)) != result.outcomes:
                self._notices.append(notice(where, "outcomes-changed", digest=str(result.outcomes)))
                return None
            return read_outcomes(path)
        except (DwltError, OSError) as error:
            self._notices.append(notice(where, "unreadable", error=f"{error}: counts are used"))
            return None
