"""A verdict beside itself: by the attack of the transfers, and by AutoAttack.

An evaluation of a transfer's best-RA checkpoint, whoever made it, puts its RA in the place of the
transfer's own. Evaluations in another ball, of other weights or on other images say nothing about
the verdict and stay out; those in different ways of attacking never enter one verdict.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dwlt.results import (
    AttackId,
    EvaluateResult,
    FrontierResult,
    ReportData,
    Score,
    TransferResult,
)
from dwlt.results.attack import STANDARD_SUITE
from dwlt.results.names import attack_name
from dwlt.results.outcomes import Outcomes
from dwlt.spec.verdict import VerdictPart
from dwlt.units import parse_fraction
from dwlt.verdict.contenders import Lookup, contenders_of
from dwlt.verdict.groups import REGIMES, Group, Network
from dwlt.verdict.judge import Judged, TicketVerdict, Verdict, judge
from dwlt.verdict.outcomes import Contender, Kind
from dwlt.verdict.together import GroupJudged

RobustLookup = Callable[[EvaluateResult], Outcomes | None]
"""Which test images held against an evaluation's attack; None where that is not on file."""

LEAST_CLASSES = 4
"""With fewer, AutoAttack's targeted APGD has no target classes to go through, and is left out."""

Evaluations = Mapping[str, EvaluateResult]
"""By the folder of the transfer whose checkpoint was evaluated."""


@dataclass(frozen=True, slots=True)
class VerifiedGroup:
    """Some tickets of a group judged twice, on the same checkpoints.

    Attributes:
        attack, stronger: behind RA in ``before`` and in ``after``.
        confidence: of both verdicts.
        n: images that the stronger attack was shown.
        before, after: the verdicts.
        decided: the ticket at the extreme sparsity by ``attack``; None where there is none.
        partial: rounds of which some checkpoints were attacked and others were not; in neither.
    """

    attack: AttackId | None
    stronger: AttackId
    confidence: float
    n: int
    before: Judged
    after: Judged
    decided: Contender | None
    partial: tuple[int, ...]

    @property
    def name(self) -> str:
        """The stronger attack as a headline names it."""
        return attack_name(self.stronger)

    def ticket(self, round_: int) -> TicketVerdict | None:
        """A ticket under the stronger attack; None where it was not verified."""
        return next((t for t in self.after.tickets if t.ticket.round == round_), None)

    def stands(self, round_: int) -> bool:
        """Whether a ticket is a double win under the stronger attack too."""
        found = self.ticket(round_)
        return found is not None and found.verdict is Verdict.DOUBLE_WIN

    @property
    def extreme(self) -> Contender | None:
        """The group's extreme sparsity under the stronger attack, among the verified tickets.

        The ticket at the extreme sparsity where it stands; else the sparsest of the denser ones
        that the verdict on the verified rounds holds to be a win. Never a sparser one, which the
        weaker attack alone has already kept from winning.
        """
        mine = self.decided
        if mine is None:
            return None
        if self.stands(mine.round):
            return mine
        other = self.after.extreme
        return None if other is None or other.round > mine.round else other


def verify_groups(
    groups: Iterable[GroupJudged],
    data: ReportData,
    searches: Mapping[str, FrontierResult],
    outcomes: Lookup,
    robust: RobustLookup,
) -> dict[str, VerifiedGroup]:
    """The verified verdicts by the slug of their group; none of controls.

    Args:
        searches: for the frontier, by the slug of the group.
        outcomes, robust: where outcomes per image come from, of transfers and of evaluations.
    """
    attacks: defaultdict[str, list[EvaluateResult]] = defaultdict(list)
    for result in data.evaluate:
        bare = result.mask is None and result.laid_on is None and result.source is None
        if bare and result.test.ra is not None:
            attacks[result.place].append(result)
    found = {}
    for verdict in groups:
        if attacks and not verdict.group.prune.control:
            one = _verify(verdict, attacks, searches.get(verdict.slug), outcomes, robust)
            if one is not None:
                found[verdict.slug] = one
    return found


def deciding(verdict: GroupJudged, search: FrontierResult | None) -> Contender | None:
    """The ticket at a group's extreme sparsity: of the verdict, or what a search has confirmed.

    A search for the frontier leaves out most cells, so that the verdict on the whole grid may
    have nothing to say.
    """
    if verdict.extreme is not None or search is None:
        return verdict.extreme
    return next((t.ticket for t in verdict.tickets if t.ticket.round == search.extreme), None)


def search_of(group: Group, searches: Iterable[FrontierResult]) -> FrontierResult | None:
    """The latest search for the frontier that is about a group's tickets."""
    about = [
        one
        for one in searches
        if (one.pretrain.id, one.prune.id) == (group.pretrain.id, group.prune.id)
        and (one.task.name, one.fraction) == (group.task.name, group.fraction)
        and one.attack == group.attack
    ]
    return max(about, key=lambda one: (one.finished, one.id), default=None)


def _verify(
    verdict: GroupJudged,
    attacks: Mapping[str, Sequence[EvaluateResult]],
    search: FrontierResult | None,
    outcomes: Lookup,
    robust: RobustLookup,
) -> VerifiedGroup | None:
    group = verdict.group
    mine = deciding(verdict, search)
    best: tuple[tuple[bool, int, bool, int, str], Evaluations, tuple[int, ...]] | None = None
    for way, evaluations in _ways(group, attacks).items():
        if group.dense is None or not _covered(group.dense, evaluations, search):
            continue
        rounds = tuple(n.round for n in group.tickets if _covered(n, evaluations, search))
        if not rounds:
            continue
        one = next(iter(evaluations.values())).test
        whole = (one.attack or "").startswith("autoattack ")
        decides = mine is not None and mine.round in rounds
        # What decides comes first, then more images, the whole of AutoAttack, more tickets.
        rank = (decides, one.sa.n, whole, len(rounds), str(way))
        if best is None or rank > best[0]:
            best = (rank, evaluations, rounds)
    return None if best is None else _judge(verdict, best[1], best[2], search, outcomes, robust)


def _ways(
    group: Group, attacks: Mapping[str, Sequence[EvaluateResult]]
) -> dict[Hashable, dict[str, EvaluateResult]]:
    """The evaluations of a group's checkpoints, by how they attacked and which images they saw."""
    found: defaultdict[Hashable, dict[str, EvaluateResult]] = defaultdict(dict)
    for cell in group.cells:
        here = attacks.get(cell.checkpoint("ra"), ())
        for result in sorted(here, key=lambda one: (one.finished, one.id)):
            attack = result.test.attack_id
            if attack is not None and _same_question(cell, result):
                key = (attack.key or attack.label, result.images or "", result.test.sa.n)
                found[key][cell.folder] = result
    return found


def _same_question(cell: TransferResult, result: EvaluateResult) -> bool:
    """Whether an evaluation says how a cell's RA stands against AutoAttack."""
    mine, other = cell.attack_id, result.test.attack_id
    if cell.best_ra is None or mine is None or other is None or other.kind != "autoattack":
        return False
    if mine.eps is None or other.eps is None or mine.norm != other.norm or other.made_on:
        return False
    lacking = set(STANDARD_SUITE) - set(other.parts)
    if lacking - ({"apgd-t"} if len(cell.run.task.classes) < LEAST_CLASSES else set()):
        return False
    if parse_fraction(mine.eps) != parse_fraction(other.eps):
        return False
    if cell.run.task.name != result.run.task.name:
        return False
    own, seen = cell.best_ra.test, result.test
    if seen.sa.n == own.sa.n and None not in (own.images, seen.images):
        return own.images == seen.images
    return seen.sa.n <= own.sa.n


def _covered(network: Network, evaluations: Evaluations, search: FrontierResult | None) -> bool:
    """Whether enough of a network's checkpoints were attacked under both regimes.

    That is all of them. Of what a search for the frontier confirmed, as many seeds as its last
    look compared: the one that located the round is not among them.
    """
    enough = None
    if search is not None and network.round in (0, search.extreme) and search.attempts:
        enough = search.attempts[-1].seeds
    for regime in REGIMES:
        cells = network.cells[regime]
        done = sum(cell.folder in evaluations for cell in cells)
        if not done or (done < len(cells) and (enough is None or done < enough)):
            return False
    return True


def _judge(
    verdict: GroupJudged,
    evaluations: Evaluations,
    rounds: tuple[int, ...],
    search: FrontierResult | None,
    outcomes: Lookup,
    robust: RobustLookup,
) -> VerifiedGroup | None:
    settings = verdict.settings
    confidence = settings.confidence
    if search is not None and search.attempts and rounds == (search.extreme,):
        # At the level of the look that decided: the seeds are those of that look.
        confidence = max(confidence, search.attempts[-1].confidence)
    settings = settings.model_copy(update={"rounds": rounds, "confidence": confidence})
    attacked = [cell for cell in verdict.group.cells if cell.folder in evaluations]
    cells = [cell for cell in attacked if cell.round in (0, *rounds)]

    def stronger(cell: TransferResult, kind: Kind, strict: bool) -> Outcomes | None:
        if kind == "sa":
            return outcomes(cell, kind, strict)
        return robust(evaluations[cell.folder])

    test = next(iter(evaluations.values())).test
    assert test.attack_id is not None  # or it would not be among the evaluations
    return VerifiedGroup(
        verdict.attack_id,
        test.attack_id,
        confidence,
        test.sa.n,
        judge_cells(cells, settings, outcomes),
        judge_cells(with_verified(cells, evaluations), settings, stronger),
        deciding(verdict, search),
        tuple(sorted({cell.round for cell in attacked} - {0, *rounds})),
    )


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
