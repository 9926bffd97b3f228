"""What pre-trainings, searches and attacks are called where several stand side by side.

A name says the regime; run names and ids are added only where two would else be called the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from dwlt.results.attack import AttackId
from dwlt.results.refs import RunRef, SearchRef

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


def _told_apart(refs: Iterable[_Ref], name: Callable[[_Ref], str]) -> dict[str, str]:
    known: Mapping[str, _Ref] = {ref.id: ref for ref in refs}
    counts = Counter(name(ref) for ref in known.values())
    return {
        id_: name(ref) if counts[name(ref)] == 1 else f"{name(ref)} ({ref.label})"
        for id_, ref in known.items()
    }
