"""Which classes and which samples: seeded, class-balanced, nested, and disjoint by construction.

Everything works on labels and sample ids, before a pixel is read. Returned positions are sorted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dwlt.data import names as naming
from dwlt.data.order import Ints, keys, shuffled
from dwlt.errors import DataError

_INDICES = re.compile(r"\s*\d+\s*(-\s*\d+\s*)?(,\s*\d+\s*(-\s*\d+\s*)?)*")


_MOST = 100_000


def read_indices(text: str) -> list[int] | None:
    """Read "0-4" or "0,3,7-9"; None where the text is something else."""
    if _INDICES.fullmatch(text) is None:
        return None
    chosen: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        # No set has as many classes as end here; the first that is too many is refused by name.
        end = min(int(last or first), int(first) + _MOST)
        chosen.extend(range(int(first), end + 1))
    return chosen


def choose_classes(
    names: Sequence[str], classes: int | str | Sequence[int | str] | None, seed: int
) -> list[int]:
    """The kept classes as indices into ``names``, in the order in which they are renumbered.

    A number keeps that many classes: the first ones of an order given by ``seed``, so that 10
    classes contain the 5 of the same seed. They keep their original relative order.

    Raises:
        DataError: a class does not exist, is named twice, or fewer than two are left.
    """
    if classes is None:
        return list(range(len(names)))
    if isinstance(classes, int):
        _check_count(classes, names)
        return sorted(shuffled(np.arange(len(names)), seed)[:classes].tolist())
    if isinstance(classes, str):
        parsed = read_indices(classes)
        wanted: Sequence[int | str] = [classes] if parsed is None else parsed
    else:
        wanted = classes
    chosen = [_class_index(names, one) for one in wanted]
    twice = next((one for one in chosen if chosen.count(one) > 1), None)
    if twice is not None:
        raise DataError(f"class {names[twice]!r} is chosen twice", hint="name each class once")
    _check_count(len(chosen), names)
    return chosen


def _check_count(count: int, names: Sequence[str]) -> None:
    if not 2 <= count <= len(names):
        raise DataError(
            f"{count} classes asked for; this set has {len(names)}",
            hint=f"choose between 2 and {len(names)} classes",
        )


def _class_index(names: Sequence[str], one: int | str) -> int:
    if isinstance(one, str):
        same = [naming.key(name) for name in names]
        if naming.key(one) in same:
            return names.index(one) if one in names else same.index(naming.key(one))
    if isinstance(one, str) and one.isdecimal():
        one = int(one)
    if isinstance(one, int) and 0 <= one < len(names):
        return one
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    raise DataError(
        f"there is no class {one!r}",
        hint=f"classes are 0-{len(names) - 1}, or by name: {shown}",
    )


def cut(labels: Ints, ids: Ints, amount: float, seed: int) -> tuple[Ints, Ints]:
    """Split positions into (rest, held out), stratified by class.

    Args:
        labels: class of each sample, shape ``(n,)``.
        ids: stable id of each sample, shape ``(n,)``.
        amount: a share below 1, or a number of samples. The total is met exactly; each class
            gives its proportional part, the largest remainders first.

    Raises:
        DataError: nothing would be held out, or a class would be left without a sample.
    """
    total = int(amount) if amount >= 1 else round(amount * len(labels))
    present, counts = np.unique(labels, return_counts=True)
    # Integers throughout: a remainder must not depend on how a float was rounded.
    products = counts.astype(object) * total
    take = np.array([int(p) // len(labels) for p in products], dtype=np.int64)
    remainders = [(-(int(p) % len(labels)), int(c)) for p, c in zip(products, present, strict=True)]
    for _, label in sorted(remainders)[: total - int(take.sum())]:
        take[np.searchsorted(present, label)] += 1
    if total < 1 or np.any(take >= counts):
        raise DataError(
            f"{total} of {len(labels)} training images cannot be held out over "
            f"{len(present)} classes",
            hint="every class must keep an image; change `validation` or give more images",
        )
    held = _first(labels, ids, dict(zip(present.tolist(), take.tolist(), strict=True)), seed)
    return np.setdiff1d(np.arange(len(labels)), held), held


def subset(
    labels: Ints,
    ids: Ints,
    *,
    per_class: int | None,
    fraction: float,
    seed: int,
    names: Sequence[str],
) -> Ints:
    """Positions of a class-balanced subset.

    Nested: a smaller ``per_class`` or ``fraction`` of the same seed lies inside a larger one,
    because each class keeps the first samples of one fixed order. At least one per class stays.

    Raises:
        DataError: a class has fewer than ``per_class`` samples.
    """
    present, counts = np.unique(labels, return_counts=True)
    take: dict[int, int] = {}
    for label, count in zip(present.tolist(), counts.tolist(), strict=True):
        if per_class is not None and count < per_class:
            raise DataError(
                f"class {names[label]!r} has {count} training images after the validation cut, "
                f"{per_class} asked for",
                hint=f"set per_class to at most {int(counts.min())}",
            )
        take[label] = max(1, round(fraction * (count if per_class is None else per_class)))
    return _first(labels, ids, take, seed)


def _first(labels: Ints, ids: Ints, take: dict[int, int], seed: int) -> Ints:
    """The first ``take[label]`` positions of each class in the order of their keys, sorted."""
    order = np.lexsort((ids, keys(seed, ids), labels))
    present, starts = np.unique(labels[order], return_index=True)
    wanted = np.array([take.get(label, 0) for label in present.tolist()], dtype=np.int64)
    group = np.searchsorted(present, labels[order])
    place = np.arange(len(order)) - starts[group]
    return np.sort(order[place < wanted[group]]).astype(np.int64)
