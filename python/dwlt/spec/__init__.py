"""Specs: the resolved, validated settings of each stage, and the TOML they come from."""

from dwlt.spec.base import Spec, identity_values
from dwlt.spec.criteria import CRITERIA
from dwlt.spec.experiment import Experiment, describe, spread
from dwlt.spec.frontier import FrontierSpec
from dwlt.spec.grid import TRANSFER_REGIMES, Grid, GridTask, TransferRegime
from dwlt.spec.layers import Kind, LayerChoice, automatic
from dwlt.spec.load import (
    DEFAULT_PRESET,
    load_experiment,
    load_verdict,
    preset_text,
    presets,
    validate_spec,
)
from dwlt.spec.parts import (
    AttackSpec,
    ModelSpec,
    Regime,
    ScoreSpec,
    TaskSpec,
)
from dwlt.spec.regimes import OBJECTIVES, Options, regime_names, require_regime, split_awp
from dwlt.spec.stages import (
    METHODS,
    OF_A_SEARCH,
    SCORED,
    TRAINED,
    EvaluateSpec,
    Method,
    PretrainSpec,
    PruneSpec,
    StageSpec,
    TransferSpec,
)
from dwlt.spec.tables import Attacks
from dwlt.spec.training import TrainSpec
from dwlt.spec.variants import Variant, at_rounds, methods_of, narrowed, searched_on, variants
from dwlt.spec.verdict import VerdictPart
from dwlt.spec.verify import VerifyPart

__all__ = [
    "CRITERIA",
    "DEFAULT_PRESET",
    "METHODS",
    "OBJECTIVES",
    "OF_A_SEARCH",
    "SCORED",
    "TRAINED",
    "TRANSFER_REGIMES",
    "AttackSpec",
    "Attacks",
    "EvaluateSpec",
    "Experiment",
    "FrontierSpec",
    "Grid",
    "GridTask",
    "Kind",
    "LayerChoice",
    "Method",
    "ModelSpec",
    "Options",
    "PretrainSpec",
    "PruneSpec",
    "Regime",
    "ScoreSpec",
    "Spec",
    "StageSpec",
    "TaskSpec",
    "TrainSpec",
    "TransferRegime",
    "TransferSpec",
    "Variant",
    "VerdictPart",
    "VerifyPart",
    "at_rounds",
    "automatic",
    "describe",
    "identity_values",
    "load_experiment",
    "load_verdict",
    "methods_of",
    "narrowed",
    "preset_text",
    "presets",
    "regime_names",
    "require_regime",
    "searched_on",
    "split_awp",
    "spread",
    "validate_spec",
    "variants",
]
