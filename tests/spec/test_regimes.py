"""Regimes by name: which there are, what they need, and what of them names a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dwlt.errors import SpecError
from dwlt.plugins import load_target
from dwlt.spec import AttackSpec, TrainSpec, identity_values, load_experiment, require_regime
from dwlt.spec.regimes import OWN, Options, regime_names, regime_of
from dwlt.units import Eps
from tests.plugin_package import installed

TESTS = Path(__file__).parents[1] / "training/objectives"
SOURCE = """
from dwlt.spec import Options
from dwlt.training import Objective


class Mixed(Objective):
    class Options(Options):
        share: float = 0.5


class Clean(Objective):
    uses_attack = False
"""
ENTRIES = {"dwlt.objectives": {"mixed": "dwlt_mixed:Mixed", "clean": "dwlt_mixed:Clean"}}


def train(regime: str, attack: AttackSpec | None = None, **options: Any) -> TrainSpec:
    values: dict[str, Any] = {"options": options, "attack": attack}
    return TrainSpec(regime=regime, epochs=4, batch_size=8, lr=0.1, **values)


def test_every_objective_is_one_file_with_a_test() -> None:
    for name, regime in OWN.items():
        assert regime.objective.startswith(f"dwlt.training.objectives.{name}:")
        test = "first_three" if name in ("standard", "adversarial") else name
        assert (TESTS / f"test_{test}.py").is_file()
        assert load_target(regime.objective).__doc__


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("tradez", "did you mean 'trades'?"),
        ("trade-awp", "did you mean 'trades-awp'?"),
        ("quite something else", "regimes: standard, fast, adversarial, trades, mart, free"),
    ],
)
def test_an_unknown_regime_gets_the_nearest_name(name: str, near: str) -> None:
    with pytest.raises(SpecError, match="there is no regime") as caught:
        require_regime(name)
    assert near in (caught.value.hint or "")
    with pytest.raises(SpecError, match=r"pretrain\.regime: there is no regime"):
        load_experiment("digits", overrides={"pretrain.regime": name})


def test_options_that_are_defaults_do_not_name_a_run() -> None:
    plain = identity_values(train("trades", AttackSpec()))
    assert "options" not in plain
    assert identity_values(train("trades", AttackSpec(), beta=6)) == plain
    assert identity_values(train("trades", AttackSpec(), beta=3))["options"] == {"beta": 3.0}
    step = AttackSpec(steps=1)
    assert "options" not in identity_values(train("fast", step, grad_align=0))


@pytest.mark.parametrize("regime", [*OWN, *(f"{name}-awp" for name in OWN)])
def test_a_training_is_read_back_as_it_was_written(regime: str) -> None:
    overrides: dict[str, Any] = {"pretrain.regime": regime}
    if regime.endswith("-awp"):
        overrides[f"pretrain.{regime}.options.awp_gamma"] = 0.02
    spec = load_experiment("digits", overrides=overrides).pretrain_spec().train
    assert TrainSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert type(spec.regime_options) is regime_of(regime).options
    hash(spec)


def test_a_regimes_tables_are_laid_over_one_another() -> None:
    text = [
        "pretrain.train.epochs=30",
        "pretrain.trades.epochs=20",
        "pretrain.trades.options.beta=3",
        "pretrain.trades-awp.options.awp_gamma=0.1",
    ]
    for regime, epochs in (("adversarial", 30), ("trades", 20), ("trades-awp", 20)):
        part = load_experiment("digits", text, {"pretrain.regime": regime}).pretrain_spec().train
        assert part.epochs == epochs
    assert part.regime_options.model_dump() == {
        "beta": 3.0,
        "start": 0.001,
        "awp_gamma": 0.1,
        "awp_warmup": 0,
    }


@pytest.mark.parametrize(
    ("regime", "change", "step"),
    [
        ("fast", None, "10/255"),
        ("fast", "pretrain.fast.options.n_fgsm=2", "8/255"),
        ("free", None, "8/255"),
        ("free", "pretrain.free.attack.step='3/255'", "3/255"),
    ],
)
def test_full_steps_are_the_default_where_they_are_the_references(
    regime: str, change: str | None, step: str
) -> None:
    overrides = {"attack.fast.eps": "8/255", "attack.fast.step": "10/255"}
    changes = [] if change is None else [change]
    one = load_experiment("digits", changes, {**overrides, "pretrain.regime": regime})
    attack = one.pretrain_spec().train.attack
    assert attack is not None
    assert (attack.step, attack.eps) == (Eps(step), Eps("8/255"))
    assert (attack.random_start, attack.mode) == (
        (False, "train") if regime == "free" else (True, "eval")
    )


@pytest.mark.parametrize(
    ("regime", "attack", "options", "words"),
    [
        ("trades", None, {}, "needs an attack"),
        ("standard-awp", AttackSpec(), {}, "takes no attack"),
        ("free", AttackSpec(), {}, "takes one step"),
        ("free", AttackSpec(steps=1), {}, "random_start = false"),
        ("trades", AttackSpec(random_start=False), {}, "leave random_start true"),
        ("trades", AttackSpec(use_best=True), {}, "leave use_best false"),
        ("fast", AttackSpec(steps=1, norm="l2"), {"n_fgsm": 2}, "norm = 'linf'"),
        ("trades", AttackSpec(), {"betta": 3}, "unknown key 'betta'; beta|did you mean 'beta'"),
        ("mart", AttackSpec(), {"beta": -1}, "greater than or equal to 0"),
        ("standard", None, {"beta": 3}, "unknown key 'beta'"),
        ("adversarial-awp", AttackSpec(), {"awp_warmup": 4}, "it would never begin"),
    ],
)
def test_what_would_not_be_carried_out_is_refused(
    regime: str, attack: AttackSpec | None, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        train(regime, attack, **options)


def test_a_regime_of_another_package(tmp_path: Path) -> None:
    with installed(tmp_path, ENTRIES, {"dwlt_mixed.py": SOURCE}):
        assert regime_names()[-2:] == ("clean", "mixed")
        assert train("clean").attack is None
        mixed = train("mixed", AttackSpec(), share=0.25)
        assert identity_values(mixed)["options"] == {"share": 0.25}
        assert regime_of("mixed-awp").options.model_fields.keys() == {
            *("share", "awp_gamma", "awp_warmup")
        }
        with pytest.raises(ValueError, match="unknown key 'shar'"):
            train("mixed", AttackSpec(), shar=0.25)
        overrides = {"pretrain.regime": "mixed", "pretrain.mixed.options.share": 0.75}
        spec = load_experiment("digits", overrides=overrides).pretrain_spec().train
        assert spec.regime_options.model_dump() == {"share": 0.75}
    with pytest.raises(SpecError, match="there is no regime 'mixed'"):
        require_regime("mixed")


def test_transfers_are_standard_or_adversarial() -> None:
    with pytest.raises(SpecError, match=r"transfer\.trades is used by nothing"):
        load_experiment("digits", ["transfer.trades.epochs=3"])


def test_options_have_no_fields_of_their_own() -> None:
    assert not Options.model_fields
