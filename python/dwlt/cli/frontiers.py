"""What is shown of a search for the frontier, and of a verified verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dwlt.cli.show import Show
from dwlt.grid.frontier import Frontier
from dwlt.grid.verify import Verified
from dwlt.results import FrontierResult
from dwlt.units import sparsity_text
from dwlt.verdict.judge import TicketVerdict
from dwlt.verdict.noninferiority import Comparison
from dwlt.verdict.variance import HEAD, Components, table


def show_frontiers(show: Show, found: Sequence[Frontier]) -> None:
    """Per search a table of what was asked for, one of what was decided, and a sentence."""
    for one in found:
        result = one.result
        show.table(
            one.target.label,
            ["why", "network", "regime", "seeds"],
            [
                [
                    step.reason,
                    f"round {step.round}" if step.round else "dense",
                    step.regime,
                    ", ".join(map(str, step.seeds)),
                ]
                for step in result.path
            ],
            left=3,
        )
        show.table("", ["decided", "round", "seeds", "answer"], _decisions(result), left=1)
        show.say(sentence(result))
        show.say(f"recorded in {one.folder}")


def _decisions(result: FrontierResult) -> list[list[str]]:
    rows = []
    for probe in result.probes:
        answer = "promising" if probe.promising else "hopeless"
        if probe.worst is not None:
            answer += f", worst number {probe.worst:+.2f} margins behind"
        rows.append(["locate", str(probe.round), "1", answer])
    for attempt in result.attempts:
        answer = f"{attempt.decision} at {attempt.confidence:.1%} confidence"
        rows.append(["confirm", str(attempt.round), str(attempt.seeds), answer])
    return rows


def sentence(result: FrontierResult) -> str:
    """What was found, how sure it is, and what it cost."""
    if result.extreme is None or result.kept is None or result.total is None:
        answer = f"No extreme sparsity: {result.reason}"
    else:
        answer = (
            f"The extreme sparsity is at least {sparsity_text(result.kept, result.total)} "
            f"(round {result.extreme}), {result.confidence:.0%} confidence, "
            f"RA under {result.attack or 'no attack'}"
        )
    ratio = result.full.total / max(1, result.spent.total)
    return (
        f"{answer}; {result.spent.total:,} epochs of training, where the full grid takes "
        f"{result.full.total:,} ({ratio:.1f} times as many)"
    )


def show_variance(show: Show, found: Sequence[tuple[str, tuple[Components, ...]]]) -> None:
    """Of each combination, which stage its luck comes from."""
    for label, parts in found:
        title = f"{label}: standard deviations in points, with their share of the variance"
        show.table(title, HEAD, table(parts))


def show_verified(show: Show, found: Sequence[Verified]) -> None:
    """Per combination a table with both verdicts, and a sentence."""
    for one in found:
        if one.before is None or one.after is None:
            show.say(f"{one.target.label}: no ticket is a double win, so nothing was verified")
            continue
        numbers = [number.title for number in one.after.numbers]
        show.table(
            one.target.label,
            ["ticket", "attack", *numbers, "verdict"],
            [
                _row(ticket, attack)
                for before, after in zip(one.before.tickets, one.after.tickets, strict=True)
                for ticket, attack in ((before, one.attack), (after, one.stronger))
            ],
            left=2,
        )
        show.say("ticket less dense network in points (in brackets: the lower end of its interval)")
        show.say(verified_sentence(one))


def _row(ticket: TicketVerdict, attack: str | None) -> list[str]:
    one = ticket.ticket
    cells = []
    for comparison in ticket.comparisons:
        if isinstance(comparison, Comparison) and comparison.estimate is not None:
            low = comparison.estimate.difference - comparison.estimate.reach(comparison.confidence)
            cells.append(f"{100 * comparison.estimate.difference:+.1f} ({100 * low:+.1f})")
        else:
            cells.append("-")
    name = f"round {one.round}, {sparsity_text(one.kept, one.total)}"
    return [name, attack or "-", *cells, ticket.verdict.value]


def verified_sentence(one: Verified) -> str:
    """Whether the verdict stands under the stronger attack."""
    assert one.before is not None
    assert one.after is not None
    before, after = one.before.sparsest, one.after.sparsest
    was = "no double win" if before is None else _named(before)
    if after is None:
        return f"{one.stronger}: no double win is left; under {one.attack} it was {was}"
    if before is not None and before.ticket.round == after.ticket.round:
        return f"{one.stronger}: {_named(after)} is a double win, as it was under {one.attack}"
    return f"{one.stronger}: {_named(after)} is a double win; under {one.attack} it was {was}"


def _named(ticket: TicketVerdict) -> str:
    one = ticket.ticket
    return f"{sparsity_text(one.kept, one.total)} sparsity (round {one.round})"


def verified_values(one: Verified) -> dict[str, Any]:
    """JSON-ready."""
    return {
        "label": one.target.label,
        "attack": one.attack,
        "stronger": one.stronger,
        "tickets": [
            {
                "round": before.ticket.round,
                "kept": before.ticket.kept,
                "total": before.ticket.total,
                "before": before.verdict.value,
                "after": after.verdict.value,
                "ra": {
                    number.key: measured.mean
                    for number, measured in after.ticket.numbers.items()
                    if number.kind == "ra"
                },
            }
            for before, after in (
                ()
                if one.before is None or one.after is None
                else zip(one.before.tickets, one.after.tickets, strict=True)
            )
        ],
        "evaluations": [str(folder) for folder in one.runs],
    }
