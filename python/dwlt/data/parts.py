"""How the name of a file or folder tells which part of a set it belongs to.

A name tells a part by a word anywhere in it that stands between signs, digits, or a change from
small to capital letters: ``x-train``, ``x_test.v2``, ``partial-train``, ``MyVal``. The words are
those of the Hugging Face hub, and what is common beside them (``trainset``, ``trn`` and ``tst``).
"""

from __future__ import annotations

import re

from dwlt.data import names

PARTS = ("train", "validation", "test")

_WORDS = {
    # "trainval" is how Pascal VOC and Oxford Pets call what one trains on before testing.
    "train": ("train", "training", "trainval", "trn"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation", "tst"),
}
_ENDING = r"(?:set|sets|data|split|images|imgs|files)?"
_TELLS = {part: re.compile(rf"(?:{'|'.join(listed)}){_ENDING}") for part, listed in _WORDS.items()}
_LETTERS = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Cheap and necessary for `told` to find anything; nearly all names of images fail it.
_POSSIBLE = re.compile("tra?i?n|val|dev|te?st", re.IGNORECASE)

_INSIDE = {"train": "train", "validation": "valid", "test": "test"}
# Words that hold "train", "valid" or "test" and say nothing of parts.
_ORDINARY = re.compile(
    r"(?:fas|grea|la|smar|shor|brigh|ligh|sof|con|pro)tests?|(?:un)?tested"
    r"|(?:un|pre)?train(?:ed|er|ers|able|s)|pretrain(?:ing)?|(?:re|con)?strain(?:ed|ts?|s)?"
    r"|invalid|valid(?:ated|ity)"
)


def told(name: str) -> frozenset[str]:
    """The parts that a name tells: none, one, or more than one, which says nothing."""
    if _POSSIBLE.search(name) is None:
        return frozenset()
    return frozenset(part for part, _ in map(_part_of, _words(name)) if part is not None)


def rest(name: str) -> tuple[str, ...]:
    """The words of a name that tell no part: () for "train" and "val2017", ("x",) for "x-test"."""
    return tuple(word for part, word in map(_part_of, _words(name)) if part is None)


def before(name: str) -> tuple[str, ...]:
    """The words before the first that tells a part: ("digits",) of "digits-train-small"."""
    found: list[str] = []
    for part, word in map(_part_of, _words(name)):
        if part is not None:
            break
        found.append(word)
    return tuple(found)


def hinted(name: str) -> frozenset[str]:
    """Parts whose word is inside a longer one, as in "mytest": likely meant, but not told."""
    return frozenset(
        part
        for word in _words(name)
        if _ORDINARY.fullmatch(word) is None
        for part, inside in _INSIDE.items()
        if inside in word
    )


def _words(name: str) -> list[str]:
    runs = _LETTERS.findall(names.key(name))
    return [word.lower() for run in runs for word in _CAPITAL.split(run)]


def _part_of(word: str) -> tuple[str | None, str]:
    return next((p for p, pattern in _TELLS.items() if pattern.fullmatch(word)), None), word
