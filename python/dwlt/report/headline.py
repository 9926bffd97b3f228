"""The headline: the extreme sparsity of every pre-training on every task, by every rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dwlt.report.names import task_title
from dwlt.report.place import PLACE, place
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.report.verdicts import crossing_shares, estimate_text, extreme_text
from dwlt.results import FrontierResult, RunRef
from dwlt.results.names import pretrain_names, rewind_text, search_names
from dwlt.spec.verdict import VerdictPart
from dwlt.units import sparsity_text
from dwlt.verdict.groups import Group
from dwlt.verdict.judge import Judged, Verdict
from dwlt.verdict.outcomes import Contender
from dwlt.verdict.together import GroupJudged, View
from dwlt.verdict.verified import VerifiedGroup

NET = ("round", "kept", "total", "sparsity")
TESTED = ("extreme", "confidence", "procedure", "rounds", "adjusted", "wins", "beyond")
ESTIMATED = ("sparsity", "low", "high", "confidence", "round", "covers_seeds")


def headline_table(
    searched: Sequence[GroupJudged],
    settings: VerdictPart,
    links: Mapping[str, str],
    verified: Mapping[str, VerifiedGroup],
    frontiers: Mapping[str, FrontierResult],
) -> Table:
    """One row for each search and task; controls have a table of their own.

    Args:
        searched: the groups of iterative searches.
        links: where on the page each group is, by its slug.
        verified: verdicts under a stronger attack, by the same.
        frontiers: searches for the frontier, by the same.
    """
    groups = sorted(searched, key=_order)
    known = [verdict.group for verdict in groups]
    pretrains = pretrain_names(group.pretrain for group in known)
    searches = search_names(group.prune for group in known)
    pairs = {(group.pretrain.id, group.prune.id) for group in known}
    several = len({pretrain for pretrain, _ in pairs}) < len(pairs)
    facts = shared_facts(groups)
    attacks = len({v.group.way.attack_spec for v in groups}) > 1
    counts = len({v.group.way.sa_n for v in groups}) > 1
    seeds = len({v.seeds for v in groups}) > 1
    decides = "margin" if settings.rule == "margin" else "paper"
    mine = {"margin": "margin rule, tested", "paper": "paper's rule"}
    mine[decides] += " (decides)"
    strict = settings.strict
    shown = any(verdict.slug in verified for verdict in groups)
    columns = (
        *PLACE,
        Column("start", "Pre-training", "pre-training", left=True, first=True, **_SHOWN),
        *([Column("by", "Tickets found by", "found by", left=True, **_SHOWN)] if several else []),
        Column("on", "Task", "task", left=True, **_SHOWN),
        *([Column("under", "RA", "RA", left=True, **_SHOWN)] if attacks else []),
        *([Column("images", "n", "n", **_SHOWN)] if counts else []),
        Column("prune_rewind", json=False),
        Column("prune_task", json=False),
        Column("n"),
        Column("seeds"),
        Column("extreme", mine["margin"].capitalize(), "tested", parts=NET, left=True),
        Column("one_checkpoint", parts=NET),
        Column("estimated", "Estimated", "estimated", parts=ESTIMATED, left=True),
        Column("paper", mine["paper"].capitalize(), "paper's rule", parts=NET, left=True, drop=2),
        Column("other", _other(strict), _other(strict).lower(), left=True, drop=1, **_SHOWN),
        *([Column("seeds_shown", "Seeds", "seeds", **_SHOWN)] if seeds else []),
        Column("rule"),
        Column("tested", parts=TESTED),
        Column("verified", "Verified" if shown else "", parts=(*NET, "attack"), left=True),
    )
    rows = []
    for verdict in groups:
        group = verdict.group
        cells: dict[str, Value] = {
            **place(group),
            "start": pretrains[group.pretrain.id],
            "by": searches[group.prune.id],
            "on": task_title(group),
            "under": verdict.attack,
            "images": group.way.sa_n,
            "prune_rewind": group.prune.rewind,
            "prune_task": group.prune.task,
            "n": group.way.sa_n,
            "seeds": verdict.seeds,
            "seeds_shown": verdict.seeds,
            "extreme": extreme_cell(
                verdict.margin, links[verdict.slug], frontiers.get(verdict.slug)
            ),
            "one_checkpoint": net_value(verdict.strict.extreme),
            "estimated": Entry(estimate_text(verdict), estimate_value(verdict)),
            "paper": Entry(extreme_text(verdict.paper), net_value(verdict.paper.extreme)),
            "other": extreme_text(verdict.views[View(settings.rule, not strict)]),
            "rule": verdict.rule,
            "tested": tested_value(verdict.margin),
            "verified": verified_cell(verified.get(verdict.slug), settings.rule),
        }
        # What the column of the deciding rule has always held, whichever rule that is.
        told = cells["extreme"]
        cells["extreme"] = Entry(
            told.text, net_value(verdict.extreme), small=told.small, link=told.link
        )
        rows.append(Row(cells))
    under = sorted({verdict.attack for verdict in groups})
    title = "Extreme sparsity"
    if len(under) == 1 and under[0] != "no attack":
        title = f"{title} under {under[0]}"
    return Table(
        "headline", title, columns, tuple(rows), _caption(settings, facts), ", ".join(facts)
    )


_SHOWN: Mapping[str, Any] = {"csv": False, "json": False}


def _other(strict: bool) -> str:
    return "Two checkpoints" if strict else "One checkpoint"


def _caption(settings: VerdictPart, facts: Sequence[str]) -> str:
    sure = f"{100 * settings.confidence:g}%"
    told = f" {'; '.join(facts)}." if facts else ""
    return (
        "The largest sparsity at which a ticket is a double win, by pre-training and downstream "
        f"task.{told} Tested: at least so sparse, with {sure} confidence over all declared rounds "
        "together. Estimated: where a rising curve through all rounds reaches the margin, with its "
        f"{sure} interval. Paper's rule: mean no lower than the dense mean less one standard "
        "deviation; it holds no error rate. One checkpoint: SA and RA of the same network."
    )


def extreme_cell(judged: Judged, link: str, search: FrontierResult | None = None) -> Entry:
    """A tested extreme sparsity; a win beyond a failure is shown as such.

    Where the grid that is there decides nothing, what a search for the frontier has confirmed: it
    transfers too few seeds of most rounds for the verdict on the whole grid.
    """
    small = []
    extreme = judged.extreme
    if extreme is None and search is not None and search.extreme is not None:
        shown = sparsity_text(search.kept or 0, search.total or 1)
        sure = f"{100 * search.confidence:g}% confidence"
        said = (f"round {search.extreme}", f"{sure}, by dwlt frontier")
        return Entry(f"≥ {shown}", small=said, link=link)
    if extreme is not None:
        small.append(f"round {extreme.round}")
    small += beyond_texts(judged)
    if beyond := undecided_beyond(judged):
        small.append(f"undecided: {beyond}")
    return Entry(extreme_text(judged), small=tuple(small), link=link)


def verified_cell(verified: VerifiedGroup | None, rule: str = "margin") -> Entry:
    """The extreme sparsity among the verified tickets, with the attack that it stands against."""
    if verified is None:
        return Entry("–")
    found = verified.extreme
    if found is None:
        return Entry(f"none, {verified.name}", {"attack": verified.stronger.label})
    text = sparsity_text(found.kept, found.total)
    least = "≥ " if rule == "margin" else ""
    value = (net_value(found) or {}) | {"attack": verified.stronger.label}
    return Entry(f"{least}{text}, {verified.name}", value)


def beyond_texts(judged: Judged) -> list[str]:
    """What a reader must know of wins beyond a declared ticket that is none; else nothing."""
    tested = judged.tested
    if tested is None or not tested.beyond:
        return []
    known = {ticket.ticket.round: ticket for ticket in judged.tickets}

    def named(rounds: Iterable[int]) -> str:
        names = []
        for number in rounds:
            found = known.get(number)
            lost = f"round {number}, not transferred,"
            names.append(
                lost if found is None else sparsity_text(found.ticket.kept, found.ticket.total)
            )
        return " and ".join(names)

    failed = [
        number
        for number in tested.rounds
        if number < tested.beyond[-1] and number not in (*tested.wins, *tested.beyond)
    ]
    several = len(tested.beyond) > 1
    are, itself = ("are double wins", "themselves") if several else ("is a double win", "itself")
    covered = set(tested.beyond) <= set(tested.wins)
    tail = "" if covered else f" and outside the {100 * tested.confidence:g}% confidence"
    return [
        f"{named(tested.beyond)} {are} by {itself}, beyond {named(failed)} not shown to match{tail}"
    ]


def undecided_beyond(judged: Judged) -> str | None:
    """The sparsity of the sparsest undecided ticket beyond the extreme one, where there is one."""
    extreme = judged.extreme
    beyond = [
        ticket.ticket
        for ticket in judged.tickets
        if ticket.verdict is Verdict.UNDECIDED
        and (extreme is None or ticket.ticket.kept < extreme.kept)
    ]
    if not beyond:
        return None
    network = min(beyond, key=lambda net: net.kept)
    return sparsity_text(network.kept, network.total)


def shared_facts(groups: Sequence[GroupJudged]) -> tuple[str, ...]:
    """Attack, number of test images and number of seeds, each where all groups agree on it."""
    facts = []
    attacks = {verdict.group.attack for verdict in groups}
    if len(attacks) == 1 and (attack := attacks.pop()):
        facts.append(f"RA: {attack}")
    if len(counts := {verdict.group.way.sa_n for verdict in groups}) == 1:
        facts.append(f"n = {counts.pop():,} test images")
    if len(seeds := {verdict.seeds for verdict in groups}) == 1:
        count = seeds.pop()
        facts.append(f"{count} seed{'' if count == 1 else 's'}")
    return tuple(facts)


def _order(verdict: GroupJudged) -> tuple[object, ...]:
    group = verdict.group
    search, way = group.prune, group.way
    start = (group.pretrain.rank, group.pretrain.label)
    found = (search.rank, rewind_text(search.rewind), search.label)
    measured = (group.task.name, way.attack or "", way.attack_spec, way.sa_n, -group.fraction)
    return (*start, *found, *measured)


def net_value(network: Contender | None) -> dict[str, Value] | None:
    """A ticket for programs: round, kept, total, sparsity; None for none."""
    if network is None:
        return None
    shown = sparsity_text(network.kept, network.total)
    return dict(zip(NET, (network.round, network.kept, network.total, shown), strict=True))


def tested_value(judged: Judged) -> dict[str, Value] | None:
    """The tested extreme sparsity for programs."""
    return (
        None
        if judged.tested is None
        else asdict(judged.tested) | {"extreme": judged.tested.extreme}
    )


def estimate_value(verdict: GroupJudged) -> dict[str, Value] | None:
    """The estimated extreme sparsity for programs; an end beyond the last round is null."""
    estimated = verdict.decides.estimated
    if estimated is None:
        return None
    joint = estimated.joint
    shares = crossing_shares(verdict, joint)
    return {
        "sparsity": shares["round"],
        "low": shares["low"],
        "high": shares["high"],
        "round": joint.round,
        "confidence": joint.confidence,
        "last_round": joint.last,
        "covers_seeds": joint.covers_seeds,
    }


def group_place(verdict: GroupJudged) -> dict[str, Value]:
    """What a group is, for programs."""
    group: Group = verdict.group
    return {
        "group": verdict.slug,
        "pretrain": pretrain_json(group.pretrain),
        "prune": asdict(group.prune),
        "task": group.task.name,
        "fraction": group.fraction,
        "attack": group.attack,
    }


def pretrain_json(ref: RunRef) -> dict[str, Value]:
    """A pre-training run; its "method" has always been there and says nothing."""
    return asdict(ref) | {"method": ""}
