"""Which tensor of a file is which parameter of a network: strictly, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dwlt.checkpoints.entries import Entry
from dwlt.checkpoints.normaliser import Lifted, lift
from dwlt.errors import ModelError, nearest

COUNTERS = "num_batches_tracked"
"""BatchNorm's count of batches, which files from before 2018 lack and which no forward pass uses
at PyTorch's default momentum. It is the one thing that may be missing."""


@dataclass(frozen=True)
class NameMatch:
    """A whole network found in an entry.

    Attributes:
        entry: where in the file.
        prefix: what stands before every name, e.g. "module.model.".
        names: name in the file by name in the network, in the network's order.
        copies: other prefixes under which the same tensors stand again.
        lifted: the normalisation found beside them.
        filled: counters that the file lacks and that begin at 0.
        ignored: names left out because the user said so.
    """

    entry: Entry
    prefix: str
    names: dict[str, str]
    copies: tuple[str, ...]
    lifted: Lifted | None
    filled: tuple[str, ...]
    ignored: tuple[str, ...]

    def tensors(self) -> dict[str, Tensor]:
        """The file's tensors by the network's names."""
        return {own: self.entry.tensors[theirs] for own, theirs in self.names.items()}


def find_match(
    entry: Entry, own: Iterable[str], *, prefix: str | None = None, ignore: Iterable[str] = ()
) -> NameMatch:
    """Find all of a network's names in an entry, behind one prefix.

    Args:
        own: the network's names, without its normaliser's.
        prefix: the one to take; None finds it.
        ignore: names, or beginnings of names up to a dot, to leave out.

    Raises:
        ModelError: a name is missing or one is left over, two copies differ, or two normalisers.
            The message names the first culprits and the nearest name on the other side.
    """
    wanted = list(own)
    needed = [name for name in wanted if not name.endswith(COUNTERS)]
    known = frozenset(wanted)
    drop = tuple(ignore)
    given = {key: entry.tensors.get(key) for key in entry.names if not _below(key, drop)}
    found = _prefixes(given, known)
    if prefix is not None:
        found = Counter({prefix: found[prefix]})
    whole = [p for p in found if all(p + name in given for name in needed)]
    if not whole:
        raise _missing(entry, given, needed, found)
    chosen = min(whole, key=len)
    unreadable = next((p + n for p in whole for n in wanted if p + n in entry.unreadable), None)
    if unreadable is not None:
        raise _unreadable(entry, unreadable)
    copies = tuple(p for p in whole if p != chosen)
    for other in copies:
        differs = next(
            (n for n in needed if not same_tensor(given[chosen + n], given[other + n])), None
        )
        if differs is not None:
            raise ModelError(
                f"{entry} holds the network twice, and {chosen + differs!r} and "
                f"{other + differs!r} differ",
                hint=f"choose one: --prefix {chosen or repr('')} or --prefix {other or repr('')}, "
                "and --ignore the other",
            )
    used = {p + name for p in whole for name in wanted}
    left = [key for key in given if key not in used]
    lifted = lift({key: entry.tensors[key] for key in left if key in entry.tensors})
    extra = [key for key in left if lifted is None or key not in lifted.names]
    if extra:
        raise _unexpected(entry, extra, chosen, wanted)
    return NameMatch(
        entry=entry,
        prefix=chosen,
        names={name: chosen + name for name in wanted if chosen + name in given},
        copies=copies,
        lifted=lifted,
        filled=tuple(name for name in wanted if chosen + name not in given),
        ignored=tuple(key for key in entry.names if key not in given),
    )


def head_rows(match: NameMatch, head: str) -> int | None:
    """Outputs of the layer called ``head`` in the file, or None where it has no such weight."""
    theirs = match.names.get(f"{head}.weight")
    weight = None if theirs is None else match.entry.tensors[theirs]
    return int(weight.shape[0]) if weight is not None and weight.dim() >= 2 else None


def coverage(entry: Entry, own: Iterable[str]) -> int:
    """How many of the network's names stand in an entry behind its best prefix."""
    return max(_prefixes(entry.names, frozenset(own)).values(), default=0)


def _prefixes(given: Iterable[str], known: frozenset[str]) -> Counter[str]:
    """How many of the network's names stand behind each prefix in the file."""
    found: Counter[str] = Counter()
    for key in given:
        start = 0
        while start >= 0:
            if key[start:] in known:
                found[key[:start]] += 1
            dot = key.find(".", start)
            start = dot + 1 if dot >= 0 else -1
    return found


def _below(key: str, names: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith(f"{name.rstrip('.')}.") for name in names)


def same_tensor(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two tensors have one shape, one type and equal numbers."""
    if one is None or other is None:
        return one is other
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.is_floating_point and one.dtype.itemsize == 1:
        one, other = one.to(torch.float32), other.to(torch.float32)  # no comparison of their own
    return torch.equal(one, other)


def _unreadable(entry: Entry, name: str) -> ModelError:
    return ModelError(
        f"{entry}: {name!r} {entry.unreadable[name]}",
        hint="save the network's plain, dense tensors: `model.state_dict()` on the CPU",
    )


def _missing(
    entry: Entry, given: Mapping[str, object], needed: list[str], found: Counter[str]
) -> ModelError:
    # Of all prefixes, the one with the most names is what the user means; the shortest, if equal.
    prefix = max(found, key=lambda p: (found[p], -len(p))) if found else ""
    absent = [name for name in needed if prefix + name not in given]
    near = nearest(prefix + absent[0], [k for k in given if k.removeprefix(prefix) not in needed])
    close = f"; the nearest there is {near!r}" if near else ""
    behind = f" behind {prefix!r}" if prefix else ""
    found_as = entry.objects.get(prefix + absent[0])
    if found_as is not None:
        close = f", which the file has as {found_as} and not as a tensor"
    hint = "check --model: the names are those of another network, or of another version of it"
    if near and near.endswith("_orig"):
        hint = (
            "the file is of a network under PyTorch's pruning: `dwlt mask import` takes its masks; "
            "import its weights from a file before `prune`"
        )
    return ModelError(
        f"{entry} lacks {len(absent)} of the network's {len(needed)} tensors{behind}: "
        f"{_list(absent)}{close}",
        hint=hint,
    )


def _unexpected(entry: Entry, extra: list[str], prefix: str, own: list[str]) -> ModelError:
    near = nearest(extra[0].removeprefix(prefix), own)
    close = f"; the network's nearest is {near!r}" if near else ""
    return ModelError(
        f"{entry} has {len(extra)} tensors that the network does not: {_list(extra)}{close}",
        hint=f"check --model; or leave them out on purpose with --ignore {extra[0]}",
    )


def _list(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
