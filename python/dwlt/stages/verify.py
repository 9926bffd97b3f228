"""``verify``: attack what a verdict rests on once more, with a stronger attack.

A thin use of ``evaluate``: each network is one evaluation of the checkpoint that its RA comes from,
on the test images of its transfer, in a run folder of its own under ``runs/evaluate``. It resumes,
is skipped when it is done, and is found by whoever evaluates the same checkpoint by hand.
"""

from __future__ import annotations

from pathlib import Path

from dwlt.errors import LedgerError
from dwlt.results import EvaluateResult
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.plan import Cell
from dwlt.spec import VerifyPart
from dwlt.stages import evaluate
from dwlt.stages.threats import ball_of, read_name


def run(cell: Cell, part: VerifyPart, context: Context) -> tuple[Path, EvaluateResult]:
    """Attack the best-RA checkpoint of one transfer, or go on, or find that it is done.

    Args:
        cell: a transfer that is done.
        part: the attack; AutoAttack where it names none. The ball is that of the cell's own RA.

    Returns:
        The run folder of the evaluation and the its result.

    Raises:
        LedgerError: the transfer is not done.
        As ``evaluate.run``.
    """
    folder = cell.folder()
    if folder is None or cell.result() is None:
        raise LedgerError(f"{cell.label} is not done", hint="run `dwlt run` or `dwlt frontier`")
    named = read_name(part.attack or "autoattack")
    assert named is not None  # the settings know no other names
    experiment = cell.variant.experiment
    scoring = experiment.scoring()
    assert scoring.attack is not None  # an experiment always has one
    wanted = evaluate.EvaluationRequest(
        score=scoring.model_copy(update={"attack": ball_of(scoring.attack)}),
        suite=named.suite,
        prefilter=part.prefilter,
        samples=part.samples,
    )
    return evaluate.run(experiment, wanted, folder / layout.best("ra"), context, own_task=True)
