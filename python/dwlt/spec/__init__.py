"""Specs: the resolved, validated settings of each stage, and the TOML they come from."""

from dwlt.spec.base import Spec, identity_values
from dwlt.spec.experiment import Attacks, Experiment, describe, spread
from dwlt.spec.load import DEFAULT_PRESET, load_experiment, preset_text, presets, validate_spec
from dwlt.spec.parts import (
    REGIMES,
    AttackSpec,
    ModelSpec,
    Regime,
    ScoreSpec,
    TaskSpec,
    TrainSpec,
)
from dwlt.spec.stages import EvaluateSpec, PretrainSpec, PruneSpec, StageSpec, TransferSpec

__all__ = [
    "DEFAULT_PRESET",
    "REGIMES",
    "AttackSpec",
    "Attacks",
    "EvaluateSpec",
    "Experiment",
    "ModelSpec",
    "PretrainSpec",
    "PruneSpec",
    "Regime",
    "ScoreSpec",
    "Spec",
    "StageSpec",
    "TaskSpec",
    "TrainSpec",
    "TransferSpec",
    "describe",
    "identity_values",
    "load_experiment",
    "preset_text",
    "presets",
    "spread",
    "validate_spec",
]
