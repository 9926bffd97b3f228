"""What groups are called, on the page and as files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dwlt.results import SearchRef
from dwlt.results.names import method_names, pretrain_names, search_names
from dwlt.verdict.groups import Group, share


def task_title(group: Group) -> str:
    """The downstream task, with the share of its training images where that is not all."""
    part = f", {share(group.fraction)} of data" if group.fraction < 1 else ""
    return f"{group.task.name}{part}"


def search_titles(groups: Sequence[Group]) -> list[str]:
    """Pre-training, task and fraction; the search too where a pre-training has several."""
    pretrains = pretrain_names(group.pretrain for group in groups)
    titles = []
    for group in groups:
        alike = (other.prune for other in groups if other.pretrain.id == group.pretrain.id)
        names = search_names(alike)
        search = f", {names[group.prune.id]} search" if len(names) > 1 else ""
        titles.append(f"{pretrains[group.pretrain.id]} → {task_title(group)}{search}")
    return titles


def group_slug(group: Group, taken: set[str]) -> str:
    """A file name for a group: lower case letters, digits and dashes, and never used twice."""
    parts = [group.pretrain.regime, group.prune.how.replace("/", "-"), group.task.name]
    if group.fraction < 1:
        parts.append(f"{100 * group.fraction:.6g}pct")
    return unique_slug([*parts, group.prune.id], taken)


def group_titles(groups: Iterable[Group]) -> list[str]:
    """What each group is called on the page, so that no two are called the same."""
    known = list(groups)
    pretrains = pretrain_names(group.pretrain for group in known)
    by_pretrain: dict[str, list[SearchRef]] = {}
    for group in known:
        by_pretrain.setdefault(group.pretrain.id, []).append(group.prune)
    searches = {id_: method_names(refs) for id_, refs in by_pretrain.items()}
    titles = []
    for group in known:
        part = f", {share(group.fraction)} of the training data" if group.fraction < 1 else ""
        start = pretrains[group.pretrain.id].replace(" (", " pre-training (", 1)
        start = start if "(" in start else f"{start} pre-training"
        search = searches[group.pretrain.id][group.prune.id]
        titles.append(f"{start[:1].upper()}{start[1:]} → {group.task.name}{part}: {search} tickets")
    return titles


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
