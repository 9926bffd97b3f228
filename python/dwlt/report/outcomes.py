"""Outcomes image by image of the transfers below a runs folder, for the verdict."""

from __future__ import annotations

from pathlib import Path

from dwlt import _core
from dwlt.errors import DwltError
from dwlt.results import Notice, TransferResult, notice
from dwlt.results.outcomes import Outcomes, OutcomeTable, read_outcomes
from dwlt.runs import layout


class OutcomeFiles:
    """Finds the outcomes of a transfer's test; each file is read once.

    A file that is missing, damaged or not the one that its result names is noted and left out, and
    the cell is known by its counts, as cells are that were made before there were such files.

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
        if cell.outcomes is None:
            return None
        if cell.folder not in self._tables:
            self._tables[cell.folder] = self._read(cell)
        table = self._tables[cell.folder]
        checkpoint = "ra" if strict else kind
        return None if table is None else table.of(f"best_{checkpoint}.{kind}")

    def _read(self, cell: TransferResult) -> OutcomeTable | None:
        path = self._root / cell.folder / layout.OUTCOMES
        where = path.relative_to(self._root).as_posix()
        if not path.is_file():
            self._notices.append(notice(where, "outcomes-missing"))
            return None
        try:
            if _core.digest_file(str(path)) != cell.outcomes:
                self._notices.append(notice(where, "outcomes-changed", digest=str(cell.outcomes)))
                return None
            return read_outcomes(path)
        except (DwltError, OSError) as error:
            self._notices.append(notice(where, "unreadable", error=f"{error}: counts are used"))
            return None
