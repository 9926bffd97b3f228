"""The first thing a report says: in one sentence what was found, and what to run next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dwlt.report.content import Report
from dwlt.report.names import task_title
from dwlt.report.verdicts import GroupVerdict, extreme_text
from dwlt.verdict.judge import Verdict
from dwlt.verdict.noninferiority import Comparison, Match


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


def _found(groups: Sequence[GroupVerdict], report: Report) -> str:
    wins = [verdict for verdict in groups if verdict.extreme is not None]
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
    best = min(wins, key=lambda v: v.extreme.kept / v.extreme.total if v.extreme else 1.0)
    where = f"{best.group.pretrain.regime} pre-training on {task_title(best.group)}"
    shown = extreme_text(best.main).replace("≥ ", "at least ")
    sure = ""
    if report.settings.rule == "margin":
        sure = f", {100 * report.settings.confidence:g}% confidence"
    one = f"extreme sparsity{attack} is {shown}{sure}"
    if len(groups) == 1:
        return f"{one} ({where}{_missing_numbers(best)})"
    return (
        f"{len(wins)} of {len(groups)} searches have a double-win ticket; the largest {one} "
        f"({where}{_missing_numbers(best)})"
    )


_STATES = {
    Verdict.DOUBLE_WIN: "double-win by themselves",
    Verdict.UNDECIDED: "undecided",
    Verdict.NOT: "falling short",
    Verdict.INCOMPLETE: "incomplete",
    Verdict.AT_FLOOR: "with a dense network at the floor",
}


def _missing_numbers(verdict: GroupVerdict) -> str:
    judged = verdict.main
    if len(judged.counted) == len(judged.numbers):
        return ""
    return f", on {len(judged.counted)} of {len(judged.numbers)} numbers"


def _next(groups: Sequence[GroupVerdict], report: Report) -> tuple[str, str]:
    """What to do, and the command: first what is missing, then what is unclear."""
    lacking = [t for v in groups for t in v.tickets if t.verdict is Verdict.INCOMPLETE]
    if lacking:
        rounds = ",".join(map(str, sorted({0, *(t.ticket.round for t in lacking)})))
        words = " ".join(text for ticket in lacking for text in ticket.missing)
        adv = " --adv" if "adversarial" in words else ""
        count = f"{len(lacking)} incomplete ticket" + "s" * (len(lacking) > 1)
        return f"complete {count} with", f"dwlt transfer{adv} --rounds {rounds}{_seeds(groups)}"
    floor = sum(verdict.count(Verdict.AT_FLOOR) for verdict in groups)
    if floor and floor == sum(len(verdict.tickets) for verdict in groups):
        return "the dense network must be better before a ticket can match it; train longer with", (
            "dwlt transfer --set transfer.standard.epochs=N"
        )
    unclear = [t for v in groups for t in v.tickets if t.verdict is Verdict.UNDECIDED]
    if unclear or not any(verdict.extreme for verdict in groups):
        if unclear:
            counted = {c.match for t in unclear for c in t.comparisons if isinstance(c, Comparison)}
            short = Match.UNCLEAR in counted
            why = "more seeds decide what is unclear; run, and once more with --adv," * short
            fewest = min(verdict.seeds for verdict in groups)
            more = 3 if fewest < 3 else 5 if fewest < 5 else 2 * fewest
            return why or "more seeds decide; run", f"dwlt transfer --seeds {more}"
        return "every ticket falls short: try denser ones with", "dwlt transfer --rounds 1,2,3,4"
    attacks = {verdict.attack for verdict in groups}
    if "AutoAttack" in attacks:
        return "look at the page, and repeat on another task with", "dwlt transfer --to TASK"
    return "confirm the winner under a stronger attack with", (
        "dwlt evaluate MODEL --attack autoattack"
    )


def _seeds(groups: Sequence[GroupVerdict]) -> str:
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
