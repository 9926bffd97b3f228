from __future__ import annotations

from dwlt.spec import (
    AttackSpec,
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
        "score": {},
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


def test_radii_count_as_they_are_written() -> None:
    spec = prune_spec(score=ScoreSpec(attack=AttackSpec(eps=Eps("4/255"))))
    assert identity_values(spec)["score"] == {"attack": {"eps": "4/255"}}


def test_the_round_of_a_cell_is_known_by_its_mask_alone() -> None:
    values = {
        "data": {"task": "digits:5-9"},
        "model": {},
        "score": {},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
    }
    first = TransferSpec.model_validate({**values, "round": 3})
    assert identity_values(first) == values
