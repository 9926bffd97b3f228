"""Transfers with their RA replaced by that of a stronger attack on the same checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from dwlt.results import EvaluateResult, Score, TransferResult
from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.contenders import Lookup, contenders_of
from dwlt.verdict.judge import Judged, judge


def with_verified(
    cells: Iterable[TransferResult], evaluations: Mapping[str, EvaluateResult]
) -> list[TransferResult]:
    """The cells as if their RA had been measured with the attack of the evaluations.

    SA stays: it is the share of the same images that the same checkpoint gets right, attack or
    not.

    Args:
        evaluations: of the best-RA checkpoint of each cell, by the cell's folder. A cell without
            one keeps no RA, so that two attacks never enter one verdict.
    """
    found = []
    for cell in cells:
        if cell.best_ra is None:
            found.append(cell)
            continue
        evaluation = evaluations.get(cell.folder)
        score = cell.best_ra.test
        test = Score(score.sa, images=score.images)
        if evaluation is not None and evaluation.test.ra is not None:
            stronger = evaluation.test
            test = Score(score.sa, stronger.ra, stronger.attack, stronger.attack_id, score.images)
        best = dataclasses.replace(cell.best_ra, test=test)
        found.append(cell.model_copy(update={"best_ra": best}))
    return found


def judge_cells(cells: Iterable[TransferResult], settings: VerdictPart, outcomes: Lookup) -> Judged:
    """The verdict on cells of one search, task and fraction, with the seeds that are among them.

    Args:
        outcomes: where outcomes per image come from. Of cells that went through ``with_verified``,
            those of RA have to be the evaluations'.
    """
    cells = list(cells)
    networks = contenders_of(cells, strict=settings.strict, outcomes=outcomes)
    tickets = [network for round_, network in networks.items() if round_ > 0]
    classes = max(len(cells[0].task.classes), 2)
    return judge(networks.get(0), tickets, classes, settings, curves=False)
