"""The page's section on evaluations: tables by images, curves over eps, corruptions."""

from __future__ import annotations

from dwlt.report.evaluations import (
    Comparable,
    chain,
    comparable,
    corruption_rows,
    interval,
    model_title,
)
from dwlt.report.html import Html, element
from dwlt.report.inline import inline_svg
from dwlt.report.page_parts import caption, scroll
from dwlt.report.sweep import inline, points
from dwlt.results import EvaluateResult, ReportData


def evaluation_section(data: ReportData) -> Html:
    """Everything that ``dwlt evaluate`` measured; empty where it was never run."""
    groups = comparable(data)
    if not groups:
        return Html("")
    said = element(
        "p",
        "Numbers are percent with 95% Wilson intervals. RA is the worst case per sample over all "
        "attacks of a row; an attack sees the samples that stood before it. Only rows of one "
        "table were made on the same images.",
        class_="quiet",
    )
    parts = [_group(group) for group in groups]
    parts += [_curve(result, n) for n, result in enumerate(data.evaluate) if result.sweep]
    parts += [_corruptions(result) for result in data.evaluate if result.corruptions]
    return element("section", element("h2", "Evaluations"), said, *parts)


def _group(group: Comparable) -> Html:
    rows = [
        (
            model_title(result),
            result.run.label,
            result.test.attack or "–",
            interval(result.test.sa),
            interval(result.test.ra),
            chain(result),
            ", ".join(flag.code for flag in result.run.flags) or "–",
        )
        for result in group.results
    ]
    body = [
        element(
            "tr",
            element(
                "th", model, element("span", run, class_="sub id"), scope="row", class_="first wrap"
            ),
            *(element("td", text, class_="l wrap") for text in rest),
        )
        for model, run, *rest in rows
    ]
    head = ("Model", "Attack", "SA", "RA", "After each attack", "Flags")
    notes = f" {'; '.join(group.notes)}." if group.notes else ""
    return _table(f"{group.title}.{notes}", head, body, group.title)


def _curve(result: EvaluateResult, number: int) -> Html:
    told = ", ".join(f"{100 * point.ra.value:.1f}% at {point.eps}" for point in result.sweep)
    svg = inline_svg(
        inline(points(result), result.run.id), prefix=f"sweep{number}", label=f"RA over eps: {told}"
    )
    words = (
        f"RA as eps grows, {model_title(result)} ({result.run.label}), on {result.run.task.name}, "
        f"n = {result.test.sa.n:,}. A sound attack makes it fall, to 0 in the end."
    )
    plots = element("div", svg, class_="plots", style="max-width: 34rem")
    return element("figure", plots, element("figcaption", words))


def _corruptions(result: EvaluateResult) -> Html:
    body = [
        element(
            "tr",
            element("th", name, scope="row", class_="first"),
            *(element("td", value, class_="l") for value in values),
        )
        for name, *values in corruption_rows(result)
    ]
    n = result.corruptions[0].sa.n
    words = (
        f"SA in percent on corrupted images by severity, {model_title(result)} "
        f"({result.run.label}), n = {n:,} for each number."
    )
    head = ("Corruption", "1", "2", "3", "4", "5", "mean")
    return _table(words, head, body, f"Corruptions, {result.run.label}")


def _table(words: str, head: tuple[str, ...], body: list[Html], label: str) -> Html:
    columns = [
        element("th", text, scope="col", class_="l" if n else "first")
        for n, text in enumerate(head)
    ]
    table = element(
        "table",
        caption(words),
        element("thead", element("tr", *columns)),
        element("tbody", *body),
    )
    return scroll(table, label)
