"""The larger sections of the page: a group's verdict, layer densities, runs."""

from __future__ import annotations

from dwlt.report.densities import DensityTable, density_tables
from dwlt.report.figures import panels
from dwlt.report.groups import REGIMES, share
from dwlt.report.html import Html, element, join
from dwlt.report.inline import inline_svg
from dwlt.report.protocol import protocol_section
from dwlt.report.records import Layer, Score, sparsity
from dwlt.report.tables import MARKS, accuracy, extreme_text, percent, seeds_text
from dwlt.report.verdict import (
    NUMBERS,
    Comparison,
    GroupVerdict,
    Match,
    Number,
    Report,
    TicketVerdict,
    Verdict,
    needed,
)

_WORDS = {
    Match.MATCH: "matches the dense network",
    Match.SHORT: "falls short",
    Match.UNCLEAR: "unclear",
    Match.MISSING: "missing",
}


def scroll(table: Html, label: str) -> Html:
    """A table that scrolls sideways where it does not fit, by keyboard too, and says so."""
    region = element("div", table, class_="scroll", role="region", aria_label=label, tabindex=0)
    hint = element("div", "more to the right →", class_="hint", aria_hidden="true")
    return element("div", region, hint, class_="frame")


def caption(text: str) -> Html:
    """What a table is; it stays in view when a wide table is scrolled."""
    return element("caption", element("span", text))


def first_word(title: str) -> Html:
    """A column title with what follows the comma in small print."""
    head, _, rest = title.partition(", ")
    return join(head, element("span", rest, class_="sub")) if rest else join(head)


def name_and_id(text: str) -> tuple[Html, ...]:
    """ "regime (name-id)" with the run's name on a line of its own."""
    head, _, rest = text.partition(" (")
    return (join(head), element("span", rest.removesuffix(")"), class_="sub id"))


def group_section(verdict: GroupVerdict, index: int) -> Html:
    """Verdict, figures and protocol of one group."""
    group = verdict.group
    part = f", {share(group.fraction)} of the training data" if group.fraction < 1 else ""
    where = f"{group.pretrain.regime} pre-training → {group.task.name}{part}"
    title = f"{where}: {group.prune.method} tickets"
    return element(
        "section",
        element("h2", title[:1].upper() + title[1:]),
        element(
            "p",
            f"Found under {group.prune.regime} training. ",
            _conclusion(verdict),
            " ",
            element("span", "Pre-training run ", class_="quiet"),
            element("span", f"{group.pretrain.name}-{group.pretrain.id}", class_="id"),
            element("span", ", prune run ", class_="quiet"),
            element("span", f"{group.prune.name}-{group.prune.id}", class_="id"),
            element("span", ".", class_="quiet"),
        ),
        scroll(_verdict_table(verdict), f"Verdicts, {title}"),
        _missing(verdict),
        _plots(verdict, index),
        protocol_section(group),
        id=f"group-{index + 1}",
    )


def _conclusion(verdict: GroupVerdict) -> Html:
    extreme = verdict.extreme
    if extreme is not None:
        return join(
            "Extreme sparsity ",
            element("strong", extreme_text(verdict)),
            f" (round {extreme.network.round}: {extreme.network.kept:,} of "
            f"{extreme.network.total:,} weights kept).",
        )
    if not verdict.tickets:
        return join("No ticket has been transferred yet.")
    return join("No ticket here is a double-win.")


def _verdict_table(verdict: GroupVerdict) -> Html:
    spread = "one binomial standard error (single seed)"
    if any(level is not None and level.seeds > 1 for level in verdict.dense):
        spread = "one standard deviation over seeds"
    images = sorted({level.n for level in verdict.dense if level is not None})
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
    )
    kinds = [element("th", number.kind.upper(), _mark(None), scope="col") for number in NUMBERS]
    rows = [*_dense_rows(verdict), *(_ticket_row(verdict, ticket) for ticket in verdict.tickets)]
    return element(
        "table",
        caption(
            f"Test accuracy in percent{n}: mean ± {spread}. "
            "✓ matches the dense network, ? unclear, ✗ falls short beyond doubt, – not measured.",
        ),
        element("thead", top, element("tr", *kinds)),
        element("tbody", *rows),
    )


def _dense_rows(verdict: GroupVerdict) -> list[Html]:
    dense = verdict.group.dense
    if dense is None:
        return []
    numbers = [element("td", percent(level), _mark(None)) for level in verdict.dense]
    bounds = [
        element("td", "–" if level is None else f"≥ {100 * needed(level):.2f}", _mark(None))
        for level in verdict.dense
    ]
    counts = tuple(len(dense.seeds(regime)) for regime in REGIMES)
    return [
        element(
            "tr",
            element("th", sparsity(dense.kept, dense.total), scope="row", class_="first"),
            element("td", element("span", "dense", class_="badge"), class_="l"),
            *numbers,
            element("td", seeds_text(counts)),
            element("td", "0"),
            element("td", f"{dense.kept:,}"),
            class_="dense",
        ),
        element(
            "tr",
            element("th", "to match", scope="row", class_="first"),
            element("td", "", class_="l"),
            *bounds,
            *(element("td", "") for _ in range(3)),
            class_="dense quiet",
        ),
    ]


def _ticket_row(verdict: GroupVerdict, ticket: TicketVerdict) -> Html:
    network = ticket.network
    counts = tuple(len(network.seeds(regime)) for regime in REGIMES)
    extreme = verdict.extreme is ticket
    return element(
        "tr",
        element("th", sparsity(network.kept, network.total), scope="row", class_="first"),
        element("td", badge(ticket.verdict, extreme=extreme), class_="l"),
        *(element("td", percent(c.level), _mark(c)) for c in ticket.comparisons),
        element("td", seeds_text(counts)),
        element("td", str(network.round)),
        element("td", f"{network.kept:,}"),
        class_="extreme" if extreme else None,
    )


def badge(verdict: Verdict, *, extreme: bool = False) -> Html:
    """A verdict in words, coloured as well."""
    text = f"{verdict.value}, sparsest" if extreme else verdict.value
    return element("span", text, class_=f"badge {verdict.value}")


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


def density_sections(report: Report) -> Html:
    """Per-layer densities of each prune run that a report has something about."""
    tables = density_tables(report)
    if not tables:
        return Html("")
    drawn = []
    for table in tables:
        drawn += [element("h3", table.title), scroll(_density_table(table), table.title)]
    return element("section", element("h2", "Density of each layer"), *drawn)


def _density_table(table: DensityTable) -> Html:
    names = [sparsity(column.kept, column.total) for column in table.columns]
    heads = [element("th", name.removesuffix("%"), scope="col") for name in names]
    rows = []
    for at, layer in enumerate(table.columns[0].layers):
        cells = []
        for column in table.columns:
            here = column.layers[at]
            cells.append(
                element(
                    "td",
                    _density(here),
                    class_=None if here.kept else "gone",
                    style=f"background: rgba(var(--heat), {0.42 * here.density**0.5:.3f})",
                )
            )
        name = element("th", layer.name, scope="row", class_="first")
        rows.append(element("tr", name, *cells, element("td", f"{layer.total:,}")))
    return element(
        "table",
        caption(
            "Weights kept, in percent of the layer, by sparsity of the ticket in percent. "
            "✗ nothing is kept."
        ),
        element(
            "thead",
            element(
                "tr",
                element("th", "Layer", scope="col", class_="first"),
                *heads,
                element("th", "weights", scope="col"),
            ),
        ),
        element("tbody", *rows),
        class_="heat",
    )


def _density(layer: Layer) -> Html:
    if layer.kept:
        return join(f"{100 * layer.density:.2f}")
    return join(element("span", "✗", aria_hidden="true"), element("span", "nothing", class_="vh"))


def other_results(report: Report) -> Html:
    """Pre-training results: accuracies that no verdict is about."""
    rows = [
        (
            "pretrain",
            result.run.label,
            f"{result.regime}, seed {result.seed}",
            result.run.task.name,
            result.test,
        )
        for result in report.data.pretrain
    ]
    if not rows:
        return Html("")
    head = ("Run", "What", "Task", "SA", "RA", "n", "Attack")
    body = [
        element(
            "tr",
            element(
                "th", stage, element("span", run, class_="sub id"), scope="row", class_="first"
            ),
            element("td", what, class_="l wrap"),
            element("td", task, class_="l wrap"),
            *_score_cells(score),
        )
        for stage, run, what, task, score in rows
    ]
    table = element(
        "table",
        caption("Test accuracy in percent, with the number of test images."),
        element(
            "thead",
            element(
                "tr",
                *(
                    element("th", text, scope="col", class_="first" if not i else "l")
                    for i, text in enumerate(head)
                ),
            ),
        ),
        element("tbody", *body),
    )
    title = "Pre-training"
    return element("section", element("h2", title), scroll(table, title))


def _score_cells(score: Score) -> list[Html]:
    return [
        element("td", accuracy(score.sa), class_="l"),
        element("td", accuracy(score.ra), class_="l"),
        element("td", f"{score.sa.n:,}", class_="l"),
        element("td", score.attack or "–", class_="l"),
    ]


def reproduce(report: Report) -> Html:
    """Every run behind the page, and how to get the page again."""
    items = [
        element("li", element("code", run.folder), f", finished {run.finished}")
        for run in report.data.runs
    ]
    return element(
        "section",
        element("h2", "How to reproduce this"),
        element(
            "p",
            "Every run folder holds its settings (",
            element("code", "spec.toml"),
            ") and a journal with the digests of its files; the eight characters at the end of its "
            "name are the digest of those settings and of what it starts from. The same command "
            "gives the same run.",
        ),
        element(
            "pre",
            element(
                "code", "dwlt runs show ID\ndwlt runs verify\ndwlt report --runs DIR --out DIR"
            ),
        ),
        element(
            "details",
            element("summary", f"The {len(items)} runs behind this page"),
            element("ul", *items, class_="list"),
        ),
    )
