"""A group with its verdicts under every rule, and how numbers and states are written."""

from __future__ import annotations

from dwlt.report.table import Entry, Value
from dwlt.results import Accuracy
from dwlt.units import sparsity_text
from dwlt.verdict.curve import Crossing
from dwlt.verdict.groups import REGIMES, Network
from dwlt.verdict.judge import AnyComparison, Judged, TicketVerdict, Verdict
from dwlt.verdict.noninferiority import Comparison, Match
from dwlt.verdict.outcomes import Measured
from dwlt.verdict.paper_rule import tolerance
from dwlt.verdict.together import GroupJudged

MARKS = {Match.MATCHES: "✓", Match.SHORT: "✗", Match.UNCLEAR: "?", Match.MISSING: "–"}
"""What stands behind each number; the words are in the tables' captions."""

LOOKS = {
    Match.MATCHES: "match",
    Match.SHORT: "short",
    Match.UNCLEAR: "unclear",
    Match.MISSING: "missing",
}
"""Classes of the stylesheet."""


def extreme_text(judged: Judged) -> str:
    """An extreme sparsity, or why there is none: "≥ 83.22%", "none", "no ticket yet"."""
    extreme = judged.extreme
    if extreme is not None:
        shown = sparsity_text(extreme.kept, extreme.total)
        return f"≥ {shown}" if judged.rule == "margin" else shown
    return "none" if judged.tickets else "no ticket yet"


def estimate_text(verdict: GroupJudged) -> str:
    """The estimated extreme sparsity with its interval: "83% [79, 87]", or a dash."""
    estimated = verdict.decides.estimated
    if estimated is None:
        return "–"
    low, middle, high = (_place(verdict, at) for at in ("low", "round", "high"))
    return f"{middle}% [{low}, {high}]"


def _place(verdict: GroupJudged, end: str) -> str:
    estimated = verdict.decides.estimated
    assert estimated is not None
    share = crossing_shares(verdict, estimated.joint)[end]
    if share is not None:
        return f"{100 * share:.0f}"
    last = next(t.ticket for t in verdict.tickets if t.ticket.round == estimated.joint.last)
    return f"> {100 * last.sparsity:.0f}"


def crossing_shares(verdict: GroupJudged, crossing: Crossing) -> dict[str, float | None]:
    """Estimate and interval as sparsities in [0, 1]; None beyond the sparsest ticket."""
    density = {t.ticket.round: t.ticket.kept / t.ticket.total for t in verdict.tickets}
    known = {0: 1.0, **{r: max(d, 1e-9) for r, d in density.items()}}
    ends = {"low": crossing.low, "round": crossing.round, "high": crossing.high}
    return {end: crossing.sparsity(at, known) for end, at in ends.items()}


def accuracy(value: Accuracy | None) -> str:
    """One accuracy as percent with two decimals, or a dash."""
    return "–" if value is None else f"{100 * value.value:.2f}"


def percent(measured: Measured | None) -> str:
    """A number over its seeds as "91.25 ± 0.40" (percent), or a dash where it was not measured.

    Behind ± stands the deviation over seeds, or the binomial error of a single one.
    """
    if measured is None:
        return "–"
    return f"{100 * measured.mean:.2f} ± {100 * tolerance(measured):.2f}"


def signed(points: float, digits: int = 2) -> str:
    """A difference in points with its sign; zero has none."""
    rounded = round(points, digits) + 0.0
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def seeds_text(counts: tuple[int, ...]) -> str:
    """Numbers of seeds per regime: "3", or "3 / 2" where they differ."""
    texts = [str(count) for count in counts]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def network_seeds(network: Network) -> str:
    """The same of a network."""
    return seeds_text(tuple(len(network.seeds(regime)) for regime in REGIMES))


def level_value(measured: Measured | None) -> dict[str, Value]:
    """One number over its seeds, for programs."""
    if measured is None:
        return dict.fromkeys(("mean", "spread", "n", "correct", "seeds"))
    return {
        "mean": measured.mean,
        "spread": tolerance(measured),
        "n": measured.n,
        "correct": list(measured.correct),
        "seeds": len(measured.seeds),
    }


def interval_text(comparison: AnyComparison) -> str:
    """A difference with its interval in points: "−0.50 [−1.20, +0.20]"; "" without one."""
    if isinstance(comparison, Comparison):
        found, low, high = comparison.estimate, comparison.low, comparison.high
        if found is None or low is None or high is None:
            return ""
        ends = f"[{signed(100 * low)}, {signed(100 * high)}]"
        return f"{signed(100 * found.difference)} {ends}"
    if comparison.gap is None:
        return ""
    return f"{signed(100 * comparison.gap)} against what is needed"


def number_cell(comparison: AnyComparison, value: Value = None, *, counts: bool = True) -> Entry:
    """One number of a ticket with its state, and the difference in small print.

    Args:
        value: what programs get.
        counts: False where the number is left out of the verdict, at the floor.
    """
    measured = comparison.ticket
    if measured is None:
        return Entry("–", value)
    told = interval_text(comparison)
    if not counts:
        return Entry(
            percent(measured), value, "", "missing", "", (told, "at the floor: not counted")
        )
    words = comparison.match.value
    small = (told,) if told else ()
    mark = MARKS[comparison.match]
    return Entry(percent(measured), value, mark, LOOKS[comparison.match], words, small)


def verdict_cell(ticket: TicketVerdict, numbers: int, *, sparsest: bool = False) -> Entry:
    """The state of a ticket as a badge.

    Args:
        numbers: how many numbers the rule asks for; a win on fewer of them says so.
    """
    text, small = ticket.verdict.value, []
    if ticket.verdict is Verdict.DOUBLE_WIN and len(ticket.counted) < numbers:
        small.append(f"on {len(ticket.counted)} numbers")
    if sparsest:
        small.append("the extreme sparsity")
    state = ticket.verdict.value
    return Entry(text, ticket.verdict.value, state=state, badge=True, small=tuple(small))
