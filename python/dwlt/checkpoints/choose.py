"""Which of a file's state dicts to take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dwlt.checkpoints.entries import Entry
from dwlt.checkpoints.names import NameMatch, coverage, find_match, same_tensor
from dwlt.errors import ModelError


@dataclass(frozen=True)
class Choice:
    """What the user says of which tensors are meant.

    Attributes:
        entry: the state dict inside the file ("state_dict_ema"); None finds it.
        prefix: what stands before the network's names; None finds it.
        ignore: names to leave out on purpose.
        below: without an ``entry``: take it from this part of the file ("last").
    """

    entry: str | None = None
    prefix: str | None = None
    ignore: tuple[str, ...] = ()
    below: str | None = None


def choose(path: Path, entries: Sequence[Entry], own: Iterable[str], choice: Choice) -> NameMatch:
    """The one whole network in a file.

    Where a training's weights and their averages both are there, the averages are taken: they are
    what such files are published for, and what timm loads.

    Args:
        own: the network's names, without its normaliser's.

    Raises:
        ModelError: no entry holds the whole network and nothing else, or several that differ do.
    """
    names = list(own)
    if not entries:
        raise ModelError(f"{path} holds no tensors by name", hint="give a file with a state dict")
    if choice.entry is not None:
        entries = [entry for entry in entries if entry.label == choice.entry]
        if not entries:
            raise ModelError(
                f"{path} has no entry {choice.entry!r}", hint="leave --entry out to see what it has"
            )
    elif choice.below is not None:
        entries = [one for one in entries if f"{one.label}.".startswith(f"{choice.below}.")]
        if not entries:
            raise ModelError(
                f"{path} has no part {choice.below!r}", hint="choose the state dict by --entry"
            )
    found: list[NameMatch] = []
    failed: list[tuple[int, ModelError]] = []
    for entry in entries:
        try:
            found.append(find_match(entry, names, prefix=choice.prefix, ignore=choice.ignore))
        except ModelError as error:
            failed.append((coverage(entry, names), error))
    if not found:
        # The entry with most of the names is the one that was meant.
        _, reason = max(failed, key=lambda one: one[0])
        raise ModelError(f"{path}: {reason}", hint=reason.hint) from reason
    averaged = [match for match in found if match.entry.averaged]
    pool = averaged or found
    if any(not _equal(pool[0], other) for other in pool[1:]):
        labels = ", ".join(repr(match.entry.label) for match in pool)
        raise ModelError(
            f"{path} holds several whole networks that differ: {labels}",
            hint=f"choose one: --entry {pool[0].entry.label}",
        )
    return pool[0]


def _equal(one: NameMatch, other: NameMatch) -> bool:
    mine, theirs = one.tensors(), other.tensors()
    return all(name in theirs and same_tensor(mine[name], theirs[name]) for name in mine)
