"""Learning rates, worked out by hand."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwlt.spec import TrainSpec
from dwlt.training import SCHEDULES, lr_at


def spec(**changes: Any) -> TrainSpec:
    return TrainSpec(**{"epochs": 4, "batch_size": 2, "lr": 0.8, **changes})


def rates(train: TrainSpec, steps: int) -> list[float]:
    return [lr_at(train, step, steps) for step in range(train.epochs * steps)]


def test_every_schedule_of_a_spec_exists() -> None:
    assert set(SCHEDULES) == set(get_args(TrainSpec.model_fields["schedule"].annotation))


def test_constant() -> None:
    assert rates(spec(), 2) == [0.8] * 8


def test_warm_up_reaches_the_rate_with_its_last_step() -> None:
    assert rates(spec(warmup=2), 2) == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8])


def test_cosine_runs_over_the_steps_after_warm_up() -> None:
    half = math.sqrt(0.5)
    falling = [0.8, 0.4 * (1 + half), 0.4, 0.4 * (1 - half)]
    assert rates(spec(epochs=4, schedule="cosine"), 1) == pytest.approx(falling)
    assert rates(spec(epochs=5, schedule="cosine", warmup=1), 1) == pytest.approx([0.8, *falling])


def test_multistep_counts_epochs_from_the_start() -> None:
    train = spec(schedule="multistep", milestones=(3, 1), gamma=0.5, warmup=1)
    assert rates(train, 2) == pytest.approx([0.4, 0.8, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2])


@given(
    schedule=st.sampled_from(["constant", "cosine", "multistep"]),
    epochs=st.integers(1, 6),
    warmup=st.integers(0, 8),
    steps=st.integers(1, 5),
)
def test_rates_stay_in_range(schedule: str, epochs: int, warmup: int, steps: int) -> None:
    train = spec(schedule=schedule, epochs=epochs, warmup=warmup)
    for rate in rates(train, steps):
        assert 0 < rate <= 0.8
