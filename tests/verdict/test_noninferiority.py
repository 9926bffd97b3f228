from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlt.verdict.noninferiority import Basis, Estimate, Match, compare, estimate
from dwlt.verdict.outcomes import NUMBERS, Measured
from tests.verdict.make import bits

SA = NUMBERS[0]


def measured(rows: list[list[int]], images: str = "") -> Measured:
    return Measured.of_bits({s: np.array(r, dtype=np.bool_) for s, r in enumerate(rows)}, images)


def test_the_estimator_equals_the_mean_squares_worked_out_by_hand() -> None:
    # Two seeds, four images each.
    dense = measured([[1, 1, 1, 0], [1, 1, 0, 0]])  # seeds' means 3/4 and 1/2
    ticket = measured([[1, 0, 1, 0], [1, 0, 0, 0]])  # 1/2 and 1/4
    # Seeds: variance of the means 1/32, over two seeds 1/64; for both networks.
    # Images, dense: means 1, 1, 1/2, 0. Residuals are -1/8 or 1/8 but for image three, where they
    # are 3/8: sum of squares 2 (3 / 64 + 9 / 64) = 3/8, over (2 - 1)(4 - 1): 1/8. As a variance
    # of the mean of 8 bits: 1/64, as large as the seeds'. The ticket has the same residuals.
    # Difference of image means: 0, -1, 0, 0; variance 1/4, over four images 1/16.
    found = estimate(dense, ticket)
    assert found.difference == -0.25
    assert found.seeds == pytest.approx(2 / 64)
    assert found.images == pytest.approx(1 / 16 - 2 / 64 + 1 / 16)
    total = 2 / 64 + 1 / 16 - 2 / 64 + 1 / 16
    assert found.error == pytest.approx(math.sqrt(total))
    freedom = total**2 / (2 * (1 / 64) ** 2 / 1 + found.images**2 / 3)
    assert found.freedom == pytest.approx(freedom)
    assert found.basis is Basis.BITS


def test_counts_are_treated_as_unpaired_binomials() -> None:
    dense = Measured.of_counts({0: 8, 1: 6}, 10)
    ticket = Measured.of_counts({0: 5, 1: 7}, 10)
    found = estimate(dense, ticket)
    # One success and one failure more: 8/12 and 7/12.
    images = (8 / 12) * (4 / 12) / 12 + (7 / 12) * (5 / 12) / 12
    assert found.images == pytest.approx(images)
    assert found.seeds == pytest.approx(0.02 / 2 + 0.02 / 2)
    assert found.basis is Basis.COUNTS


def test_errors_of_counts_take_each_networks_own_spread() -> None:
    dense = Measured.of_counts({0: 8, 1: 6}, 10)  # deviation sqrt(0.02), two seeds
    ticket = Measured.of_counts({0: 10, 1: 16, 2: 10}, 20)  # shares 1/2, 4/5, 1/2: variance 0.03
    found = estimate(dense, ticket)
    terms = ((0.02 / 2, 1), (0.03 / 3, 2), (8 / 12 * 4 / 12 / 12 + 13 / 22 * 9 / 22 / 22, 9))
    total = sum(variance for variance, _ in terms)
    assert found.error == pytest.approx(math.sqrt(total))
    # Satterthwaite; of the images as many as the smaller set has, less one.
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in terms)
    assert found.freedom == pytest.approx(freedom)


def test_degrees_of_freedom_of_one_seed_are_the_smaller_sets() -> None:
    def one(n: int) -> Measured:
        return Measured.of_counts({0: 1}, n)

    assert estimate(one(10), one(7)).freedom == 6
    assert estimate(one(1), one(7)).freedom == 1


def test_a_single_image_is_enough_for_an_error() -> None:
    found = estimate(measured([[1], [0]]), measured([[1], [1]]))
    # Nothing is seen of images, so 1 / n^2 stands in; the dense seeds differ by one: 1/2 over 2.
    assert found.images == 1
    assert found.seeds == pytest.approx(1 / 4)


def test_without_an_error_the_difference_decides() -> None:
    found = Estimate(0.1, 0.0, 3, None, 0.0, Basis.BITS)
    assert (found.tail(0.05), found.tail(0.1), found.tail(0.2)) == (0.0, 1.0, 1.0)


def test_a_missing_side_has_no_p_value_below_one() -> None:
    assert compare(SA, None, measured([[1]]), 0.01).p == 1


def test_bits_of_other_images_are_not_paired() -> None:
    rows = [[1, 1, 1, 0], [1, 1, 0, 0]]
    assert estimate(measured(rows, "a"), measured(rows, "b")).basis is Basis.COUNTS
    assert estimate(measured(rows, "a"), measured(rows, "a")).basis is Basis.BITS


def test_one_seed_covers_images_alone() -> None:
    found = estimate(measured([[1, 1, 0, 0]]), measured([[1, 0, 0, 0]]))
    assert not found.covers_seeds
    assert found.images == pytest.approx(found.error**2)
    # Differences 0, -1, 0, 0: variance 1/4 over four images, and 1/16 for what cannot be seen.
    assert found.images == pytest.approx(1 / 16 + 1 / 16)


def test_pairing_images_takes_their_difficulty_out() -> None:
    same = Measured.of_bits(bits([900, 905, 895], 1000))
    counted = Measured.of_counts(dict(zip(same.seeds, same.correct, strict=True)), 1000)
    assert estimate(same, same).error < estimate(counted, counted).error / 2


@pytest.mark.parametrize("level", [0, 1000])
def test_floors_and_ceilings_without_any_spread_have_an_error(level: int) -> None:
    for made in (Measured.of_bits(bits([level] * 3, 1000)), Measured.of_counts({0: level}, 1000)):
        assert estimate(made, made).error > 0


def test_equal_counts_by_luck_are_no_proof_of_stability() -> None:
    # The seeds agree on the count but not on the images: the interaction stands in.
    rng = np.random.default_rng(0)
    rows = {s: rng.permutation(np.arange(200) < 150) for s in range(3)}
    found = estimate(Measured.of_bits(rows), Measured.of_bits(rows))
    assert found.seeds is not None
    assert found.seeds == pytest.approx(2 * 0.75 * 0.25 / 600, rel=0.2)


def test_a_spread_of_the_dense_network_never_makes_matching_easier() -> None:
    ticket = Measured.of_bits(bits([9400, 9405, 9410], 10_000))
    steady = Measured.of_bits(bits([9495, 9500, 9505], 10_000))
    unsteady = Measured.of_bits(bits([9300, 9500, 9700], 10_000))
    p = [compare(SA, dense, ticket, 0.012).p for dense in (steady, unsteady)]
    assert p[0] < 0.05 < p[1]


def test_the_states_lie_on_either_side_of_the_margin() -> None:
    dense = Measured.of_bits(bits([9495, 9500, 9505], 10_000))
    states = [
        compare(SA, dense, Measured.of_bits(bits([c - 5, c, c + 5], 10_000)), 0.01).match
        for c in (9500, 9402, 9300)
    ]
    assert states == [Match.MATCHES, Match.UNCLEAR, Match.SHORT]


tables = st.integers(2, 4).flatmap(
    lambda seeds: st.lists(
        st.lists(st.integers(0, 1), min_size=12, max_size=12), min_size=seeds, max_size=seeds
    )
)


@settings(max_examples=50, deadline=None)
@given(tables, tables, st.floats(0.001, 0.4), st.floats(0, 0.4))
def test_a_wider_margin_never_turns_a_match_into_less(
    dense: list[list[int]], ticket: list[list[int]], margin: float, more: float
) -> None:
    order = [Match.SHORT, Match.UNCLEAR, Match.MATCHES]
    tight = compare(SA, measured(dense), measured(ticket), margin)
    wide = compare(SA, measured(dense), measured(ticket), margin + more)
    assert order.index(wide.match) >= order.index(tight.match)
    assert wide.p <= tight.p


@settings(max_examples=50, deadline=None)
@given(tables, tables, st.permutations(range(12)))
def test_the_order_of_images_and_seeds_does_not_matter(
    dense: list[list[int]], ticket: list[list[int]], order: list[int]
) -> None:
    before = estimate(measured(dense), measured(ticket))
    moved = [[row[i] for i in order] for row in dense[::-1]]
    after = estimate(measured(moved), measured([[row[i] for i in order] for row in ticket[::-1]]))
    assert after.difference == pytest.approx(before.difference)
    assert after.error == pytest.approx(before.error)
    assert after.freedom == pytest.approx(before.freedom)


@settings(max_examples=50, deadline=None)
@given(tables, tables)
def test_match_and_p_value_agree(dense: list[list[int]], ticket: list[list[int]]) -> None:
    found = compare(SA, measured(dense), measured(ticket), 0.2)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.high
    assert (found.match is Match.MATCHES) == (found.p < 0.05)


def test_input_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="ascending"):
        Measured((1, 0), (3, 3), 5)
    with pytest.raises(ValueError, match="2 seeds, but 1"):
        Measured((0, 1), (3,), 5)
    with pytest.raises(ValueError, match="do not fit"):
        Measured((0,), (6,), 5)
    with pytest.raises(ValueError, match="one length"):
        Measured.of_bits({0: np.ones(3, np.bool_), 1: np.ones(4, np.bool_)})
