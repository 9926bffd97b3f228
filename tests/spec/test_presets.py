"""The paper's presets against the paper's numbers, written out once more."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest

from dwlt.spec import (
    AttackSpec,
    Experiment,
    Regime,
    TrainSpec,
    load_experiment,
    presets,
    variants,
)
from dwlt.spec.load import CONFIGS
from dwlt.units import parse_fraction

LARGE = ["paper-cifar10", "paper-cifar100", "paper-svhn"]
SMALL = [f"{name}-32" for name in LARGE]
PAPER = [*LARGE, *SMALL]
GRIDS = [f"{name}-grid" for name in LARGE]
CIFAR_TRANSFER = [name for name in [*PAPER, "cifar-resnet18"] if "svhn" not in name]


def attack(spec: AttackSpec | None) -> tuple[str, Fraction, Fraction, int, bool]:
    """Norm, radius, step, steps and random start; radii by value."""
    assert spec is not None
    eps, step = parse_fraction(spec.eps), parse_fraction(spec.step)
    return spec.norm, eps, step, spec.steps, spec.random_start


def pretraining(name: str, regime: Regime) -> TrainSpec:
    experiment = load_experiment(name, changes=[f"pretrain.regime={regime}"])
    return experiment.pretrain_spec().train


def test_all_of_the_papers_presets_are_looked_at() -> None:
    assert {name for name in presets() if name.startswith("paper-")} == {*PAPER, *GRIDS}


@pytest.mark.parametrize("name", LARGE)
def test_a_grid_is_its_preset_over_pretrainings_and_shares_of_the_data(name: str) -> None:
    base, grid = load_experiment(name), load_experiment(f"{name}-grid")
    without = {"name", "description", "grid"}
    assert base.model_dump(exclude=without) == grid.model_dump(exclude=without)
    found = {
        (v.experiment.pretrain.regime, v.experiment.prune.regime, v.experiment.downstream.fraction)
        for v in variants(grid)
    }
    regimes = ("standard", "fast", "adversarial")
    assert found == {(one, one, share) for one in regimes for share in (1.0, 0.1, 0.01)}


@pytest.mark.parametrize("name", PAPER)
def test_the_source_is_imagenet_and_the_task_is_the_names(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment.source.task == "imagefolder:imagenet"
    assert experiment.downstream.task == name.split("-")[1]
    assert experiment.downstream.validation == 5000
    large = name in LARGE
    assert experiment.model.name == ("resnet50" if large else "resnet50-32")
    assert experiment.source.size == experiment.downstream.size == (224 if large else 32)
    if large:
        assert experiment.source.augment == experiment.downstream.augment == "random-resized-crop"


@pytest.mark.parametrize("name", PAPER)
def test_pretraining_regimes(name: str) -> None:
    standard = pretraining(name, "standard")
    assert standard.attack is None
    assert (standard.epochs, standard.batch_size, standard.lr) == (90, 256, 0.1)
    assert (standard.momentum, standard.weight_decay) == (0.9, 1e-4)
    assert (standard.schedule, standard.milestones, standard.gamma) == ("multistep", (30, 60), 0.1)
    fast = pretraining(name, "fast")
    four = Fraction(4, 255)
    assert attack(fast.attack) == ("linf", four, four * 5 / 4, 1, True)
    adversarial = pretraining(name, "adversarial")
    assert attack(adversarial.attack) == ("linf", four, four * 2 / 3, 3, False)
    assert (adversarial.epochs, adversarial.batch_size, adversarial.lr) == (90, 512, 0.1)


@pytest.mark.parametrize("name", PAPER)
def test_pruning(name: str) -> None:
    spec = load_experiment(name).prune_spec()
    assert (spec.method, spec.rate) == ("imp", 0.2)
    train = spec.train
    assert train is not None
    assert (train.epochs, train.batch_size, train.lr) == (30, 2048, 5e-4)
    assert (train.schedule, train.momentum, train.weight_decay) == ("constant", 0.9, 1e-4)
    third = Fraction(16, 3 * 255)
    assert attack(train.attack) == ("linf", Fraction(8, 255), third, 3, True)
    plain = load_experiment(name, changes=["prune.regime=standard"]).prune_spec().train
    assert plain is not None
    assert (plain.epochs, plain.batch_size, plain.lr, plain.attack) == (30, 2048, 5e-4, None)


def test_transfer_keeps_the_rounds_of_the_abstract() -> None:
    for name in PAPER:
        rounds = load_experiment(name).transfer.rounds
        # 73.79, 79.03, 83.22, 89.26 and 91.41% sparsity are 1 - 0.8^r.
        assert {f"{1 - 0.8**r:.2%}" for r in rounds if isinstance(r, int)} >= {
            *("73.79%", "79.03%", "83.22%", "89.26%", "91.41%")
        }


@pytest.mark.parametrize("name", [*PAPER, "cifar-resnet18"])
def test_standard_transfer(name: str) -> None:
    train = load_experiment(name).transfer_spec("standard", 0, 0).train
    assert (train.batch_size, train.lr, train.epochs) == (64, 0.001, 150)
    assert (train.schedule, train.milestones, train.gamma) == ("multistep", (50, 100), 0.1)
    assert (train.momentum, train.weight_decay) == (0.9, 5e-4)


@pytest.mark.parametrize("name", CIFAR_TRANSFER)
def test_adversarial_transfer_to_cifar(name: str) -> None:
    train = load_experiment(name).transfer_spec("adversarial", 0, 0).train
    assert (train.batch_size, train.lr, train.epochs) == (128, 0.1, 100)
    assert (train.schedule, train.milestones, train.gamma) == ("multistep", (50, 75), 0.1)
    assert (train.momentum, train.weight_decay) == (0.9, 5e-4)
    assert attack(train.attack) == ("linf", Fraction(8, 255), Fraction(2, 255), 10, True)


@pytest.mark.parametrize("name", ["paper-svhn", "paper-svhn-32"])
def test_adversarial_transfer_to_svhn(name: str) -> None:
    train = load_experiment(name).transfer_spec("adversarial", 0, 0).train
    assert (train.batch_size, train.lr, train.epochs) == (128, 0.01, 80)
    assert (train.schedule, train.milestones) == ("cosine", ())
    assert (train.momentum, train.weight_decay) == (0.9, 5e-4)
    assert attack(train.attack) == ("linf", Fraction(8, 255), Fraction(2, 255), 10, True)


@pytest.mark.parametrize("name", [*PAPER, "cifar-resnet18"])
def test_choosing_and_testing_are_pgd_20(name: str) -> None:
    experiment = load_experiment(name)
    expected = ("linf", Fraction(8, 255), Fraction(2, 255), 20, True)
    assert attack(experiment.scoring().attack) == expected
    assert attack(experiment.transfer_spec("standard", 0, 0).score.attack) == expected


def values(experiment: Experiment) -> dict[str, Any]:
    return experiment.model_dump(exclude={"name", "description"})


def test_cifar_100_differs_from_cifar_10_in_its_images_alone() -> None:
    for end in ("", "-32"):
        ten, hundred = (values(load_experiment(f"paper-cifar{n}{end}")) for n in (10, 100))
        hundred["downstream"]["task"] = "cifar10"
        assert ten == hundred


@pytest.mark.parametrize("name", [*PAPER, *GRIDS, "cifar-resnet18"])
def test_every_value_of_a_preset_names_its_source(name: str) -> None:
    lines = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    for line in lines:
        key = line.partition("=")[0].strip()
        if line.startswith(("#", "[")) or key in ("", "name", "description", "extends"):
            continue
        if re.fullmatch(r"milestones = \[\]", line):  # undone by the schedule above it
            continue
        assert "#" in line, f"{name}: {line}"
