"""What may be averaged and compared, and what is kept apart by name."""

from __future__ import annotations

from dwlt.report import Report, assess, collect
from dwlt.verdict.judge import Verdict
from tests.report.make import ATTACK, KEPT, PAPER, Maker, attack_settings, id8

GONE = {"name": "b", "kept": 0, "total": 1}
NUMBERS = ([90], [20], [85], [50])


def report_of(make: Maker) -> Report:
    return assess(collect(make.root), settings=PAPER)


def codes(report: Report) -> list[str]:
    return [notice.code for notice in report.warnings]


def test_the_dense_network_is_shared_by_prune_runs_on_the_same_weights(make: Maker) -> None:
    make.network(0, NUMBERS, method="imp")
    make.network(6, NUMBERS, method="imp")
    make.network(6, ([50], [1], [50], [10]), method="random")
    report = report_of(make)
    found = {g.group.prune.method: g.tickets[0].verdict for g in report.groups}
    assert found == {"imp": Verdict.DOUBLE_WIN, "random": Verdict.NOT}
    assert [g.group.prune.method for g in report.groups] == ["imp", "random"]
    assert codes(report) == []


def test_pretraining_runs_of_one_regime_stay_apart(make: Maker) -> None:
    make.network(0, NUMBERS, name="first")
    make.network(6, NUMBERS, name="first")
    make.network(6, NUMBERS, name="second")
    report = report_of(make)
    verdicts = {g.group.pretrain.name: g.tickets[0].verdict for g in report.groups}
    assert verdicts == {"first": Verdict.DOUBLE_WIN, "second": Verdict.INCOMPLETE}


def test_fractions_stay_apart(make: Maker) -> None:
    for fraction in (1.0, 0.1):
        make.network(0, NUMBERS, fraction=fraction, salt=str(fraction))
        make.network(6, NUMBERS, fraction=fraction, salt=str(fraction))
    report = report_of(make)
    assert [g.group.fraction for g in report.groups] == [1.0, 0.1]
    assert len({g.slug for g in report.groups}) == 2


def test_another_attack_makes_another_group_and_says_so(make: Maker) -> None:
    make.network(0, NUMBERS)
    make.network(6, NUMBERS)
    make.network(6, NUMBERS, attack="autoattack linf 8/255")
    report = report_of(make)
    verdicts = {g.group.attack: g.tickets[0].verdict for g in report.groups}
    assert verdicts == {
        "autoattack linf 8/255": Verdict.INCOMPLETE,
        "pgd-20 linf 8/255": Verdict.DOUBLE_WIN,
    }
    assert codes(report) == ["split-measure"]
    assert "autoattack linf 8/255, n = 100" in report.warnings[0].text
    odd = id8("transfer", 6, "standard", 0, "digits", "imp", 100, "autoattack linf 8/255", "")
    assert f"digits-{odd}" in report.warnings[0].text


def test_another_number_of_test_images_makes_another_group(make: Maker) -> None:
    make.network(0, NUMBERS)
    make.network(6, ([95], [30], [90], [60]), n=200)
    report = report_of(make)
    assert codes(report) == ["split-measure"]
    assert all(t.verdict is Verdict.INCOMPLETE for g in report.groups for t in g.tickets)


def test_other_training_settings_are_left_out_by_name(make: Maker) -> None:
    make.network(0, NUMBERS)
    make.network(6, NUMBERS)
    spec = {"name": "digits", "train": {"epochs": 1, "lr": 0.05}, **attack_settings(ATTACK)}
    odd = make.cell(10, "standard", 99, 99, spec=spec)
    report = report_of(make)
    (group,) = report.groups
    assert [t.ticket.round for t in group.tickets] == [6]
    (warning,) = report.warnings
    assert (warning.code, warning.where) == ("mixed-settings", odd.parent.name)


def test_name_seed_and_round_are_not_training_settings(make: Maker) -> None:
    make.network(0, NUMBERS, spec={"name": "a", "seed": 0, "round": 0, "train": {"lr": 1}})
    make.network(6, NUMBERS, spec={"name": "b", "seed": 1, "round": 6, "train": {"lr": 1}})
    assert codes(report_of(make)) == []


def test_another_mask_for_the_same_round_is_left_out(make: Maker) -> None:
    make.network(0, NUMBERS)
    make.network(6, NUMBERS)
    make.cell(6, "standard", 10, 1, seed=1, mask="b3:other")
    report = report_of(make)
    assert codes(report) == ["mixed-settings"]
    assert report.groups[0].tickets[0].verdict is Verdict.DOUBLE_WIN


def test_the_latest_of_two_results_for_one_cell_counts(make: Maker) -> None:
    make.network(0, NUMBERS)
    make.network(6, NUMBERS, finished="2026-02-01T00:00:00Z")
    old = make.cell(6, "standard", 10, 1, salt="old", finished="2026-01-01T00:00:00Z")
    report = report_of(make)
    assert report.groups[0].tickets[0].verdict is Verdict.DOUBLE_WIN
    (warning,) = report.warnings
    assert (warning.code, warning.where) == ("repeated-cell", old.parent.name)


def test_a_control_on_other_weights_is_held_against_the_pretrained_network(make: Maker) -> None:
    make.network(0, NUMBERS)
    make.network(6, NUMBERS, method="reinit", weights="b3:fresh")
    (group,) = report_of(make).groups
    assert group.tickets[0].verdict is Verdict.DOUBLE_WIN


def test_a_fast_transfer_is_left_out(make: Maker) -> None:
    make.network(0, NUMBERS)
    make.cell(6, "fast", 90, 50)
    assert codes(report_of(make)) == ["other-regime"]


def test_flags_of_the_report(make: Maker) -> None:
    make.network(0, NUMBERS)
    layers = [
        {"name": "conv1.weight", "kept": KEPT[6], "total": 600},
        {"name": "conv2.weight", "kept": 0, "total": 400},
    ]
    make.network(6, NUMBERS, layers=layers)
    path = make.pretrain(
        test={
            "sa": {"correct": 5, "n": 10, "value": 0.5},
            "ra": {"correct": 6, "n": 10, "value": 0.6},
            "attack": "fgsm",
        }
    )
    flags = {flag.code: flag for flag in report_of(make).flags}
    assert set(flags) == {"few-seeds", "ra-above-sa", "collapsed-layer"}
    assert flags["few-seeds"].text.startswith("rounds 0, 6: 1 of the 3 seeds")
    assert flags["ra-above-sa"].where == path.parent.name
    assert flags["collapsed-layer"].text == "round 6 (73.80%): nothing is kept in conv2.weight"


def test_a_dense_network_that_searches_share_is_flagged_once(make: Maker) -> None:
    make.network(0, ([90], [1], [85], [50]))
    make.network(6, NUMBERS)
    make.network(6, NUMBERS, method="random")
    report = report_of(make)
    assert len(report.groups) == 2
    assert [flag.code for flag in report.flags] == ["dense-at-floor", "few-seeds", "few-seeds"]


def test_flags_of_rounds_are_in_the_order_of_rounds(make: Maker) -> None:
    for number in (3, 10, 20):
        make.prune(number, layers=[{"name": "a", "kept": KEPT[number], "total": 999}, GONE])
    flags = [flag.text.partition(" (")[0] for flag in report_of(make).flags]
    assert flags == ["round 3", "round 10", "round 20"]


def test_flags_of_results_travel_into_the_report(make: Maker) -> None:
    make.pretrain(flags=[{"code": "catastrophic-overfitting", "text": "epoch 7"}])
    (flag,) = report_of(make).flags
    assert (flag.code, flag.text) == ("catastrophic-overfitting", "epoch 7")


def test_three_seeds_raise_no_flag(study: Maker) -> None:
    flags = [flag for flag in report_of(study).flags if flag.code == "few-seeds"]
    # Only round 1, which has a single transfer.
    assert [flag.text[:9] for flag in flags] == ["round 1: "]
