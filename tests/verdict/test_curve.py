from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from dwlt.verdict.curve import SEED, _interval, crossings, estimate_curves, isotonic
from dwlt.verdict.outcomes import NUMBERS
from tests.verdict.make import ADVERSARIAL_RA, STANDARD_SA, lower, network


def test_the_isotonic_fit_is_scipys() -> None:
    values = np.random.default_rng(0).standard_normal((20, 9))
    expected = [isotonic_regression(row).x for row in values]
    assert np.allclose(isotonic(values), expected)


def test_crossings_by_hand() -> None:
    fitted = np.array([[0.0, 0.02, 0.04], [-0.01, -0.01, 0.005], [0.03, 0.03, 0.03]])
    # Half way from round 2 to 4; never; a third of the way from round 0 to 2.
    assert crossings((2, 4, 6), fitted, 0.01) == pytest.approx([3.0, np.inf, 2 / 3])


def test_the_first_number_to_cross_decides_for_all() -> None:
    tickets = [
        network(2, levels=lower({})),
        network(4, levels=lower({ADVERSARIAL_RA: 2.0})),
        network(6, levels=lower({ADVERSARIAL_RA: 4.0, STANDARD_SA: 2.0})),
    ]
    margins = dict.fromkeys(NUMBERS, 0.01)
    found = estimate_curves(network(), tickets, margins)
    assert found is not None
    by_number = {curve.number: curve for curve in found.curves}
    assert by_number[ADVERSARIAL_RA].crossing.round == pytest.approx(3.0)
    assert by_number[STANDARD_SA].crossing.round == pytest.approx(5.0)
    assert by_number[NUMBERS[1]].crossing.round is None
    joint = found.joint
    assert joint.round == pytest.approx(3.0)
    assert joint.low is not None
    assert joint.high is not None
    assert 2 <= joint.low <= 3 <= joint.high <= 4
    density = {net.round: net.kept / net.total for net in (network(), *tickets)}
    assert joint.sparsity(3.0, density) == pytest.approx(1 - 0.8**3, abs=1e-5)


def test_the_same_results_give_the_same_interval() -> None:
    tickets = [network(3), network(6, levels=lower({STANDARD_SA: 3}))]
    margins = dict.fromkeys(NUMBERS, 0.01)
    first, second = (estimate_curves(network(), tickets, margins) for _ in range(2))
    assert first == second


def test_counts_give_wider_intervals_than_bits() -> None:
    margins = {STANDARD_SA: 0.01}
    widths = []
    for counts in (False, True):
        tickets = [network(r, levels=lower({STANDARD_SA: r / 5}), counts=counts) for r in (3, 6, 9)]
        found = estimate_curves(network(counts=counts), tickets, margins)
        assert found is not None
        assert found.joint.low is not None
        assert found.joint.high is not None
        widths.append(found.joint.high - found.joint.low)
    assert widths[1] > widths[0]


def test_the_ends_of_an_interval_are_draws_no_nearer_than_the_tails() -> None:
    # Of 1000 sorted draws 0 to 999, a fortieth lies at 24.975 and at 974.025.
    found = _interval(500.0, np.random.default_rng(0).permutation(np.arange(1000.0)), 0.95, 9, True)
    assert (found.low, found.high) == (24, 975)
    # Where the curve is not reached in a tenth of the draws, there is no upper end.
    draws = np.where(np.arange(1000) < 900, np.arange(1000.0), np.inf)
    found = _interval(500.0, draws, 0.95, 9, True)
    assert (found.low, found.high) == (24, None)


def test_the_draws_of_a_report_do_not_move() -> None:
    """The seed is part of the numbers that people have written down."""
    assert SEED == 20220604


def test_without_a_number_there_is_no_curve() -> None:
    lacking = network(without=[STANDARD_SA])
    margins = dict.fromkeys(NUMBERS, 0.01)
    assert estimate_curves(lacking, [network(3)], margins) is None
    assert estimate_curves(network(), [network(3, without=[STANDARD_SA])], margins) is None
    assert estimate_curves(network(), [network(3)], {}) is None
    assert estimate_curves(network(), [], dict.fromkeys(NUMBERS, 0.01)) is None


def test_one_seed_is_said_not_to_be_covered() -> None:
    found = estimate_curves(network(seeds=1), [network(3, seeds=1)], {STANDARD_SA: 0.01})
    assert found is not None
    assert not found.joint.covers_seeds
