"""Stateless random numbers: pinned, uniform, independent of the company a sample keeps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dwlt.data.order import keys, shuffled, uniforms

# Worked out with Python's unbounded integers, modulo 2**64.
KEYS = [16294208416658607535, 15204172177749531820, 15319343049838170038]
ORDER = [2, 1, 0, 4, 6, 3, 7, 5]
SEEDS = st.integers(0, 2**63 - 1)


def test_values_are_pinned() -> None:
    # Subsets, held-out images and epoch orders of every published run follow from these.
    assert keys(0, np.arange(3)).tolist() == KEYS
    assert shuffled(np.arange(8), 7).tolist() == ORDER


@given(SEEDS, st.lists(st.integers(0, 2**40), min_size=1, max_size=20, unique=True))
def test_an_order_is_a_permutation_that_ignores_the_others(seed: int, ids: list[int]) -> None:
    array = np.array(ids, dtype=np.int64)
    order = shuffled(array, seed)
    assert sorted(order.tolist()) == list(range(len(ids)))
    # Leaving one out leaves the rest in their order.
    rest = array[1:]
    assert rest[shuffled(rest, seed)].tolist() == [i for i in array[order] if i != ids[0]]


def test_uniforms_are_uniform_and_columns_differ() -> None:
    drawn = uniforms(3, np.arange(20_000), 2)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    # Standard error of the mean: sqrt(1/12/20000) = 0.002; five of them.
    assert np.all(np.abs(drawn.mean(axis=0) - 0.5) < 0.01)
    assert (
        abs(np.mean((drawn[:, 0] - 0.5) * (drawn[:, 1] - 0.5)) * 12) < 0.035
    )  # five times 1/sqrt(20000)
    assert not np.array_equal(drawn, uniforms(4, np.arange(20_000), 2))
