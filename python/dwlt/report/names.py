"""What pre-trainings, searches and groups are called, on the page and as files.

A name says the regime; run names and ids are added only where two would else be called the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from dwlt.results import AttackId, RunRef, SearchRef
from dwlt.verdict.groups import Group, share

_Ref = TypeVar("_Ref", bound=RunRef)


def pretrain_names(refs: Iterable[RunRef]) -> dict[str, str]:
    """Names of pre-trainings by id: "fast", or "fast (name-id)" where there are several."""
    return _told_apart(refs, lambda ref: ref.regime)


def search_names(refs: Iterable[SearchRef], *, method: bool = False) -> dict[str, str]:
    """Names of searches by id: "adversarial", "fast on cifar10", "adversarial, no rewinding".

    Args:
        refs: the searches that stand side by side.
        method: say the pruning method too, as where controls are among them.
    """
    known = list(refs)
    tasks = len({ref.task for ref in known if ref.task is not None}) > 1

    def name(ref: SearchRef) -> str:
        regime = "" if ref.regime == "none" else ref.regime
        where = f" on {ref.task}" if tasks and ref.task is not None and regime else ""
        words = [ref.how if method else "", f"{regime}{where}", rewind_text(ref.rewind)]
        # A control from drawn lots has no regime, and has to be called something.
        return ", ".join(word for word in words if word) or ref.how

    return _told_apart(known, name)


def method_names(refs: Iterable[SearchRef]) -> dict[str, str]:
    """Names by id where the method says enough: "shuffled"; by more only where two share one."""
    known = {ref.id: ref for ref in refs}
    count = Counter(ref.how for ref in known.values())
    full = search_names(known.values(), method=True)
    return {id_: ref.how if count[ref.how] == 1 else full[id_] for id_, ref in known.items()}


def rewind_text(rewind: str | int) -> str:
    """What rounds start from, in words; nothing for the pre-trained weights, which is the rule."""
    if rewind == "pretrained":
        return ""
    if rewind == "none":
        return "no rewinding"
    return f"rewound to epoch {rewind}"


def attack_name(attack: AttackId | None) -> str:
    """An attack as a headline names it: "PGD-20", "AutoAttack", or its own name."""
    if attack is None:
        return "no attack"
    if attack.kind == "gradient":
        return attack.short.upper()
    return "AutoAttack" if attack.label.startswith("autoattack ") else attack.label


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


def _told_apart(refs: Iterable[_Ref], name: Callable[[_Ref], str]) -> dict[str, str]:
    known: Mapping[str, _Ref] = {ref.id: ref for ref in refs}
    counts = Counter(name(ref) for ref in known.values())
    return {
        id_: name(ref) if counts[name(ref)] == 1 else f"{name(ref)} ({ref.label})"
        for id_, ref in known.items()
    }
