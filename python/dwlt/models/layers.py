"""The weights of a network that masks are about, by ordinary name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from dwlt.errors import ModelError
from dwlt.models.model import Model, plain_name, state_of
from dwlt.spec import Kind, LayerChoice, automatic

STEM, CLASSIFIER = "stem", "classifier"
"""Words that stand for a layer in ``include`` and ``exclude``."""

_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
"""Weights of ``nn.MultiheadAttention`` itself; its output projection is a linear layer."""


@dataclass(frozen=True)
class Candidate:
    """A weight of a layer that dwlt can prune.

    Attributes:
        kind: of the layer.
        name: ordinary name of the weight.
        layer: ordinary name of the layer, "" for the network itself.
        module: the layer.
        weight: None where it is computed from other parameters.
    """

    kind: Kind
    name: str
    layer: str
    module: nn.Module
    weight: nn.Parameter | None


def candidates(model: Model) -> Iterator[Candidate]:
    """Every weight of a convolution, linear layer or attention, the classifier's too."""
    for layer, module in model.network.named_modules():
        for kind, attribute in _weights(module):
            name = plain_name(f"{layer}.{attribute}".lstrip("."))
            yield Candidate(kind, name, layer, module, module._parameters.get(attribute))


def _weights(module: nn.Module) -> list[tuple[Kind, str]]:
    """Kind of layer and attribute of the weights that a layer has of its own."""
    if isinstance(module, nn.Conv2d):
        return [("conv", "weight")]
    if isinstance(module, nn.Linear):
        return [("linear", "weight")]
    if isinstance(module, nn.MultiheadAttention):
        # One weight for queries, keys and values, or three where their sizes differ.
        own = _PROJECTIONS[:1] if module._qkv_same_embed_dim else _PROJECTIONS[1:]
        return [("linear", attribute) for attribute in own]
    return []


def automatic_choice(model: Model) -> LayerChoice:
    """What is pruned where nobody says: see ``spec.automatic``."""
    return LayerChoice(automatic((name, one.shape) for name, one in state_of(model).items()))


def chosen(model: Model, choice: LayerChoice) -> list[Candidate]:
    """The weights of a choice, in module order; one that two layers share comes for each.

    Raises:
        ModelError: a pattern names no layer, or only the classifier.
    """
    every = list(candidates(model))
    able = [one for one in every if one.layer != model.head]
    stem = able[0].name if able else None
    for pattern in (*choice.include, *choice.exclude):
        _require_meaning(pattern, pattern in choice.exclude, every, model)
    return [
        one
        for one in able
        if one.kind in choice.kinds
        and not _named(one, choice.exclude, stem)
        and (not choice.include or _named(one, choice.include, stem))
    ]


def _named(one: Candidate, patterns: tuple[str, ...], stem: str | None) -> bool:
    return any(one.name == stem if pattern == STEM else _fits(one, pattern) for pattern in patterns)


def _fits(one: Candidate, pattern: str) -> bool:
    return fnmatchcase(one.name, pattern) or fnmatchcase(one.layer, pattern)


def _require_meaning(pattern: str, excluded: bool, every: list[Candidate], model: Model) -> None:
    if pattern == STEM or (pattern == CLASSIFIER and excluded):
        return
    fitting = [one for one in every if pattern != CLASSIFIER and _fits(one, pattern)]
    if any(one.layer != model.head for one in fitting):
        return
    if pattern == CLASSIFIER or (fitting and not excluded):
        raise ModelError(
            f"the classifier {model.head!r} cannot be pruned: a transfer replaces it, and the mask "
            "with it",
            hint="take it out of `include`",
        )
    if not fitting:
        some = ", ".join(one.name for one in every[:3])
        raise ModelError(
            f"no layer is named {pattern!r}",
            hint=f"patterns are compared with whole names, such as {some}; "
            f"or write {STEM} or {CLASSIFIER}",
        )


def prunable(model: Model, choice: LayerChoice | None = None) -> dict[str, nn.Parameter]:
    """The weights that masks are about, in module order; shared ones once, by the first name.

    Args:
        model: the network.
        choice: which of them; None: those of every 2-d convolution.

    The classifier is left out, also where it is itself a convolution (SqueezeNet's): it is
    replaced when a ticket moves to another task, and a mask must outlive that.

    Raises:
        ModelError: a pattern names no layer, or a weight is computed from other parameters.
    """
    found: dict[str, nn.Parameter] = {}
    seen = set()
    for one in chosen(model, choice or LayerChoice()):
        if one.weight is None:
            raise computed(type(model.network).__name__, one)
        if one.weight not in seen:
            found[one.name] = one.weight
            seen.add(one.weight)
    return found


def computed(name: str, one: Candidate) -> ModelError:
    """The error that a weight is no parameter.

    Args:
        name: of the network, for the message.
    """
    made = ", ".join(repr(key) for key, _ in one.module.named_parameters() if "weight" in key)
    return ModelError(
        f"{name}: the weight of layer {one.layer!r} ({type(one.module).__name__}) is no parameter "
        f"but computed{f' from {made}' if made else ''}",
        hint="masks need plain weights: leave weight_norm, spectral_norm and other "
        "parametrizations away, or make them plain before the factory returns "
        "(torch.nn.utils.parametrize.remove_parametrizations, remove_weight_norm, "
        "remove_spectral_norm, prune.remove); or exclude the layer",
    )


def parameters_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter by ordinary name; one that two layers share by the first of its names."""
    return {plain_name(name): one for name, one in model.named_parameters()}


def count_parameters(model: Model) -> int:
    """Learned numbers of the whole network, shared ones once."""
    return sum(one.numel() for one in parameters_of(model).values())
