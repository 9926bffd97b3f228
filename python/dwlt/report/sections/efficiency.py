"""Data efficiency on the page: figures, extreme sparsity per fraction, and the numbers."""

from __future__ import annotations

from dwlt.report.content import Report
from dwlt.report.efficiency import Curve, EfficiencyTable, Point, Series, efficiency_tables
from dwlt.report.efficiency_figure import colour_names, efficiency_panels, looks
from dwlt.report.headline import extreme_text, seeds_text
from dwlt.report.html import Html, element, join
from dwlt.report.inline import inline_svg
from dwlt.report.page_parts import badge, caption, folded, scroll
from dwlt.report.tables import percent
from dwlt.verdict.groups import share
from dwlt.verdict.rule import NUMBERS, Number


def efficiency_section(report: Report) -> Html:
    """One part per task; nothing where no task was transferred to with two fractions."""
    tables = efficiency_tables(report)
    if not tables:
        return Html("")
    parts = [_part(table, at) for at, table in enumerate(tables)]
    return element("section", element("h2", "Data efficiency"), *parts)


def _part(table: EfficiencyTable, index: int) -> Html:
    drawn = [
        inline_svg(svg, prefix=f"d{index}-{number.key}", label=_description(table, number))
        for number, svg in efficiency_panels(table).items()
    ]
    attack = f" RA: {table.attack}." if table.attack else ""
    return join(
        element("h3", table.title),
        scroll(_extremes(table), f"Extreme sparsity by fraction, {table.title}"),
        element(
            "figure",
            _key(table),
            element("div", *drawn, class_="plots"),
            element(
                "figcaption",
                f"Accuracy on the test set by share of the training data.{attack} Error bars: one "
                "standard deviation over seeds, or one binomial standard error of a single seed.",
            ),
        ),
        folded("The numbers", scroll(_numbers(table), f"Numbers by fraction, {table.title}")),
    )


def _key(table: EfficiencyTable) -> Html:
    """The colours and signs of the four panels, once for all."""
    items = [
        element("li", element("span", "", class_=f"swatch {colour}"), name)
        for name, colour in colour_names(table).items()
    ]
    items.append(element("li", "□ dashed: dense"))
    items += [
        element("li", f"{sign} {name} sparsity") for name, (_, _, sign) in looks(table).items()
    ]
    return element("ul", *items, class_="key")


def _extremes(table: EfficiencyTable) -> Html:
    rows = []
    for curve in table.curves:
        by_fraction = {verdict.group.fraction: verdict for verdict in curve.groups}
        cells = [
            element(
                "td",
                extreme_text(by_fraction[fraction].main) if fraction in by_fraction else "–",
            )
            for fraction in table.fractions
        ]
        rows.append(element("tr", element("th", curve.name, scope="row", class_="first"), *cells))
    heads = [element("th", share(fraction), scope="col") for fraction in table.fractions]
    return element(
        "table",
        caption("Extreme sparsity by pre-training and share of the training data."),
        element(
            "thead",
            element("tr", element("th", "Pre-training", scope="col", class_="first"), *heads),
        ),
        element("tbody", *rows),
    )


def _numbers(table: EfficiencyTable) -> Html:
    rows = [
        _number_row(curve, series, point)
        for curve in table.curves
        for series in curve.series
        for point in series.points
    ]
    heads = [
        element("th", f"{number.kind.upper()}, {number.regime}", scope="col") for number in NUMBERS
    ]
    return element(
        "table",
        caption("Test accuracy in percent, mean ± spread over seeds."),
        element(
            "thead",
            element(
                "tr",
                element("th", "Network", scope="col", class_="first"),
                element("th", "Data", scope="col"),
                element("th", "Verdict", scope="col", class_="l"),
                *heads,
                element("th", "Seeds", scope="col"),
            ),
        ),
        element("tbody", *rows),
    )


def _number_row(curve: Curve, series: Series, point: Point) -> Html:
    state = element("span", "dense", class_="badge")
    if point.verdict is not None:
        state = badge(point.verdict)
    return element(
        "tr",
        element("th", f"{curve.name}, {series.name}", scope="row", class_="first"),
        element("td", share(point.fraction)),
        element("td", state, class_="l"),
        *(element("td", percent(level)) for level in point.levels),
        element("td", str(point.seeds)),
        class_="dense" if point.verdict is None else None,
    )


def _description(table: EfficiencyTable, number: Number) -> str:
    """The panel in words."""
    lines = [
        f"{curve.name} {series.name}: "
        + ", ".join(
            f"{share(point.fraction)} {percent(point.level(number))} ({seeds_text(point.seeds)})"
            for point in series.points
        )
        for curve in table.curves
        for series in curve.series
    ]
    return f"{number.title}, percent, by share of the training data: {'; '.join(lines)}"
