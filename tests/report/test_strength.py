"""A weak attack that fools more than a strong one: seen where it is beyond noise."""

from __future__ import annotations

from typing import Any

import pytest

from dwlt.report import assess, collect
from dwlt.results import Notice
from tests.report.make import PAPER, Maker, attack_settings, id8, score


def evaluation(
    make: Maker,
    attack: str,
    ra: int,
    *,
    n: int = 1000,
    weights: str = "b3:one",
    model: str = "m.safetensors",
    robust: list[int] | None = None,
    settings: dict[str, Any] | None = None,
    **over: Any,
) -> str:
    """An evaluation that left ``ra`` of ``n`` images; returns its name.

    The file has a label and settings, as those of earlier versions; ``settings`` changes some.
    """
    run_id = id8("evaluate", attack, weights, n, settings, sorted(over))
    common = make.common("evaluate", "m", run_id)
    common["spec"] |= attack_settings(attack.removesuffix(", transferred"), **(settings or {}))
    value = common | {"model": model, "weights": weights, "test": score(n, ra, n, attack)}
    if robust is not None:
        value["samples"] = {"ids": list(range(n)), "clean": [1] * n, "robust": robust}
    make.write(f"evaluate/m-{run_id}/result.json", value | over)
    return f"m-{run_id}"


def flags(make: Maker) -> list[Notice]:
    found = assess(collect(make.root), settings=PAPER).flags
    return [flag for flag in found if flag.code == "weak-attack-stronger"]


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ("fgsm linf 8/255", "pgd-20 linf 8/255"),
        ("pgd-10 linf 8/255", "pgd-50 linf 8/255"),
        ("pgd-20 linf 8/255", "pgd-20 linf 8/255, 5 restarts"),
        ("pgd-20 linf 8/255", "pgd-50 linf 16/510"),
        ("pgd-50 linf 8/255", "autoattack linf 8/255"),
        ("pgd-50 linf 8/255", "pgd-20+autoattack linf 8/255"),
    ],
)
def test_the_stronger_attack_must_not_leave_more(make: Maker, weak: str, strong: str) -> None:
    # Shares 0.50 and 0.60 of 1,000: error sqrt(.25/1000 + .24/1000) = 0.0221, 1.96 of it 0.0434.
    evaluation(make, weak, 500)
    where = evaluation(make, strong, 600)
    (flag,) = flags(make)
    assert flag.where == where
    assert f"RA 60.00% under {strong} is above 50.00% under the weaker {weak}" in flag.text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fgsm linf 8/255", "pgd-20 l2 8/255"),  # another norm
        ("pgd-20 linf 4/255", "pgd-20 linf 8/255"),  # another ball, and other steps in it
        ("pgd-10 linf 8/255, 5 restarts", "pgd-50 linf 8/255"),  # more steps, fewer restarts
        ("pgd-10 linf 8/255", "pgd-50 linf 8/255, transferred"),  # made on another network
        ("pgd-10 linf 8/255", "square linf 8/255"),  # another loss
        ("pgd-200 linf 8/255", "autoattack linf 8/255"),  # further than APGD's 100 steps
        ("pgd-20 linf 8/255", "pgd-20 linf 16/510"),  # the same
        ("pgd-20 linf 8/255", "one of my own"),  # not known
    ],
)
def test_attacks_without_an_order_are_not_compared(make: Maker, one: str, other: str) -> None:
    evaluation(make, one, 500)
    evaluation(make, other, 600)
    assert flags(make) == []


def test_what_the_order_expects_is_no_flag(make: Maker) -> None:
    evaluation(make, "fgsm linf 8/255", 600)
    evaluation(make, "pgd-20 linf 8/255", 500)
    assert flags(make) == []


def test_noise_is_no_flag(make: Maker) -> None:
    # 0.50 and 0.54: 0.04 is within 1.96 errors, 0.0438.
    evaluation(make, "fgsm linf 8/255", 500)
    evaluation(make, "pgd-20 linf 8/255", 540)
    assert flags(make) == []


@pytest.mark.parametrize(("only_strong", "flagged"), [(0, True), (23, True), (24, False)])
def test_image_by_image_less_is_enough(make: Maker, only_strong: int, flagged: bool) -> None:
    """40 images fall to FGSM alone, 0, 23 or 24 others to PGD alone: the chance of 40 or more
    heads among 63 and 64 coins is 0.0215 and 0.0300, and the limit is 0.025."""
    fgsm = [0] * 40 + [1] * 960
    pgd = [1] * (1000 - only_strong) + [0] * only_strong
    evaluation(make, "fgsm linf 8/255", 960, robust=fgsm)
    evaluation(make, "pgd-20 linf 8/255", 1000 - only_strong, robust=pgd)
    assert bool(flags(make)) == flagged


@pytest.mark.parametrize(
    "over",
    [
        {"weights": "b3:two"},
        {"n": 900},
        {"starts": {"weights": "b3:one", "mask": "b3:m"}},
    ],
)
def test_only_one_network_on_the_same_images_is_compared(make: Maker, over: dict[str, Any]) -> None:
    evaluation(make, "fgsm linf 8/255", 300)
    evaluation(make, "pgd-20 linf 8/255", 600, **over)
    assert flags(make) == []


def test_an_evaluation_is_held_against_the_transfers_own_test(make: Maker) -> None:
    cell = make.cell(6, "standard", 90, 60, n=100)  # pgd-20
    model = f"elsewhere/runs/transfer/{cell.parent.name}/best-ra.safetensors"
    where = evaluation(make, "fgsm linf 8/255", 20, n=100, model=model)
    (flag,) = flags(make)
    assert flag.where == cell.parent.name
    assert where in flag.text


def test_the_other_checkpoint_of_the_transfer_is_another_network(make: Maker) -> None:
    cell = make.cell(6, "standard", 90, 60, n=100)
    model = f"runs/transfer/{cell.parent.name}/best-sa.safetensors"
    # The best-SA checkpoint has RA 0 in these files: nothing can fool more.
    evaluation(make, "fgsm linf 8/255", 20, n=100, model=model)
    assert flags(make) == []


def test_one_label_with_other_settings_is_no_weaker_attack(make: Maker) -> None:
    """What earlier versions called "fgsm" took any step from anywhere."""
    evaluation(make, "fgsm linf 8/255", 600, settings={"step": "2/255", "random_start": True})
    evaluation(make, "fgsm linf 8/255", 300)
    evaluation(make, "pgd-20 linf 8/255", 500, settings={"step": "1/255"})
    evaluation(make, "pgd-10 linf 8/255", 400)
    labels = sorted(str(result.test.attack) for result in collect(make.root).evaluate)
    assert labels == [
        "fgsm linf 8/255",
        "pgd-1 linf 8/255",
        "pgd-10 linf 8/255",
        "pgd-20 linf 8/255, step 1/255",
    ]
    told = {(flag.values["weak"], flag.values["strong"]) for flag in flags(make)}
    # FGSM fools more than both searches that can cross the ball; these two have no order, and
    # one step of a quarter of the radius is weaker than ten of them, as it should be.
    assert told == {
        ("fgsm linf 8/255", "pgd-10 linf 8/255"),
        ("fgsm linf 8/255", "pgd-20 linf 8/255, step 1/255"),
    }


def test_a_label_without_settings_has_no_order(make: Maker) -> None:
    evaluation(make, "fgsm linf 8/255", 300, spec={"name": "m"})
    evaluation(make, "pgd-20 linf 8/255", 600, spec={"name": "m"})
    assert flags(make) == []
