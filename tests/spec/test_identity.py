from __future__ import annotations

import pytest

from dwlt.spec import (
    AttackSpec,
    EvaluateSpec,
    ModelSpec,
    PruneSpec,
    ScoreSpec,
    TaskSpec,
    TrainSpec,
    TransferSpec,
    identity_values,
)
from dwlt.units import Eps


def prune_spec(**changes: object) -> PruneSpec:
    values: dict[str, object] = {
        "data": TaskSpec(task="digits:0-4"),
        "model": ModelSpec(),
        "score": ScoreSpec(),
        "train": TrainSpec(epochs=1, batch_size=8, lr=0.1),
    }
    return PruneSpec.model_validate({**values, **changes})


def test_only_what_differs_from_the_defaults_names_a_run() -> None:
    assert identity_values(prune_spec()) == {
        "data": {"task": "digits:0-4"},
        "model": {},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
    }


def test_a_value_given_as_its_default_is_the_same_run() -> None:
    assert identity_values(prune_spec(rate=0.2, seed=0)) == identity_values(prune_spec())


def test_labels_do_not_name_a_run() -> None:
    assert identity_values(prune_spec(name="other", rounds=3)) == identity_values(prune_spec())


def test_a_changed_value_is_another_run() -> None:
    assert identity_values(prune_spec(rate=0.3))["rate"] == 0.3
    nested = prune_spec(model=ModelSpec(width=8))
    assert identity_values(nested)["model"] == {"width": 8}


@pytest.mark.parametrize("text", ["3/16", "6/32", "0.1875", "3.0/16"])
def test_radii_count_by_value(text: str) -> None:
    score = ScoreSpec(attack=AttackSpec(eps=Eps(text)))
    assert identity_values(score) == {"attack": {"eps": "3/16"}}


@pytest.mark.parametrize("text", ["8/255", "16/510", "8.0/255", "4/127.5"])
def test_the_default_radius_is_the_default_however_it_is_written(text: str) -> None:
    assert identity_values(AttackSpec(eps=Eps(text))) == {}
    spec = prune_spec(
        train=TrainSpec(
            epochs=1,
            batch_size=8,
            lr=0.1,
            regime="adversarial",
            attack=AttackSpec(eps=Eps(text), step=Eps("4/510")),
        )
    )
    assert identity_values(spec)["train"]["attack"] == {}


def test_radii_of_a_list_count_by_value_too() -> None:
    spec = EvaluateSpec(
        data=TaskSpec(task="digits:0-4"),
        model=ModelSpec(),
        score=ScoreSpec(attack=AttackSpec()),
        sweep=(Eps("16/510"), Eps("0.5")),
    )
    assert identity_values(spec)["sweep"] == ["8/255", "1/2"]


def test_scoring_names_only_the_runs_whose_choice_depends_on_it() -> None:
    # A search's masks do not depend on how it was scored; a cell's chosen checkpoints do.
    score = ScoreSpec(attack=AttackSpec(steps=20))
    assert identity_values(prune_spec(score=score)) == identity_values(prune_spec())
    assert identity_values(score) == {"attack": {"steps": 20}}


def test_the_round_of_a_cell_is_known_by_its_mask_alone() -> None:
    values = {
        "data": {"task": "digits:5-9"},
        "model": {},
        "score": {},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
    }
    first = TransferSpec.model_validate({**values, "round": 3})
    assert identity_values(first) == values
