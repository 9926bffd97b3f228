from __future__ import annotations

import pytest

from dwlt.errors import SpecError
from dwlt.spec import load_experiment, presets
from dwlt.spec.verdict import DECLARED, VerdictPart, margin_points


def test_a_margin_that_was_not_given_is_what_the_test_set_can_resolve() -> None:
    assert margin_points(10_000) == 1.0
    assert margin_points(26_032) == 1.0
    assert margin_points(1_000) == pytest.approx(3.162, abs=1e-3)
    part = VerdictPart(margin_sa=2)
    assert part.margin("sa", 400) == 0.02
    assert part.margin("ra", 400) == 0.05


def test_declared_rounds_follow_from_what_was_planned_alone() -> None:
    part = VerdictPart()
    assert part.declared((0, 3, 6, 10)) == (3, 6, 10)
    assert part.declared(tuple(range(21))) == DECLARED
    assert part.declared((0, 1, 2, 4, 5, 7, 9, 11, 13)) == (1, 2, 5, 7, 11, 13)
    assert VerdictPart(rounds=(6, 8)).declared((0, 3)) == (6, 8)


def test_rounds_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="dense to sparse"):
        VerdictPart(rounds=(8, 6))


def test_an_unknown_key_is_named(tmp_path: object) -> None:
    with pytest.raises(SpecError, match=r"verdict\.margin"):
        load_experiment(None, ["verdict.margin=3"])


def test_the_verdict_names_no_run() -> None:
    from dwlt.spec import identity_values

    plain = load_experiment(None, [])
    other = load_experiment(None, ["verdict.margin_sa=3", "verdict.strict=true"])
    assert other.verdict.strict
    for stage in ("pretrain_spec", "prune_spec"):
        assert identity_values(getattr(plain, stage)()) == identity_values(getattr(other, stage)())
    first, second = (e.transfer_spec("standard", 3, 0) for e in (plain, other))
    assert identity_values(first) == identity_values(second)


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_fixes_its_margins(name: str) -> None:
    part = load_experiment(name).verdict
    assert part.rule == "margin"
    assert part.margin_sa is not None
    assert part.margin_ra is not None
    tested = load_experiment(name).downstream.test
    if tested is None and not name.startswith(("digits", "study-digits", "frontier-digits")):
        tested = 10_000
    if tested is not None and tested >= 10_000:
        assert (part.margin_sa, part.margin_ra) == (1.0, 1.0)


def test_the_paper_is_tested_over_its_own_sparsities() -> None:
    experiment = load_experiment("paper-cifar10")
    assert set(experiment.verdict.rounds) >= {6, 7, 8, 10, 11}
    assert set(experiment.verdict.rounds) <= set(experiment.transfer.rounds)
