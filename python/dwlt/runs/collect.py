"""Walk a runs folder and read every result file in it.

A damaged or foreign file never stops a report: it becomes a warning with its name. A folder
without its result file is an unfinished run, and is counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from dwlt.errors import FormatError, LedgerError, UserError
from dwlt.results import (
    EvaluateResult,
    FrontierResult,
    Notice,
    PretrainResult,
    PruneRound,
    ReportData,
    RunResult,
    TransferResult,
    Unfinished,
    notice,
    parse,
)
from dwlt.runs import layout
from dwlt.runs.folder import asked_rounds

_Result = TypeVar("_Result", bound=RunResult)


class _Walk:
    """Collects warnings and unfinished runs while the results are read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.warnings: list[Notice] = []
        self.unfinished: list[Unfinished] = []

    def folders(self, stage: str) -> list[Path]:
        """The run folders of a stage by name; any other folder beside them is a warning."""
        known = layout.run_folders(self.root, stage)
        named = set(known)
        for path in sorted((self.root / stage).glob("*")):
            if path.is_dir() and path not in named and not path.name.startswith("."):
                self.warnings.append(notice(self.place(path), "foreign"))
        return known

    def place(self, path: Path) -> str:
        """A path as notices name it."""
        return path.relative_to(self.root).as_posix()

    def unreadable(self, path: Path, error: str) -> None:
        self.warnings.append(notice(self.place(path), "unreadable", error=error))

    def read(self, path: Path, folder: Path, model: type[_Result]) -> _Result | None:
        """Read one result file, or warn and return None."""
        try:
            return parse(path.read_bytes(), model, self.place(folder))
        except OSError as error:
            self.unreadable(path, f"cannot be read: {error.strerror or error}")
        except FormatError as error:
            self.unreadable(path, str(error))
        return None

    def simple(self, model: type[_Result]) -> list[_Result]:
        """The results of a stage that writes one result per run folder."""
        results, stage = [], model.STAGE
        for folder in self.folders(stage):
            path = folder / layout.RESULT
            if not path.is_file():
                self.leave(stage, folder, "no result yet")
            elif (result := self.read(path, folder, model)) is not None:
                results.append(result)
        return results

    def leave(self, stage: str, folder: Path, detail: str) -> None:
        self.unfinished.append(Unfinished(stage, self.place(folder), detail))

    def prune(self) -> list[PruneRound]:
        """The rounds of all prune runs."""
        results: list[PruneRound] = []
        for folder in self.folders("prune"):
            files = sorted(folder.glob(f"round-*/{layout.RESULT}"))
            found = [self.read(path, folder, PruneRound) for path in files]
            rounds = [result for result in found if result is not None]
            results += rounds
            wanted = self.asked(folder) or (rounds[-1].run.spec.get("rounds") if rounds else None)
            if not files:
                self.leave("prune", folder, "no round yet")
            elif isinstance(wanted, int) and len(files) <= wanted:
                self.leave("prune", folder, f"{len(files) - 1} of {wanted} rounds")
        return results

    def asked(self, folder: Path) -> int | None:
        """How many rounds a prune run was last asked for, as its journal says, where it can."""
        try:
            return asked_rounds(folder)
        except LedgerError as error:
            self.unreadable(folder / layout.JOURNAL, str(error))
            return None


def collect(runs_dir: Path | str) -> ReportData:
    """Read all result files below a runs folder.

    Args:
        runs_dir: the folder that holds ``pretrain/``, ``prune/``, ``transfer/``, ``evaluate/``
            and ``frontier/``; any of them may be absent.

    Returns:
        What could be read, in a fixed order, with a warning for each file that could not.

    Raises:
        UserError: ``runs_dir`` is not a folder.
    """
    root = Path(runs_dir)
    if not root.is_dir():
        raise UserError(
            f"{root} is not a folder of runs",
            hint="name the folder with --runs DIR, or start with `dwlt prune --rounds 20`",
        )
    walk = _Walk(root)
    pretrain = walk.simple(PretrainResult)
    prune = walk.prune()
    transfer = walk.simple(TransferResult)
    evaluate = walk.simple(EvaluateResult)
    frontier = walk.simple(FrontierResult)
    return ReportData(
        pretrain=tuple(pretrain),
        prune=tuple(prune),
        transfer=tuple(transfer),
        evaluate=tuple(evaluate),
        frontier=tuple(frontier),
        unfinished=tuple(walk.unfinished),
        warnings=tuple(sorted(walk.warnings)),
    )
