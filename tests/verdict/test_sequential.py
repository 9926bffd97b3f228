from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from dwlt.verdict.judge import Verdict
from dwlt.verdict.sequential import Decision, decide, plan_looks


def test_boundaries_are_the_published_ones() -> None:
    # Five equal looks, two-sided 5%: the boundaries that Lan and DeMets' functions are known by.
    late = plan_looks((2, 4, 6, 8, 10), 0.025, "obrien-fleming").levels
    assert -ndtri(late) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=2e-3)
    early = plan_looks((2, 4, 6, 8, 10), 0.025, "pocock").levels
    assert -ndtri(early) == pytest.approx([2.438, 2.427, 2.410, 2.397, 2.386], abs=2e-3)


@pytest.mark.parametrize("spending", ["pocock", "obrien-fleming", "bonferroni"])
def test_looking_repeatedly_keeps_the_error(spending: str) -> None:
    looks = plan_looks((3, 5, 8), 0.05, spending)  # type: ignore[arg-type]
    steps = np.random.default_rng(0).standard_normal((40_000, 8)).cumsum(axis=1)
    crossed = np.zeros(len(steps), dtype=bool)
    for count, level in zip(looks.seeds, looks.levels, strict=True):
        crossed |= steps[:, count - 1] / np.sqrt(count) > -ndtri(level)
    # Four standard errors of the simulation; uncorrected looks would err in 10%.
    assert crossed.mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / len(steps))
    if spending != "bonferroni":
        assert crossed.mean() > 0.045


def test_one_look_has_the_whole_level() -> None:
    assert plan_looks((5,), 0.05).levels == pytest.approx((0.05,))


def test_what_a_look_says() -> None:
    looks = plan_looks((3, 8), 0.05)
    assert decide(looks, 3, Verdict.DOUBLE_WIN) is Decision.MATCHES
    assert decide(looks, 3, Verdict.NOT) is Decision.SHORT
    assert decide(looks, 3, Verdict.UNDECIDED) is Decision.CONTINUE
    assert decide(looks, 8, Verdict.UNDECIDED) is Decision.UNCLEAR
    with pytest.raises(ValueError, match="no look is planned at 4"):
        decide(looks, 4, Verdict.NOT)


@pytest.mark.parametrize(
    ("seeds", "alpha", "message"),
    [
        ((1, 3), 0.05, "from 2 on"),
        ((5, 3), 0.05, "ascending"),
        ((), 0.05, "ascending"),
        ((3,), 0.7, "0.5"),
    ],
)
def test_plans_that_make_no_sense_are_refused(
    seeds: tuple[int, ...], alpha: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plan_looks(seeds, alpha)
