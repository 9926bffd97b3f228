"""Random numbers that belong to a sample, not to a batch or to a live stream.

Each sample's stream is a SplitMix64 sequence (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014) whose start is mixed from the seed and the sample's
id. Only integer operations decide the bits, so the CPU and a GPU draw the same numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# The 64-bit constants of SplitMix64 as signed numbers, because torch has int64 and no
# arithmetic on uint64. Additions and products wrap around in both readings alike.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)

_BITS = 24
"""Random bits per number: all that a float32 in [0, 1) holds on an even grid."""


def noise(
    seed: int, ids: Tensor, shape: tuple[int, ...], device: torch.device | str | None = None
) -> Tensor:
    """Uniform numbers in [0, 1), a pure function of (seed, id, position in the sample).

    Args:
        seed: non-negative, below 2**63.
        ids: (B,) int64, one per sample.
        shape: of one sample.
        device: of the result; that of ``ids`` when None.

    Returns:
        (B, *shape) float32 on a grid of 2**-24.
    """
    where = ids.device if device is None else torch.device(device)
    key = _mix(ids.to(where, torch.int64, copy=True).add_(1).mul_(_GOLDEN).add_(seed))
    place = torch.arange(1, math.prod(shape) + 1, device=where, dtype=torch.int64).mul_(_GOLDEN)
    bits = _high(_mix(key[:, None] + place[None, :]), _BITS)
    return bits.to(torch.float32).mul_(2.0**-_BITS).view(len(ids), *shape)


def normal(
    seed: int, ids: Tensor, shape: tuple[int, ...], device: torch.device | str | None = None
) -> Tensor:
    """Standard normal numbers, as ``noise`` draws uniform ones; none lies beyond about 5.4."""
    drawn = noise(seed, ids, shape, device).clamp_(min=2.0 ** -(_BITS + 1))
    found: Tensor = torch.special.ndtri(drawn)
    return found


def _mix(state: Tensor) -> Tensor:
    """The finaliser of SplitMix64, in place."""
    state.bitwise_xor_(_high(state, 34)).mul_(_FIRST)
    state.bitwise_xor_(_high(state, 37)).mul_(_SECOND)
    return state.bitwise_xor_(_high(state, 33))


def _high(state: Tensor, bits: int) -> Tensor:
    """The top ``bits`` bits as a non-negative number, without copies of the sign bit."""
    return (state >> (64 - bits)).bitwise_and_((1 << bits) - 1)
