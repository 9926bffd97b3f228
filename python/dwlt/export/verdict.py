"""What is known of an exported ticket's standing against the dense network."""

from __future__ import annotations

from dataclasses import dataclass, field

from dwlt.export.source import Source
from dwlt.report.verdicts import interval_text, percent
from dwlt.results import PretrainResult
from dwlt.runs.collect import collect
from dwlt.runs.outcomes import OutcomeFiles
from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.groups import Group, form_groups
from dwlt.verdict.judge import TicketVerdict, Verdict
from dwlt.verdict.noninferiority import Comparison
from dwlt.verdict.together import judge_group

WORDS = {
    Verdict.DOUBLE_WIN: "**Double win**: shown to be no worse than the dense network by more than "
    "the margin, in standard and robust accuracy, after standard and adversarial transfer.",
    Verdict.NOT: "**No double win**: in at least one number the ticket falls short of the dense "
    "network by more than the margin.",
    Verdict.UNDECIDED: "**Undecided**: at least one number is neither shown to match the dense "
    "network nor shown to fall short.",
    Verdict.AT_FLOOR: "**At the floor**: the dense network itself has no standard or no robust "
    "accuracy above chance, so there is nothing to match.",
    Verdict.INCOMPLETE: "**Incomplete**: not all transfers that a verdict needs have been run.",
}


@dataclass(frozen=True)
class Told:
    """The verdict in words, and its numbers.

    Attributes:
        state: as results name it; None where there is no verdict.
        rows: for each number its name, the dense network, the ticket, and the difference.
    """

    text: str
    state: str | None = None
    rows: tuple[dict[str, str], ...] = field(default_factory=tuple)


def tell_verdict(source: Source, settings: VerdictPart) -> Told:
    """The verdict on the ticket that a network belongs to, from all transfers in its runs folder.

    Args:
        settings: how to judge.
    """
    result = source.result
    if isinstance(result, PretrainResult) or result.round == 0:
        return Told("This is the dense network, which tickets are held against.")
    data = collect(source.runs)
    groups, _ = form_groups(data.transfer, data.prune)
    outcomes = OutcomeFiles(source.runs)
    for group in groups:
        if not _holds(group, source):
            continue
        judged = judge_group(group, settings, outcomes=outcomes, curves=False).decides
        for ticket in judged.tickets:
            if ticket.ticket.round == result.round:
                return _told(group, ticket, judged.rule)
    return Told("This ticket was not transferred, so there is no verdict on it.")


def _holds(group: Group, source: Source) -> bool:
    result = source.result
    if source.checkpoint is None:
        return group.prune.id == result.id
    return any(cell.id == result.id for cell in group.cells)


def _told(group: Group, ticket: TicketVerdict, rule: str) -> Told:
    rows = []
    for one in ticket.comparisons:
        margin = ""
        if isinstance(one, Comparison) and one.estimate is not None:
            margin = f", margin {100 * one.margin:.2f}"
        rows.append(
            {
                "name": one.number.title,
                "dense": percent(one.dense),
                "ticket": percent(one.ticket),
                "difference": f"{interval_text(one)}{margin}: {one.match.value}".lstrip(": "),
            }
        )
    judge = "the margins below, at 95% confidence" if rule == "margin" else "the paper's rule"
    text = (
        f"{WORDS[ticket.verdict]} It is about the ticket on `{group.task.name}` over all seeds "
        f"that were transferred, by {judge}. RA is under {group.attack or 'no attack'}."
    )
    return Told(text, ticket.verdict.value, tuple(rows))
