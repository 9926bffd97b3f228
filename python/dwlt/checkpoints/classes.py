"""How many classes a checkpoint's network tells apart, before the network is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dwlt.checkpoints.entries import Entry

_HEADS = ("fc", "classifier", "heads", "head", "linear", "output")
"""What networks call their head, torchvision's families first; as ``models.head`` looks for it."""

_COMMON = 1000
"""Classes of ImageNet, where the file shows none."""


def class_counts(entries: Sequence[Entry]) -> list[int]:
    """Numbers of classes that the file's head may have, the likeliest first.

    A head is a matrix under one of the usual names, the less deep the likelier; else the last
    matrix of all. The names of the network are not known yet, so these are guesses, to be held
    against the network that is built with them.
    """
    found = [count for entry in entries for count in _by_name(entry)]
    found += [count for entry in entries for count in _last(entry)]
    return list(dict.fromkeys([*found, _COMMON]))


def _by_name(entry: Entry) -> Iterator[int]:
    places: list[tuple[int, int, int]] = []
    for position, (name, count) in enumerate(_matrices(entry)):
        parts = name.split(".")
        depth = next((at for at, part in enumerate(parts) if part in _HEADS), None)
        if depth is not None:
            places.append((depth, -position, count))
    if places:
        yield min(places)[2]


def _last(entry: Entry) -> Iterator[int]:
    matrices = list(_matrices(entry))
    if matrices:
        yield matrices[-1][1]


def _matrices(entry: Entry) -> Iterator[tuple[str, int]]:
    """Names and rows of the weights that could be a head's: linear ones and 1x1 convolutions."""
    for name, tensor in entry.tensors.items():
        linear = tensor.dim() == 2 or (tensor.dim() == 4 and tensor.shape[2:] == (1, 1))
        if linear and name.endswith(".weight") and tensor.shape[0] > 1:
            yield name, int(tensor.shape[0])
