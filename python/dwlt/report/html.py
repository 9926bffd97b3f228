"""HTML made from calls, so that nothing gets onto the page unescaped by accident."""

from __future__ import annotations

from html import escape


class Html(str):
    """Text that is markup already. Only ``element``, ``join`` and trusted constants make it."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | int | None) -> Html:
    """``<name attributes>children</name>``; children that are not Html are escaped.

    Attribute names lose a trailing underscore, and inner ones become dashes (``class_``,
    ``aria_label``); an attribute that is None is left out.
    """
    spelled = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{spelled}>{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Children one after the other, those that are not Html escaped."""
    return Html("".join(c if isinstance(c, Html) else escape(c, quote=True) for c in children))
