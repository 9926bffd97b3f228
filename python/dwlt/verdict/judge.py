"""The verdict on every ticket of a group, and the group's extreme sparsity.

    double-win    the ticket matches on every number that can carry a verdict, and these hold an
                  SA and an RA
    not           it falls short on at least one of them
    undecided     neither
    at-floor      no SA, or no RA, can carry a verdict: the dense network is at the floor
    incomplete    a number is missing; what is missing is named, and it never counts as a win

That all numbers must match makes it an intersection-union test (Berger, Technometrics 24, 1982):
each may be tested at the full level, the ticket's p-value is the largest of them, and neither more
numbers nor their correlation raise the error.

The extreme sparsity has two answers. Tested: of the rounds declared in advance, the sparsest that
is a double win with the family-wise error held by ``PROCEDURE``. Estimated: see ``curve``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.curve import Estimated, estimate_curves
from dwlt.verdict.families import PROCEDURES
from dwlt.verdict.floors import Floor, check_floor
from dwlt.verdict.noninferiority import Basis, Comparison, Match, compare
from dwlt.verdict.outcomes import NUMBERS, PUBLISHED_NUMBERS, REGIMES, Contender, Number
from dwlt.verdict.paper_rule import PaperComparison, compare_as_paper

PROCEDURE = "fixed-sequence"
"""How the family-wise error is held. The comparison that chose it is in docs/protocol.md: where
deficits grow, it is right more often than Holm's with the same seeds, since tickets share their
dense network and so rise and fall together; a win beyond a failed ticket is shown all the same."""


class Verdict(StrEnum):
    """The state of a ticket."""

    DOUBLE_WIN = "double-win"
    NOT = "not"
    UNDECIDED = "undecided"
    AT_FLOOR = "at-floor"
    INCOMPLETE = "incomplete"


AnyComparison = Comparison | PaperComparison


@dataclass(frozen=True, slots=True)
class TicketVerdict:
    """A ticket, its comparisons, and what follows from them.

    Attributes:
        comparisons: in the order of the rule's numbers, those at the floor among them.
        counted: the numbers that carry the verdict.
        p: p-value of "it is no double win", the largest of the numbers that carry. 1 where
            something is missing or at the floor, and under the paper's rule, which has none.
        missing: what would have to be run, in words.
        notes: what the verdict does not cover, in words.
    """

    ticket: Contender
    comparisons: tuple[AnyComparison, ...]
    counted: tuple[Number, ...]
    verdict: Verdict
    p: float
    missing: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tested:
    """The extreme sparsity over the declared rounds, with an error of its own.

    Attributes:
        rounds: the declared rounds, from dense to sparse; one that was not run counts as failed.
        adjusted: their p-values with the family-wise error accounted for.
        procedure: how, by name.
        confidence: of "the sparsest of ``wins`` is a double win".
        wins: rounds that are double wins at this confidence.
        beyond: rounds that are double wins taken by themselves, but lie beyond a declared round
            that is none. Whether they are among ``wins`` depends on the procedure.
    """

    rounds: tuple[int, ...]
    adjusted: tuple[float, ...]
    procedure: str
    confidence: float
    wins: tuple[int, ...]
    beyond: tuple[int, ...]

    @property
    def extreme(self) -> int | None:
        """The sparsest round that wins, or None."""
        return self.wins[-1] if self.wins else None


@dataclass(frozen=True, slots=True)
class Judged:
    """A group under one rule.

    Attributes:
        rule: "margin" or "paper".
        numbers: those that the rule asks for.
        counted: of these, the numbers that carry the verdict; a floor takes a number out under
            the rule with a margin.
        margins: of these, as shares; empty under the paper's rule.
        floors: where the dense network stands, for every number that it has.
        tickets: by round.
        tested, estimated: the extreme sparsity; None under the paper's rule, which has no error
            rate to hold, and where there is nothing to go on.
    """

    rule: str
    numbers: tuple[Number, ...]
    counted: tuple[Number, ...]
    margins: Mapping[Number, float]
    floors: Mapping[Number, Floor]
    tickets: tuple[TicketVerdict, ...]
    tested: Tested | None
    estimated: Estimated | None

    @property
    def extreme(self) -> Contender | None:
        """The ticket at the extreme sparsity.

        Under the rule with a margin that is the sparsest of the declared rounds that is a double
        win with the family-wise error held; under the paper's rule, the sparsest double win.
        """
        if self.rule == "margin":
            wanted = None if self.tested is None else self.tested.extreme
            return next((t.ticket for t in self.tickets if t.ticket.round == wanted), None)
        return None if self.sparsest is None else self.sparsest.ticket

    @property
    def sparsest(self) -> TicketVerdict | None:
        """The sparsest ticket that is a double win taken by itself, or None."""
        wins = [t for t in self.tickets if t.verdict is Verdict.DOUBLE_WIN]
        return min(wins, key=lambda t: (t.ticket.kept, -t.ticket.round), default=None)


def judge(
    dense: Contender | None,
    tickets: Sequence[Contender],
    classes: int,
    settings: VerdictPart | None = None,
    *,
    rule: str | None = None,
    curves: bool = True,
    procedure: str = PROCEDURE,
) -> Judged:
    """Judge every ticket of a group.

    Args:
        dense: round 0; None where it was never transferred, which leaves all incomplete.
        tickets: rounds above 0, in any order.
        classes: of the downstream task.
        settings: the rule, its margins and declared rounds; the defaults where None.
        rule: instead of the settings' own, for the one that is shown beside it.
        curves: whether to estimate as well, which takes a bootstrap.
        procedure: a name in ``families.PROCEDURES``.
    """
    part = settings or VerdictPart()
    rule = rule or part.rule
    numbers = NUMBERS if part.numbers == 4 else PUBLISHED_NUMBERS
    ordered = sorted(tickets, key=lambda ticket: ticket.round)
    known = {} if dense is None else dense.numbers
    margins = {n: part.margin(n.kind, known[n].n) for n in numbers if n in known}
    floors = {n: check_floor(n, known[n], classes, margins[n], part.confidence) for n in margins}
    if rule == "paper":
        carrying = numbers  # that rule knows no floors: they are shown and change nothing
    else:
        carrying = tuple(n for n in numbers if n not in floors or floors[n].carries)
    verdicts = tuple(
        _judge_ticket(dense, ticket, numbers, carrying, margins, part.confidence, rule)
        for ticket in ordered
    )
    tested = estimated = None
    if rule == "margin" and verdicts:
        declared = part.declared(tuple(ticket.round for ticket in ordered))
        tested = _test(verdicts, declared, part.confidence, procedure)
        if curves and dense is not None and _both_kinds(carrying):
            wanted = {n: margins[n] for n in carrying if n in margins}
            estimated = estimate_curves(dense, ordered, wanted, part.confidence)
    shown = margins if rule == "margin" else {}
    return Judged(rule, numbers, carrying, shown, floors, verdicts, tested, estimated)


def conclude(matches: Sequence[Match], counted: Sequence[Number], missing: bool) -> Verdict:
    """The state of a ticket from those of its numbers that carry (all of them in ``counted``)."""
    if missing or Match.MISSING in matches:
        return Verdict.INCOMPLETE
    if not _both_kinds(counted):
        return Verdict.AT_FLOOR
    if Match.SHORT in matches:
        return Verdict.NOT
    return Verdict.UNDECIDED if Match.UNCLEAR in matches else Verdict.DOUBLE_WIN


def _both_kinds(numbers: Sequence[Number]) -> bool:
    """Whether there is an SA and an RA: a win on one of them alone is no double win."""
    return {number.kind for number in numbers} == {"sa", "ra"}


def _judge_ticket(
    dense: Contender | None,
    ticket: Contender,
    numbers: Sequence[Number],
    carrying: tuple[Number, ...],
    margins: Mapping[Number, float],
    confidence: float,
    rule: str,
) -> TicketVerdict:
    comparisons: list[AnyComparison] = []
    for number in numbers:
        of_dense = None if dense is None else dense.numbers.get(number)
        of_ticket = ticket.numbers.get(number)
        if rule == "paper":
            comparisons.append(compare_as_paper(number, of_dense, of_ticket))
        else:
            margin = margins.get(number, 0.0)
            comparisons.append(compare(number, of_dense, of_ticket, margin, confidence))
    missing = _missing(dense, ticket, numbers)
    counts = [c for c in comparisons if c.number in carrying]
    verdict = conclude([c.match for c in counts], carrying, bool(missing))
    held = verdict not in (Verdict.INCOMPLETE, Verdict.AT_FLOOR)
    p = max((c.p for c in counts if isinstance(c, Comparison)), default=1.0) if held else 1.0
    return TicketVerdict(ticket, tuple(comparisons), carrying, verdict, p, missing, _notes(counts))


def _missing(
    dense: Contender | None, ticket: Contender, numbers: Sequence[Number]
) -> tuple[str, ...]:
    """What would have to be run before the ticket can be judged, in words."""
    found: list[str] = []
    for who, network in (("dense network", dense), ("ticket", ticket)):
        for regime in REGIMES:
            asked = [number for number in numbers if number.regime == regime]
            have = [n for n in asked if network is not None and n in network.numbers]
            if network is None or not network.seeds(regime):
                found.append(f"{who}: no {regime} transfer")
                continue
            seeds = network.seeds(regime)
            for number in asked:
                if number not in have:
                    found.append(f"{who}: {number.kind.upper()} after {regime} transfer")
                elif lost := set(seeds) - set(network.numbers[number].seeds):
                    listed = ", ".join(map(str, sorted(lost)))
                    found.append(
                        f"{who}: {number.kind.upper()} after {regime} transfer, seed {listed}"
                    )
        if network is not None:
            found += [f"{who}: {what}" for what in network.missing]
    return tuple(found)


def _notes(counts: Sequence[AnyComparison]) -> tuple[str, ...]:
    """What a verdict does not cover: seeds with one of them, pairing without bits."""
    estimates = [c.estimate for c in counts if isinstance(c, Comparison) and c.estimate]
    notes = []
    if any(not estimate.covers_seeds for estimate in estimates):
        notes.append(
            "one seed: the error is that of the test images alone; another seed may say otherwise"
        )
    if any(estimate.basis is Basis.COUNTS for estimate in estimates):
        notes.append(
            "judged by counts: outcomes per image are not on file, so images are not paired and "
            "intervals are wider than they need be"
        )
    return tuple(notes)


def _test(
    verdicts: Sequence[TicketVerdict],
    declared: tuple[int, ...],
    confidence: float,
    procedure: str,
) -> Tested | None:
    if not declared:
        return None
    by_round = {verdict.ticket.round: verdict for verdict in verdicts}
    p = [by_round[r].p if r in by_round else 1.0 for r in declared]
    adjusted = PROCEDURES[procedure](p)
    # A p-value of 1 - confidence itself is still a rejection; the rounding of 1 - 0.95 is not.
    alpha = 1 - confidence + 1e-12
    wins = tuple(r for r, value in zip(declared, adjusted, strict=True) if value <= alpha)
    alone = [r for r, value in zip(declared, p, strict=True) if value <= alpha]
    failed = next((r for r in declared if r not in alone), None)
    beyond = tuple(r for r in alone if failed is not None and r > failed)
    return Tested(declared, adjusted, procedure, confidence, wins, beyond)
