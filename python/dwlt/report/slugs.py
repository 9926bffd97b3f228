"""Names of groups and tables that are safe as file names."""

from __future__ import annotations

from collections.abc import Iterable


def unique_slug(parts: Iterable[str], taken: set[str]) -> str:
    """Join parts into a name that is safe on every file system, and remember it."""
    text = "-".join(parts).lower()
    safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in text)
    base = "-".join(piece for piece in safe.split("-") if piece)[:80] or "group"
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    taken.add(name)
    return name
