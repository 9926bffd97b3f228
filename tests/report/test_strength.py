"""A weak attack that fools more than a strong one: seen where it is beyond noise."""

from __future__ import annotations

from typing import Any

import pytest

from dwlt.report import assess, collect
from dwlt.report.strength import strength
from dwlt.results.records import Notice
from tests.report.make import Maker, id8, score


def evaluation(
    make: Maker,
    attack: str,
    ra: int,
    *,
    n: int = 1000,
    weights: str = "b3:one",
    model: str = "m.safetensors",
    robust: list[int] | None = None,
    **over: Any,
) -> str:
    """An evaluation that left ``ra`` of ``n`` images; returns its name."""
    run_id = id8("evaluate", attack, weights, n, sorted(over))
    common = make.common("evaluate", "m", run_id)
    value = common | {"model": model, "weights": weights, "test": score(n, ra, n, attack)}
    if robust is not None:
        value["samples"] = {"ids": list(range(n)), "clean": [1] * n, "robust": robust}
    make.write(f"evaluate/m-{run_id}/result.json", value | over)
    return f"m-{run_id}"


def flags(make: Maker) -> list[Notice]:
    found = assess(collect(make.root)).flags
    return [flag for flag in found if flag.code == "weak-attack-stronger"]


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ("fgsm linf 8/255", "pgd-20 linf 8/255"),
        ("pgd-10 linf 8/255", "pgd-50 linf 8/255"),
        ("pgd-20 linf 8/255", "pgd-20 x5 linf 8/255"),
        ("pgd-20 linf 4/255", "pgd-20 linf 8/255"),
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
        ("pgd-10 linf 8/255", "pgd-50 linf 4/255"),  # more steps in a smaller ball
        ("pgd-10 x5 linf 8/255", "pgd-50 linf 8/255"),  # more steps, fewer restarts
        ("pgd-10 linf 8/255", "pgd-50 linf 8/255, transferred"),  # made on another network
        ("pgd-10 linf 8/255", "square linf 8/255"),  # not known
        ("pgd-20 linf 8/255", "pgd-20 linf 16/510"),  # the same
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


@pytest.mark.parametrize(("only_strong", "flagged"), [(0, True), (30, False)])
def test_image_by_image_less_is_enough(make: Maker, only_strong: int, flagged: bool) -> None:
    """40 images more fall to FGSM alone. Of 40 apart, 40 > 1.96 * sqrt(40) = 12.4; where 30 others
    fall to PGD alone, the excess is 10 of 70 apart, and 1.96 * sqrt(70) = 16.4."""
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


@pytest.mark.parametrize("label", ["", "pgd linf 8/255", "pgd-20 linf 1/0", "fgsm linf eight"])
def test_labels_that_say_too_little(label: str) -> None:
    assert strength(label) is None
