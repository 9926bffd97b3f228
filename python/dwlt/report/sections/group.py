"""One group on the page: verdicts, figures, the one-checkpoint verdict, and the protocol."""

from __future__ import annotations

from dwlt.report.content import Report
from dwlt.report.figures import panels
from dwlt.report.headline import extreme_text
from dwlt.report.html import Html, element, join
from dwlt.report.inline import inline_svg
from dwlt.report.names import method_names, pretrain_names, rewind_text
from dwlt.report.page_parts import badge, caption, folded, scroll
from dwlt.report.protocol import protocol_section
from dwlt.report.tables import MARKS, percent, seeds_text
from dwlt.results import sparsity
from dwlt.verdict.groups import REGIMES, share
from dwlt.verdict.rule import (
    NUMBERS,
    Comparison,
    GroupVerdict,
    Judged,
    Match,
    Number,
    TicketVerdict,
    needed,
)

_WORDS = {
    Match.MATCH: "matches the dense network",
    Match.SHORT: "falls short",
    Match.UNCLEAR: "unclear",
    Match.MISSING: "missing",
}


def group_titles(report: Report) -> dict[str, str]:
    """What each group is called on the page, by its slug, so that no two are called the same."""
    pretrains = pretrain_names(verdict.group.pretrain for verdict in report.groups)
    titles = {}
    for verdict in report.groups:
        group = verdict.group
        alike = [
            other.group.prune
            for other in report.groups
            if other.group.pretrain.id == group.pretrain.id
        ]
        part = f", {share(group.fraction)} of the training data" if group.fraction < 1 else ""
        pretrain = pretrains[group.pretrain.id].replace(" (", " pre-training (", 1)
        pretrain = pretrain if "(" in pretrain else f"{pretrain} pre-training"
        search = method_names(alike)[group.prune.id]
        titles[verdict.slug] = (
            f"{pretrain[:1].upper()}{pretrain[1:]} → {group.task.name}{part}: {search} tickets"
        )
    return titles


def group_body(verdict: GroupVerdict, title: str, index: int, *, drawn: bool = True) -> Html:
    """Everything about one group below its title.

    Args:
        verdict: the group.
        title: what it is called.
        index: makes ids of this group differ from those of all others.
        drawn: with the four figures; many controls would make the page too heavy for little.
    """
    return join(
        element("p", _found(verdict), _conclusion(verdict), " ", *_runs(verdict)),
        scroll(_verdict_table(verdict, verdict.main), f"Verdicts, {title}"),
        _missing(verdict),
        _plots(verdict, index) if drawn else Html(""),
        _one_checkpoint(verdict, title),
        protocol_section(verdict.group),
    )


def _found(verdict: GroupVerdict) -> str:
    """How the tickets were found, in a sentence."""
    search = verdict.group.prune
    if search.regime == "none":
        return "Found without training. "
    on = f" on {search.task}" if search.task is not None else ""
    rewound = rewind_text(search.rewind)
    return f"Found under {search.regime} training{on}{', ' if rewound else ''}{rewound}. "


def _runs(verdict: GroupVerdict) -> list[Html]:
    group = verdict.group
    said = [
        element("span", "Pre-training run ", class_="quiet"),
        element("span", group.pretrain.label, class_="id"),
        element("span", ", prune run ", class_="quiet"),
        element("span", group.prune.label, class_="id"),
    ]
    if group.prune.of is not None:
        of = f"{group.prune.of.name}-{group.prune.of.id}"
        said += [element("span", ", made from ", class_="quiet"), element("span", of, class_="id")]
    return [*said, element("span", ".", class_="quiet")]


def _one_checkpoint(verdict: GroupVerdict, title: str) -> Html:
    """The strict verdict, folded: it decides nothing."""
    if not verdict.tickets:
        return Html("")
    return folded(
        f"One-checkpoint verdict: extreme sparsity {extreme_text(verdict.strict)}",
        element(
            "p",
            "The same rule, with SA and RA both of the checkpoint with the best validation RA, so "
            "that one and the same network has to be good at both. The verdict above takes SA from "
            "the checkpoint with the best validation SA, as the paper does.",
            class_="quiet",
        ),
        scroll(_verdict_table(verdict, verdict.strict), f"One-checkpoint verdicts, {title}"),
    )


def _conclusion(verdict: GroupVerdict) -> Html:
    extreme = verdict.extreme
    if extreme is not None:
        return join(
            "Extreme sparsity ",
            element("strong", extreme_text(verdict.main)),
            f" (round {extreme.network.round}: {extreme.network.kept:,} of "
            f"{extreme.network.total:,} weights kept).",
        )
    if not verdict.tickets:
        return join("No ticket has been transferred yet.")
    return join("No ticket here is a double-win.")


def _verdict_table(verdict: GroupVerdict, judged: Judged) -> Html:
    """The networks by round; with the one-checkpoint verdict beside where it is not about that."""
    spread = "one binomial standard error (single seed)"
    if any(level is not None and level.seeds > 1 for level in judged.dense):
        spread = "one standard deviation over seeds"
    images = sorted({level.n for level in judged.dense if level is not None})
    n = f" (n = {' and '.join(f'{count:,}' for count in images)} test images)" if images else ""
    top = element(
        "tr",
        element("th", "Sparsity", scope="col", rowspan=2, class_="first"),
        element("th", "Verdict", scope="col", rowspan=2, class_="l"),
        element("th", "Standard transfer", scope="colgroup", colspan=2, class_="std"),
        element("th", "Adversarial transfer", scope="colgroup", colspan=2, class_="adv"),
        *(
            element("th", text, scope="col", rowspan=2)
            for text in ("Seeds", "Round", "Weights kept")
        ),
        *(
            [element("th", "One checkpoint", scope="col", rowspan=2, class_="l far")]
            if judged is verdict.main
            else []
        ),
    )
    kinds = [element("th", number.kind.upper(), _mark(None), scope="col") for number in NUMBERS]
    rows = _dense_rows(verdict, judged)
    for ticket, strict in zip(judged.tickets, verdict.strict.tickets, strict=True):
        rows.append(_ticket_row(judged, ticket, strict if judged is verdict.main else None))
    return element(
        "table",
        caption(
            f"Test accuracy in percent{n}: mean ± {spread}. "
            "✓ matches the dense network, ? unclear, ✗ falls short beyond doubt, – not measured.",
        ),
        element("thead", top, element("tr", *kinds)),
        element("tbody", *rows),
    )


def _dense_rows(verdict: GroupVerdict, judged: Judged) -> list[Html]:
    dense = verdict.group.dense
    if dense is None:
        return []
    numbers = [element("td", percent(level), _mark(None)) for level in judged.dense]
    bounds = [
        element("td", "–" if level is None else f"≥ {100 * needed(level):.2f}", _mark(None))
        for level in judged.dense
    ]
    counts = tuple(len(dense.seeds(regime)) for regime in REGIMES)
    beside = [element("td", "")] if judged is verdict.main else []
    return [
        element(
            "tr",
            element("th", sparsity(dense.kept, dense.total), scope="row", class_="first"),
            element("td", element("span", "dense", class_="badge"), class_="l"),
            *numbers,
            element("td", seeds_text(counts)),
            element("td", "0"),
            element("td", f"{dense.kept:,}"),
            *beside,
            class_="dense",
        ),
        element(
            "tr",
            element("th", "to match", scope="row", class_="first"),
            element("td", "", class_="l"),
            *bounds,
            *(element("td", "") for _ in range(3)),
            *beside,
            class_="dense quiet",
        ),
    ]


def _ticket_row(judged: Judged, ticket: TicketVerdict, strict: TicketVerdict | None) -> Html:
    network = ticket.network
    counts = tuple(len(network.seeds(regime)) for regime in REGIMES)
    extreme = judged.extreme is ticket
    return element(
        "tr",
        element("th", sparsity(network.kept, network.total), scope="row", class_="first"),
        element("td", badge(ticket.verdict, extreme=extreme), class_="l"),
        *(element("td", percent(c.level), _mark(c)) for c in ticket.comparisons),
        element("td", seeds_text(counts)),
        element("td", str(network.round)),
        element("td", f"{network.kept:,}"),
        *([element("td", badge(strict.verdict), class_="l far")] if strict is not None else []),
        class_="extreme" if extreme else None,
    )


def _mark(comparison: Comparison | None) -> Html:
    """The sign behind a number, with its words for screen readers and on hover."""
    if comparison is None or comparison.level is None:
        return element("span", "", class_="mark", aria_hidden="true")
    words = _WORDS[comparison.match]
    detail = words
    if comparison.gap is not None and comparison.error is not None:
        gap, error = 100 * comparison.gap, 100 * comparison.error
        detail = f"{words}: {gap:+.2f} against what is needed, error {error:.2f}"
    sign = element("span", MARKS[comparison.match], aria_hidden="true")
    return element(
        "span",
        sign,
        element("span", words, class_="vh"),
        class_=f"mark {comparison.match.value}",
        title=detail,
    )


def _missing(verdict: GroupVerdict) -> Html:
    lacking = [ticket for ticket in verdict.tickets if ticket.missing]
    if not lacking:
        return Html("")
    items = [
        element(
            "li",
            f"{sparsity(ticket.network.kept, ticket.network.total)} "
            f"(round {ticket.network.round}): {'; '.join(ticket.missing)}",
        )
        for ticket in lacking
    ]
    return element(
        "details",
        element("summary", f"What is missing ({len(lacking)} incomplete)"),
        element("ul", *items, class_="list"),
    )


def _plots(verdict: GroupVerdict, index: int) -> Html:
    drawn = [
        inline_svg(svg, prefix=f"g{index}-{number.key}", label=_description(verdict, number))
        for number, svg in panels(verdict).items()
    ]
    return element(
        "figure",
        element("div", *drawn, class_="plots"),
        element(
            "figcaption",
            "Accuracy on the test set against sparsity. Dashed: the dense network; the band is its "
            "tolerance. A marker shows the verdict on all four numbers: filled diamond double-win, "
            "open circle undecided, open triangle not, dot incomplete. Error bars as in the table.",
        ),
    )


def _description(verdict: GroupVerdict, number: Number) -> str:
    at = NUMBERS.index(number)
    dense = verdict.dense[at]
    points = [
        f"{sparsity(t.network.kept, t.network.total)}: {percent(t.comparisons[at].level)}"
        for t in verdict.tickets
    ]
    start = f"dense {percent(dense)}"
    return f"{number.title}, percent, by sparsity: {', '.join([start, *points])}"
