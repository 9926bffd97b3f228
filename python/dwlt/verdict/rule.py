"""The verdict on each ticket: double-win, not, undecided, or incomplete.

The rule of ``docs/protocol.md``. Four numbers count: SA and RA after standard transfer, SA and RA
after adversarial transfer, each the mean over the seeds. For each of them:

    tolerance  the sample standard deviation (divisor seeds - 1) of the dense network's runs;
               with a single seed the binomial standard error sqrt(p (1 - p) / n) of its value
    needed     dense mean - tolerance
    gap d      ticket mean - needed
    error s    the standard error of the difference of the two means: pooled over both
               networks' seeds, or binomial with a single seed (``stats.difference_error``)
    reach q    how many errors a 95% interval reaches to each side: Student's t for the seeds
               behind s (2.78 for three each), 1.96 where s is binomial (``stats.quantile``)

    d >= 0           the ticket matches
    d < -q s         it falls short beyond doubt: the gap's 95% interval lies below zero
    -q s <= d < 0    unclear: the gap is negative, but its interval reaches zero

    double-win    all four match
    not           at least one falls short beyond doubt
    undecided     neither: at least one is unclear, none falls short beyond doubt
    incomplete    a number is missing, or a ticket and the dense network have been transferred
                  with different seeds; what is missing is named, and it never counts as a win

The extreme sparsity of a group is that of its sparsest double-win ticket (round > 0), or none.

SA is that of the checkpoint with the best validation SA, RA that of the one with the best
validation RA, as the paper has it. The same rule with both numbers of the best-RA checkpoint, so
that one network has to be good at both, is the strict or one-checkpoint verdict. It is shown
beside the other and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dwlt.verdict.groups import REGIMES, Group, Network
from dwlt.verdict.stats import Level, difference_error, level, quantile

# Far below one image in any test set; forgives only the rounding of the subtraction itself.
_ROUNDING = 1e-12


class Verdict(StrEnum):
    """The state of a ticket."""

    DOUBLE_WIN = "double-win"
    NOT = "not"
    UNDECIDED = "undecided"
    INCOMPLETE = "incomplete"


class Match(StrEnum):
    """The state of one of a ticket's four numbers."""

    MATCH = "match"
    SHORT = "short"
    UNCLEAR = "unclear"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """One of the four numbers: transfer regime, and "sa" or "ra"."""

    regime: str
    kind: str

    @property
    def key(self) -> str:
        """As columns of files are called: "standard_sa"."""
        return f"{self.regime}_{self.kind}"

    @property
    def title(self) -> str:
        """As a reader sees it."""
        return f"{self.kind.upper()}, {self.regime} transfer"


NUMBERS = tuple(Number(regime, kind) for regime in REGIMES for kind in ("sa", "ra"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of a ticket against the dense network; None where it cannot be said."""

    number: Number
    level: Level | None
    gap: float | None
    error: float | None
    match: Match


@dataclass(frozen=True, slots=True)
class TicketVerdict:
    """A ticket, its four comparisons in the order of NUMBERS, and what follows from them."""

    network: Network
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The dense levels of a group, in the order of NUMBERS, and its tickets by round."""

    dense: tuple[Level | None, ...]
    tickets: tuple[TicketVerdict, ...]

    @property
    def extreme(self) -> TicketVerdict | None:
        """The sparsest double-win ticket, or None."""
        wins = [t for t in self.tickets if t.verdict is Verdict.DOUBLE_WIN]
        return min(wins, key=lambda t: (t.network.kept, -t.network.round), default=None)


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """A group, its verdict, and the strict one beside it (the module's text says what that is)."""

    group: Group
    slug: str
    main: Judged
    strict: Judged

    @property
    def dense(self) -> tuple[Level | None, ...]:
        """The dense levels of the verdict."""
        return self.main.dense

    @property
    def tickets(self) -> tuple[TicketVerdict, ...]:
        """The tickets of the verdict."""
        return self.main.tickets

    @property
    def extreme(self) -> TicketVerdict | None:
        """The sparsest double-win ticket of the verdict, or None."""
        return self.main.extreme


def needed(dense: Level) -> float:
    """The lowest mean that still matches: dense mean - tolerance."""
    return dense.mean - dense.spread


def compare(number: Number, dense: Level | None, ticket: Level | None) -> Comparison:
    """One number of a ticket against the dense network (the rule is in the module's text)."""
    if dense is None or ticket is None:
        return Comparison(number, ticket, None, None, Match.MISSING)
    gap = ticket.mean - needed(dense)
    error = difference_error(dense, ticket)
    if gap >= -_ROUNDING:
        match = Match.MATCH
    elif gap < -quantile(dense, ticket) * error - _ROUNDING:
        match = Match.SHORT
    else:
        match = Match.UNCLEAR
    return Comparison(number, ticket, gap, error, match)


def measured(network: Network | None, number: Number, *, strict: bool = False) -> Level | None:
    """One number of a network over its seeds; None where it is missing for any of them."""
    if network is None:
        return None
    cells = network.cells[number.regime]
    if strict:
        return level([cell.of_one_checkpoint(number.kind) for cell in cells])
    return level([cell.accuracy(number.kind) for cell in cells])


def judge(group: Group, *, strict: bool = False) -> Judged:
    """Judge every ticket of a group.

    Args:
        strict: SA and RA both of the best-RA checkpoint.
    """
    return Judged(
        dense=tuple(measured(group.dense, number, strict=strict) for number in NUMBERS),
        tickets=tuple(judge_ticket(group.dense, net, strict=strict) for net in group.tickets),
    )


def judge_ticket(dense: Network | None, ticket: Network, *, strict: bool = False) -> TicketVerdict:
    """Compare all four numbers of a ticket and draw the conclusion."""
    comparisons = tuple(
        compare(
            number,
            measured(dense, number, strict=strict),
            measured(ticket, number, strict=strict),
        )
        for number in NUMBERS
    )
    missing = tuple(_missing(dense, ticket))
    states = {comparison.match for comparison in comparisons}
    if missing or Match.MISSING in states:
        verdict = Verdict.INCOMPLETE
    elif Match.SHORT in states:
        verdict = Verdict.NOT
    elif Match.UNCLEAR in states:
        verdict = Verdict.UNDECIDED
    else:
        verdict = Verdict.DOUBLE_WIN
    return TicketVerdict(ticket, comparisons, verdict, missing)


def _missing(dense: Network | None, ticket: Network) -> Iterable[str]:
    """What would have to be run before the ticket can be judged, in words."""
    for regime in REGIMES:
        of_dense = () if dense is None else dense.seeds(regime)
        of_ticket = ticket.seeds(regime)
        for who, mine, other in (
            ("dense network", of_dense, of_ticket),
            ("ticket", of_ticket, of_dense),
        ):
            lacking = sorted(set(other) - set(mine))
            if not mine:
                yield f"{who}: no {regime} transfer"
            elif lacking:
                plural = "s" if len(lacking) > 1 else ""
                yield f"{who}: {regime} transfer, seed{plural} {', '.join(map(str, lacking))}"
        for who, network in (("dense network", dense), ("ticket", ticket)):
            cells = () if network is None else network.cells[regime]
            if any(cell.accuracy("ra") is None for cell in cells):
                yield f"{who}: RA after {regime} transfer was not measured"
