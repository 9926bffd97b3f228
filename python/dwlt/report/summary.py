"""The first thing a report says: in one sentence what was found, and what to run next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dwlt.report.content import Report
from dwlt.report.names import task_title
from dwlt.report.verdicts import extreme_text
from dwlt.units import sparsity_text
from dwlt.verdict.judge import Verdict
from dwlt.verdict.noninferiority import Comparison, Match
from dwlt.verdict.together import GroupJudged


@dataclass(frozen=True, slots=True)
class Summary:
    """What was found, and what to do next with the command for it ("" where there is none)."""

    found: str
    next: str
    command: str = ""

    @property
    def sentence(self) -> str:
        """Both in one line."""
        told = f" `{self.command}`" if self.command else ""
        return f"{self.found}; next: {self.next}{told}"


def summary(report: Report) -> Summary:
    """One sentence on the searches' groups; controls are not what was looked for."""
    groups = report.searched
    if not groups:
        return _before(report)
    if not any(verdict.tickets for verdict in groups):
        told = "only dense networks have been transferred, no ticket yet"
        return Summary(told, "transfer tickets with", "dwlt transfer")
    todo = _next(groups, report)
    return Summary(_found(groups, report), *todo)


def _before(report: Report) -> Summary:
    if report.groups:
        told = "only controls have been transferred, no ticket of a search"
        return Summary(told, "transfer tickets with", "dwlt transfer")
    tickets = any(step.round for step in report.data.prune)
    if tickets:
        told = "tickets were found and none is transferred yet"
        return Summary(told, "run, then once more with --adv,", "dwlt transfer")
    told = "there is no ticket yet"
    return Summary(told, "search for one with", "dwlt prune --rounds 20")


def _found(groups: Sequence[GroupJudged], report: Report) -> str:
    wins = {v.slug: won for v in groups if (won := report.decides(v)) is not None}
    under = sorted({verdict.attack for verdict in groups})
    attack = f" under {under[0]}" if len(under) == 1 else ""
    if not wins:
        counts = ", ".join(
            f"{total} {words}"
            for state, words in _STATES.items()
            if (total := sum(verdict.count(state) for verdict in groups))
        )
        tickets = sum(len(verdict.tickets) for verdict in groups)
        among = f"{tickets} ticket" + "s" * (tickets != 1)
        return f"no double-win ticket is shown{attack} among {among} ({counts})"
    known = [verdict for verdict in groups if verdict.slug in wins]
    best = min(known, key=lambda v: wins[v.slug].kept / wins[v.slug].total)
    where = f"{best.group.pretrain.regime} pre-training on {task_title(best.group)}"
    attack, told = _verified(best, report, attack)
    one = f"extreme sparsity{attack} is {_shown(best, report)}"
    if len(groups) == 1:
        return f"{one} ({where}{_missing_numbers(best)}){told}"
    has = "has" if len(wins) == 1 else "have"
    return (
        f"{len(wins)} of {len(groups)} searches {has} a double-win ticket; the largest {one} "
        f"({where}{_missing_numbers(best)}){told}"
    )


def _shown(verdict: GroupJudged, report: Report) -> str:
    """An extreme sparsity with its confidence; one that a search confirmed with the search's."""
    search = report.searches.get(verdict.slug)
    won = report.decides(verdict)
    if verdict.extreme is None and search is not None and won is not None:
        shown = sparsity_text(won.kept, won.total)
        return f"at least {shown}, {100 * search.confidence:g}% confidence, by `dwlt frontier`"
    shown = extreme_text(verdict.decides).replace("≥ ", "at least ")
    if report.settings.rule == "margin":
        return f"{shown}, {100 * report.settings.confidence:g}% confidence"
    return shown


def _verified(best: GroupJudged, report: Report, attack: str) -> tuple[str, str]:
    """Under which attack the best ticket is a win, and what else the stronger one found.

    Returns:
        The first as " under AutoAttack", the second as the end of the sentence; ``attack`` and
        nothing where the ticket was not verified.
    """
    verified, won = report.verified.get(best.slug), report.decides(best)
    if verified is None or won is None or verified.ticket(won.round) is None:
        return attack, ""
    if verified.stands(won.round):
        return f" under {verified.name}", ""
    denser = verified.extreme
    if denser is None:
        return attack, f"; under {verified.name} no verified ticket is shown to be a double win"
    least = "at least " if report.settings.rule == "margin" else ""
    shown = sparsity_text(denser.kept, denser.total)
    return attack, f"; under {verified.name} it is {least}{shown}"


_STATES = {
    Verdict.DOUBLE_WIN: "double-win by themselves",
    Verdict.UNDECIDED: "undecided",
    Verdict.NOT: "falling short",
    Verdict.INCOMPLETE: "incomplete",
    Verdict.AT_FLOOR: "with a dense network at the floor",
}


def _missing_numbers(verdict: GroupJudged) -> str:
    judged = verdict.decides
    if len(judged.counted) == len(judged.numbers):
        return ""
    return f", on {len(judged.counted)} of {len(judged.numbers)} numbers"


def _next(groups: Sequence[GroupJudged], report: Report) -> tuple[str, str]:
    """What to do, and the command: first what is missing, then what is unclear."""
    # What a search for the frontier left out was not needed.
    whole = [v for v in groups if v.extreme is not None or report.decides(v) is None]
    lacking = [t for v in whole for t in v.tickets if t.verdict is Verdict.INCOMPLETE]
    if lacking:
        rounds = ",".join(map(str, sorted({0, *(t.ticket.round for t in lacking)})))
        words = " ".join(text for ticket in lacking for text in ticket.missing)
        adv = " --adv" if "adversarial" in words else ""
        count = f"{len(lacking)} incomplete ticket" + "s" * (len(lacking) > 1)
        return f"complete {count} with", f"dwlt transfer{adv} --rounds {rounds}{_seeds(groups)}"
    floor = sum(verdict.count(Verdict.AT_FLOOR) for verdict in groups)
    if floor and floor == sum(len(verdict.tickets) for verdict in groups):
        return (
            "the dense network must be better before a ticket can match it; train longer, and "
            "once more with --adv, with"
        ), "dwlt transfer --set transfer.standard.epochs=N --set transfer.adversarial.epochs=N"
    wins = [verdict for verdict in groups if report.decides(verdict) is not None]
    unclear = [t for v in whole for t in v.tickets if t.verdict is Verdict.UNDECIDED]
    if unclear or not wins:
        if unclear:
            counted = {c.match for t in unclear for c in t.comparisons if isinstance(c, Comparison)}
            short = Match.UNCLEAR in counted
            why = "more seeds decide what is unclear; run, and once more with --adv," * short
            fewest = min(verdict.seeds for verdict in groups)
            more = 3 if fewest < 3 else 5 if fewest < 5 else 2 * fewest
            return why or "more seeds decide; run", f"dwlt transfer --seeds {more}"
        return "every ticket falls short: try denser ones with", "dwlt transfer --rounds 1,2,3,4"
    if any(
        verdict.attack != "AutoAttack" and not _is_verified(verdict, report) for verdict in wins
    ):
        return "confirm the winner under a stronger attack with", "dwlt verify"
    return "look at the page, and repeat on another task with", "dwlt transfer --to TASK"


def _is_verified(verdict: GroupJudged, report: Report) -> bool:
    """Whether the ticket at the extreme sparsity, or a sparser one, was verified.

    `dwlt verify` attacks around the sparsest double win, which may lie beyond that ticket.
    """
    verified, won = report.verified.get(verdict.slug), report.decides(verdict)
    if verified is None or won is None:
        return False
    return any(ticket.ticket.round >= won.round for ticket in verified.after.tickets)


def _seeds(groups: Sequence[GroupJudged]) -> str:
    most = max(
        (
            len(net.seeds(regime))
            for v in groups
            for net in v.group.networks
            for regime in net.cells
        ),
        default=1,
    )
    return f" --seeds {most}" if most > 1 else ""
