"""Parts of the page that its sections share, and the two at its end: other results, runs."""

from __future__ import annotations

from dwlt.report.content import Report
from dwlt.report.html import Html, element
from dwlt.report.tables import accuracy
from dwlt.results import Score
from dwlt.verdict.rule import Verdict


def scroll(table: Html, label: str) -> Html:
    """A table that scrolls sideways where it does not fit, by keyboard too, and says so."""
    region = element("div", table, class_="scroll", role="region", aria_label=label, tabindex=0)
    hint = element("div", "more to the right →", class_="hint", aria_hidden="true")
    return element("div", region, hint, class_="frame")


def caption(text: str) -> Html:
    """What a table is; it stays in view when a wide table is scrolled."""
    return element("caption", element("span", text))


def badge(verdict: Verdict, *, extreme: bool = False) -> Html:
    """A verdict in words, coloured as well."""
    text = f"{verdict.value}, sparsest" if extreme else verdict.value
    return element("span", text, class_=f"badge {verdict.value}")


def folded(title: str, *children: str, id_: str | None = None, unfolded: bool = False) -> Html:
    """Content behind a title that opens it; a link to ``id_`` opens it too."""
    return element(
        "details",
        element("summary", title),
        element("div", *children, id=id_),
        open="" if unfolded else None,
    )


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
