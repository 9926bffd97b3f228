"""A figure's SVG made part of the page: its own ids, the page's colours, a text alternative."""

from __future__ import annotations

import re

from dwlt.report.canvas import INK, Ink
from dwlt.report.html import Html, element

_IDS = re.compile(r'\b(id="|href="#|url\(#)')


def inline_svg(svg: str, *, prefix: str, label: str) -> Html:
    """Turn a file's SVG into an element of the page.

    Args:
        svg: what matplotlib wrote.
        prefix: makes its ids differ from those of every other figure on the page.
        label: what the figure shows, for those who cannot see it.
    """
    start = svg.index("<svg")
    head_end = svg.index(">", start)
    body = svg[head_end + 1 : svg.rindex("</svg>")]
    view = re.search(r'viewBox="([0-9. -]+)"', svg[start:head_end])
    assert view is not None  # matplotlib always writes one
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = _IDS.sub(lambda match: f"{match[1]}{prefix}-", body)
    for name in Ink.__slots__:
        body = body.replace(getattr(INK, name), f"var(--{name})")
    # Fonts are the page's; matplotlib names DejaVu, which readers need not have.
    body = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", body)
    return element("svg", Html(body), viewBox=view[1], role="img", aria_label=label, class_="plot")
