"""Whether a dense network's number can carry a verdict."""

from __future__ import annotations

import pytest

from dwlt.verdict.floors import check_floor
from dwlt.verdict.outcomes import Measured
from tests.verdict.make import STANDARD_RA, STANDARD_SA


def test_p_values_by_hand() -> None:
    # Three of four right where chance and margin make 0.6: 4 * 0.6^3 * 0.4 + 0.6^4.
    found = check_floor(STANDARD_SA, Measured.of_counts({0: 3}, 4), 2, 0.1)
    assert (found.floor, found.needed) == (0.5, 0.6)
    assert found.p == pytest.approx(0.4752)
    assert not found.carries
    # Robust accuracy has no chance level: two of four at 0.25 is 1 - 0.75^4 - 4 * 0.25 * 0.75^3.
    found = check_floor(STANDARD_RA, Measured.of_counts({0: 2}, 4), 2, 0.25)
    assert found.p == pytest.approx(1 - 0.75**4 - 0.75**3)


def test_nothing_right_or_no_room_above_is_no_evidence() -> None:
    assert check_floor(STANDARD_RA, Measured.of_counts({0: 0}, 4), 2, 0.25).p == 1
    assert check_floor(STANDARD_SA, Measured.of_counts({0: 4}, 4), 2, 0.5).p == 1
    with pytest.raises(ValueError, match="two classes"):
        check_floor(STANDARD_SA, Measured.of_counts({0: 4}, 4), 1, 0.1)
