"""Random numbers as a function of (seed, sample), never of a live stream.

A 64-bit mixing function is applied to counters, so that any value can be computed alone: the
order of an epoch does not depend on the epoch before it, a sample's augmentation does not depend
on its batch, and a class's subset does not depend on the other classes. Library generators are
not used because their streams may change between versions, and with them who is in a subset.

The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def keys(seed: int, ids: Ints, column: int = 0) -> NDArray[np.uint64]:
    """One 64-bit key per id, shape ``(n,)``; different columns are independent draws."""
    start = _mix(np.asarray([seed], dtype=np.uint64) + np.asarray([column], np.uint64) * _GOLDEN)
    return _mix(_mix(ids.astype(np.uint64)) ^ start)


def uniforms(seed: int, ids: Ints, columns: int) -> Floats:
    """Uniform numbers in [0, 1), shape ``(n, columns)``, with 53 random bits each."""
    drawn = [keys(seed, ids, column) >> np.uint64(11) for column in range(columns)]
    return np.stack(drawn, axis=1).astype(np.float64) * 2.0**-53


def shuffled(ids: Ints, seed: int) -> Ints:
    """The positions ``0..n-1`` of ``ids`` in an order that depends on (seed, id) alone."""
    return np.lexsort((ids, keys(seed, ids))).astype(np.int64)
