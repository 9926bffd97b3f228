"""When two names of a class are one name.

An accented letter can be written as one code point (NFC) or as a letter and a combining mark (NFD,
which macOS gives to files). Both look the same and mean the same class.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def key(name: str) -> str:
    """What a name is compared by: its composed form. The name itself is kept as it was found."""
    return unicodedata.normalize("NFC", name)


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Sorted names, of those that are one name only the first."""
    kept: dict[str, str] = {}
    for name in sorted(set(names)):
        kept.setdefault(key(name), name)
    return tuple(kept.values())


def some(names: Iterable[object], most: int = 5) -> str:
    """A list for a message: the first few, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
