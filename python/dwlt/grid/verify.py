"""Verify a verdict: AutoAttack on the networks that it rests on, and on no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dwlt.errors import UserError
from dwlt.events import Message
from dwlt.grid.frontier import find, recorded
from dwlt.grid.measured import Measurements
from dwlt.grid.nodes import VerifyNode
from dwlt.grid.target import Target, targets
from dwlt.grid.walk import Policy, walk
from dwlt.results import EvaluateResult, parse
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.plan import Cell
from dwlt.spec import Experiment, VerdictPart, VerifyPart
from dwlt.stages import verify as stage
from dwlt.verdict.judge import Judged
from dwlt.verdict.verified import judge_cells, with_verified


@dataclass(frozen=True)
class Verified:
    """A verdict beside itself: by the attack of the transfers, and by the stronger one.

    Attributes:
        target: what it is about.
        rounds: the tickets that were attacked, ascending; none where there was nothing to verify.
        attack, stronger: labels of both attacks.
        before, after: the verdicts on these tickets.
        runs: folders of the evaluations.
    """

    target: Target
    rounds: tuple[int, ...]
    attack: str | None = None
    stronger: str | None = None
    before: Judged | None = None
    after: Judged | None = None
    runs: tuple[Path, ...] = ()


def verify(
    experiment: Experiment, context: Context, policy: Policy, *, frontier: bool
) -> tuple[Verified, ...]:
    """Verify the verdict on each combination of an experiment.

    Args:
        frontier: of each combination, verify what the search for the frontier decided; otherwise
            the sparsest double win of the full grid and its neighbours. Missing runs of either
            are done first.

    Raises:
        As ``frontier.find``, ``walk`` and ``stages.verify.run``.
    """
    return tuple(
        _of_frontier(target, context, policy) if frontier else _of_grid(target, context, policy)
        for target in targets(experiment, context.runs)
    )


def _of_frontier(target: Target, context: Context, policy: Policy) -> Verified:
    found = find(target, context, policy)
    extreme, settings = found.result.extreme, target.experiment.verdict
    if extreme is None:
        return Verified(target, ())
    # At the level of the look that decided: the seeds are those of that look.
    confidence = found.result.attempts[-1].confidence
    settings = settings.model_copy(update={"confidence": confidence, "rounds": (extreme,)})
    return _attack(target, found.cells, (extreme,), settings, context, policy)


def _of_grid(target: Target, context: Context, policy: Policy) -> Verified:
    cells = target.every()
    walk(target.plan(cells), context, policy, asked=False)
    settings = target.experiment.verdict
    measured = Measurements(context.runs)
    judged = judge_cells([measured.result(cell) for cell in cells], settings, measured)
    rounds = around(judged)
    chosen = tuple(cell for cell in cells if cell.spec.round in (0, *rounds))
    if not rounds:
        return Verified(target, ())
    settings = settings.model_copy(update={"rounds": rounds})
    return _attack(target, chosen, rounds, settings, context, policy)


def around(judged: Judged) -> tuple[int, ...]:
    """The round of the sparsest double win, with the next denser and the next sparser ticket."""
    if judged.sparsest is None:
        return ()
    rounds = [ticket.ticket.round for ticket in judged.tickets]
    place = rounds.index(judged.sparsest.ticket.round)
    return tuple(rounds[max(0, place - 1) : place + 2])


def _attack(
    target: Target,
    cells: tuple[Cell, ...],
    rounds: tuple[int, ...],
    settings: VerdictPart,
    context: Context,
    policy: Policy,
) -> Verified:
    part = target.experiment.verify
    if part.samples is not None:
        context.observe(
            Message("verify.samples: RA is of other images than SA and is not paired", warning=True)
        )
    found = evaluate_all(cells, part, context, policy)
    measured = Measurements(context.runs)
    plain = [measured.result(cell) for cell in cells]
    evaluations: dict[str, EvaluateResult] = {}
    for cell, folder in zip(plain, found, strict=True):
        blob = (folder / layout.RESULT).read_bytes()
        place = folder.relative_to(context.runs).as_posix()
        evaluations[cell.folder] = parse(blob, EvaluateResult, place)
    stronger = with_verified(plain, evaluations)
    for result in stronger:
        of = evaluations[result.folder]
        measured.replace_robust(result, of)
    return Verified(
        target,
        rounds,
        attack=next((cell.attack for cell in plain if cell.attack), None),
        stronger=next((cell.attack for cell in stronger if cell.attack), None),
        before=judge_cells(plain, settings, Measurements(context.runs)),
        after=judge_cells(stronger, settings, measured),
        runs=tuple(found),
    )


def evaluate_all(
    cells: Sequence[Cell], part: VerifyPart, context: Context, policy: Policy
) -> list[Path]:
    """Attack each cell's checkpoint; those that another process attacks are waited for.

    Returns:
        The folders of the evaluations, in the order of the cells.
    """
    nodes = [VerifyNode(cell, part) for cell in cells]
    rules = replace(policy, keep_going=False)
    policy.engine.walk(nodes, context, rules, lambda node: None)
    # What another process has done is found here, at the cost of reading the model.
    return [node.found or stage.run(node.cell, part, context)[0] for node in nodes]


def uses_frontier(experiment: Experiment, runs: Path) -> bool:
    """Whether an experiment's verdict is that of a search for the frontier.

    As its grid says; without a word there, whether such a search has ended below ``runs``.
    """
    if experiment.grid is not None and experiment.grid.strategy == "frontier":
        return True
    return all(recorded(target) for target in targets(experiment, runs))


def require_verifiable(found: Sequence[Verified]) -> None:
    """Refuse a command that verified nothing at all.

    Raises:
        UserError: no ticket of any combination was a double win.
    """
    if not any(one.rounds for one in found):
        raise UserError("no ticket is a double win, so there is nothing to verify")
