"""Attacks by their values: labels, equality, and which of two is stronger for sure."""

from __future__ import annotations

from typing import Any

import pytest

from dwlt.results import AttackId
from dwlt.spec import AttackSpec
from dwlt.units import Eps


def pgd(**over: Any) -> AttackId:
    """PGD-20 at 8/255 as its name defines it."""
    return AttackId.of(AttackSpec(**{"steps": 20, **over}))


def fgsm(**over: Any) -> AttackId:
    return pgd(**{"steps": 1, "random_start": False, "step": Eps("8/255"), **over})


def suite(*parts: str, **over: Any) -> AttackId:
    whole = parts or ("apgd-ce", "apgd-t", "fab-t", "square")
    values = {"norm": "linf", "eps": "8/255", "version": "1.0", **over}
    return AttackId(kind="autoattack", parts=whole, **values)


@pytest.mark.parametrize(
    ("attack", "label"),
    [
        (pgd(), "pgd-20 linf 8/255"),
        (pgd(step=Eps("4/510")), "pgd-20 linf 8/255"),
        (pgd(step=Eps("1/255")), "pgd-20 linf 8/255, step 1/255"),
        (pgd(restarts=3, iterate="any"), "pgd-20 linf 8/255, 3 restarts, any iterate"),
        (pgd(random_start=False), "pgd-20 linf 8/255, no random start"),
        (pgd(eps=Eps("0")), "pgd-20 linf 0"),
        (pgd(steps=1), "pgd-1 linf 8/255"),
        (fgsm(), "fgsm linf 8/255"),
        (fgsm(step=Eps("2/255")), "fgsm linf 8/255, step 2/255"),
        (fgsm(random_start=True, step=Eps("10/255")), "pgd-1 linf 8/255, step 10/255"),
        (AttackId.of(AttackSpec(), made_on="b3:x"), "pgd-10 linf 8/255, transferred"),
        (suite(), "autoattack linf 8/255"),
        (suite("apgd-ce", "square"), "apgd-ce+square linf 8/255"),
        (suite(before=pgd()), "pgd-20+autoattack linf 8/255"),
        (suite(before=pgd(iterate="any")), "pgd-20+autoattack linf 8/255"),
        (suite(before=pgd(restarts=2)), "pgd-20+autoattack linf 8/255, before it 2 restarts"),
        (AttackId(kind="other", name="mine"), "mine"),
    ],
)
def test_a_label_shows_what_differs_from_the_name(attack: AttackId, label: str) -> None:
    assert attack.label == label


def test_a_setting_and_its_identity_have_one_label() -> None:
    spec = AttackSpec(steps=7, restarts=2, iterate="any", step=Eps("1/255"))
    assert AttackId.of(spec).label == spec.label


def test_equality_is_by_value() -> None:
    assert pgd().same_as(pgd(eps=Eps("16/510"), step=Eps("0.5/63.75")))
    for other in (pgd(step=Eps("1/255")), pgd(restarts=2), pgd(random_start=False), suite()):
        assert not pgd().same_as(other)
    assert suite().same_as(suite())
    assert not suite().same_as(suite(version="2.0"))


@pytest.mark.parametrize(
    "unknown",
    [
        AttackId(kind="gradient", norm="linf", eps="8/255", steps=20, restarts=1),
        suite(version=None),
        suite(before=AttackId(kind="gradient", norm="linf", eps="8/255", steps=20)),
        AttackId.of(AttackSpec(), made_on="unknown"),
        AttackId(kind="other", name="mine"),
    ],
)
def test_what_is_not_known_is_equal_to_nothing(unknown: AttackId) -> None:
    assert not unknown.same_as(unknown)
    assert not unknown.exceeds(unknown)


@pytest.mark.parametrize(
    ("strong", "weak"),
    [
        (pgd(steps=50), pgd()),
        (pgd(restarts=2), pgd()),
        (pgd(iterate="any"), pgd()),
        (pgd(), fgsm()),
        (suite(), pgd()),
        (suite(version=None), pgd(steps=100)),
        (suite(), fgsm()),
        (suite(), suite("apgd-ce", "square")),
        (suite(before=pgd(steps=200)), pgd(steps=200)),
        (suite(before=pgd(steps=200)), pgd(steps=150)),
        (suite("square", before=pgd()), suite("square")),
    ],
)
def test_stronger_for_sure(strong: AttackId, weak: AttackId) -> None:
    assert strong.exceeds(weak)
    assert not weak.exceeds(strong)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pgd(), pgd()),
        (pgd(steps=50), pgd(step=Eps("1/255"))),
        (pgd(steps=50), pgd(restarts=2)),
        (pgd(steps=50), pgd(random_start=False)),
        (pgd(eps=Eps("4/255")), pgd(steps=50)),
        (pgd(norm="l2"), pgd(steps=50)),
        # Three steps of a quarter of the radius do not cross the ball; FGSM's one does.
        (pgd(steps=3), fgsm()),
        (pgd(), fgsm(step=Eps("2/255"))),
        (suite("square"), pgd()),
        (suite(), pgd(steps=200)),
        (suite(), pgd(restarts=2)),
        (suite("fab-t"), suite("square")),
        (suite(version="2.0"), suite("square")),
        (suite(), AttackId.of(AttackSpec(), made_on="b3:x")),
    ],
)
def test_no_order(one: AttackId, other: AttackId) -> None:
    assert not one.exceeds(other)
    assert not other.exceeds(one)
