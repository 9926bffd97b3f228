"""What ``dwlt evaluate`` shows of a result, and the curve it draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dwlt.cli.cells import accuracy, score_row
from dwlt.cli.show import Show

if TYPE_CHECKING:
    from dwlt.results import EvaluateResult
    from dwlt.results.evaluate import Corruptions

CURVE = "eps-sweep"


def figures(folder: Path, result: EvaluateResult) -> list[Path]:
    """Draw the curve of RA over eps beside the result, where there is one and it is not drawn."""
    if not result.sweep:
        return []
    from dwlt.outputs import write_file
    from dwlt.report.figures import sweep_figure

    paths = {kind: folder / f"{CURVE}.{kind}" for kind in ("png", "svg")}
    if not all(path.exists() for path in paths.values()):
        points = [
            (point.eps, point.ra.value, point.ra.low, point.ra.high) for point in result.sweep
        ]
        drawn = sweep_figure(points, str(result.test.attack))
        for kind, path in paths.items():
            write_file(path, drawn[kind])
    return list(paths.values())


def show_result(show: Show, folder: Path, result: EvaluateResult, drawn: list[Path]) -> None:
    """Tables on stdout, and where the rest is."""
    show.table(
        "",
        ["model", "task", "SA", "RA", "n", "attack"],
        [[result.model, result.task.name, *score_row(result.test)]],
        left=2,
    )
    attacks = result.attacks
    if len(attacks) > 1:
        show.table(
            "RA after each attack: samples that one fooled are not shown to the next",
            ["attack", "tried", "fooled", "RA"],
            [[one.name, str(one.tried), str(one.fooled), accuracy(one.after)] for one in attacks],
        )
    if result.sweep:
        show.table(
            "RA as eps grows (any point of the search; eps 0 is SA)",
            ["eps", "RA"],
            [[point.eps, accuracy(point.ra)] for point in result.sweep],
        )
    if result.corrupted is not None:
        _corruptions(show, result.corrupted)
    for note in result.task.notes:
        show.say(note)
    show.say(f"per-sample outcomes: {folder / 'result.json'}")
    for path in drawn:
        show.say(f"curve: {path}")


def _corruptions(show: Show, found: Corruptions) -> None:
    rows: dict[str, list[str]] = {}
    for row in found.rows:
        rows.setdefault(row.name, []).append(f"{100 * row.sa.value:.1f}")
    title = f"SA in percent by severity, {found.source} corruptions; mean {found.mean:.1%}"
    head = ["corruption", *(str(severity) for severity in range(1, 6))]
    show.table(title, head, [[name, *values] for name, values in rows.items()])
