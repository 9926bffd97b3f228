"""Flags of results, warnings of files, and unfinished runs on the page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from dwlt.report.content import Report
from dwlt.report.html import Html, element, join
from dwlt.report.page_parts import folded
from dwlt.results import Notice

_UNFOLDED = 4
"""More notices of one kind than this are folded: a large grid would bury the rare ones."""


def notice_section(report: Report) -> Html:
    """All of them; the section is there even when there are none."""
    return element(
        "section",
        element("h2", "Flags and warnings"),
        _notice_list("Flags: what to keep in mind about these results", report.flags),
        _notice_list("Warnings: what was kept apart or left out", report.warnings),
        _unfinished(report),
        id="notices",
    )


def _notice_list(title: str, notices: Sequence[Notice]) -> Html:
    if not notices:
        return join(element("h3", title), element("p", "None.", class_="quiet"))
    parts = []
    ordered = sorted(notices, key=lambda notice: notice.code)
    for code, alike in groupby(ordered, lambda notice: notice.code):
        parts.append(_kind(code, list(alike)))
    return join(element("h3", title), *parts)


def _kind(code: str, notices: Sequence[Notice]) -> Html:
    items = [
        element(
            "li",
            element("strong", code),
            " · ",
            notice.text,
            " ",
            element("span", notice.where, class_="sub"),
        )
        for notice in notices
    ]
    found = element("ul", *items, class_="list")
    return found if len(notices) <= _UNFOLDED else folded(f"{code}: {len(notices)}", found)


def _unfinished(report: Report) -> Html:
    if not report.data.unfinished:
        return Html("")
    items = [
        element("li", element("code", run.folder), f": {run.detail}")
        for run in report.data.unfinished
    ]
    return join(
        element("h3", "Unfinished runs"),
        element("p", "Run the same command again and it goes on where it stopped.", class_="quiet"),
        element("ul", *items, class_="list"),
    )
