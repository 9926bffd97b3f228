"""The regimes by name: what each minimises, with which attack, and which options it takes.

A line here is the whole registration of an objective of dwlt's own; other packages bring theirs by
the entry point ``dwlt.objectives``. Every regime also exists under adversarial weight perturbation,
as ``<name>-awp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, create_model

from dwlt.errors import SpecError
from dwlt.plugins import Registry, unknown_hint
from dwlt.spec.base import Spec, identity_values
from dwlt.spec.explain import explain

AWP = "-awp"
"""What the name of a regime under adversarial weight perturbation ends with."""

Share = Annotated[float, Field(ge=0)]


class Options(Spec):
    """The options of a regime. A regime of another package may derive its own from this."""

    def attack_defaults(self, eps: Any) -> dict[str, Any]:
        """What the regime changes in the config's attack, below what its own table says.

        Args:
            eps: the radius that the attack will have.
        """
        return {}

    def check_attack(self, attack: Any) -> None:
        """Refuse an attack that the regime would not carry out as written.

        Raises:
            ValueError: a setting would not be read.
        """


class FastOptions(Options):
    """Two remedies against catastrophic overfitting; both are off by default.

    Attributes:
        grad_align: weight of GradAlign (Andriushchenko and Flammarion, arXiv 2007.02617, eq. 3):
            one minus the cosine between the input gradients at an image and at a random point of
            its ball. Their CIFAR-10 runs at eps = 8/255 use 0.2.
        n_fgsm: start from noise of this many eps, and clip nothing to the ball afterwards
            (N-FGSM: de Jorge et al., arXiv 2202.01181, section 4). The paper's value is 2, with
            steps of eps.
    """

    grad_align: Share = 0.0
    n_fgsm: Share = 0.0

    def attack_defaults(self, eps: Any) -> dict[str, Any]:
        return {"step": eps} if self.n_fgsm else {}

    def check_attack(self, attack: Any) -> None:
        if self.n_fgsm and (attack.norm != "linf" or not attack.random_start or attack.use_best):
            raise ValueError(
                "n_fgsm starts from noise of several eps in linf: it goes with norm = 'linf', "
                "random_start = true and use_best = false"
            )


class _NormalStart(Options):
    """An attack that starts from normal noise around the image.

    Attributes:
        start: standard deviation of that noise, in pixel units; 0.001 in the reference codes.
    """

    start: Annotated[float, Field(gt=0)] = 0.001

    def check_attack(self, attack: Any) -> None:
        if not attack.random_start:
            raise ValueError("this regime's attack starts from noise: leave random_start true")


class TradesOptions(_NormalStart):
    """TRADES (Zhang et al., arXiv 1901.08573, section 4.2).

    Attributes:
        beta: weight of the Kullback-Leibler term, 1 / lambda; 6 in the reference's CIFAR-10 runs.
    """

    beta: Share = 6.0

    def check_attack(self, attack: Any) -> None:
        super().check_attack(attack)
        if attack.use_best:
            raise ValueError("this regime's attack climbs a divergence: leave use_best false")


class MartOptions(_NormalStart):
    """MART (Wang et al., ICLR 2020, section 3.3).

    Attributes:
        beta: weight of the misclassification-aware term, lambda in the paper; 5 in the reference's
            training scripts.
    """

    beta: Share = 5.0


class FreeOptions(Options):
    """Free adversarial training (Shafahi et al., arXiv 1904.12843, algorithm 1).

    Attributes:
        replays: m, the optimiser steps on each batch. The reference divides the number of epochs
            by it; here an epoch passes over all images m times, so that is the config's to do.
    """

    replays: Annotated[int, Field(ge=1, le=100)] = 4

    def attack_defaults(self, eps: Any) -> dict[str, Any]:
        return {"step": eps, "random_start": False, "mode": "train"}

    def check_attack(self, attack: Any) -> None:
        if attack.norm != "linf" or attack.random_start or attack.mode != "train":
            raise ValueError(
                "regime 'free' steps on from the last batch's perturbation with the gradient of "
                "the training pass: norm = 'linf', random_start = false, mode = 'train'"
            )
        if attack.use_best:
            raise ValueError("regime 'free' trains on every point on its way: no use_best")


class AwpOptions(Options):
    """Adversarial weight perturbation (Wu et al., arXiv 2004.05884, section 4.2).

    Attributes:
        awp_gamma: size of the perturbation, relative to each weight tensor's norm.
        awp_warmup: epochs before it begins.
    """

    awp_gamma: Annotated[float, Field(gt=0)]
    awp_warmup: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Regime:
    """What a spec has to know of a regime; nothing of it needs PyTorch.

    Attributes:
        objective: ``module:class`` of the objective.
        attack: which attack of the config it trains with, or None: clean images.
        steps: how many steps that attack must have; None: any number.
        options: what ``train.options`` may hold.
        awp_gamma: default size of a weight perturbation on top of it.
    """

    objective: str
    attack: Literal["fast", "adversarial"] | None = "adversarial"
    steps: int | None = None
    options: type[Options] = Options
    awp_gamma: float = 0.01


_HOME = "dwlt.training.objectives"
OWN: dict[str, Regime] = {
    "standard": Regime(f"{_HOME}.standard:Standard", attack=None),
    "fast": Regime(f"{_HOME}.fast:Fast", attack="fast", steps=1, options=FastOptions),
    "adversarial": Regime(f"{_HOME}.adversarial:Adversarial"),
    "trades": Regime(f"{_HOME}.trades:Trades", options=TradesOptions, awp_gamma=0.005),
    "mart": Regime(f"{_HOME}.mart:Mart", options=MartOptions, awp_gamma=0.005),
    "free": Regime(f"{_HOME}.free:Free", attack="fast", steps=1, options=FreeOptions),
}
"""dwlt's own. The first three are those of the paper, for which reports have colours. The reference
of AWP trains with gamma = 0.01 on PGD and 0.005 on TRADES."""

OBJECTIVES: Registry[Any] = Registry("dwlt.objectives", {n: r.objective for n, r in OWN.items()})
"""The classes, imported on use."""


def regime_names() -> tuple[str, ...]:
    """Every name that may be written, those of other packages last; ``<name>-awp`` not listed."""
    return OBJECTIVES.names()


def split_awp(name: str) -> tuple[str, bool]:
    """The name of the regime itself, and whether it is under weight perturbation.

    A package may register a name that ends so; then that is its own regime.
    """
    if name.endswith(AWP) and name not in OBJECTIVES:
        return name.removesuffix(AWP), True
    return name, False


def is_regime(name: str) -> bool:
    """Whether there is such a regime."""
    return split_awp(name)[0] in OBJECTIVES


def require_regime(name: str) -> str:
    """The name, if there is such a regime.

    Raises:
        SpecError: there is none, with the nearest name in the hint.
    """
    base, _ = split_awp(name)
    if base in OBJECTIVES:
        OBJECTIVES.require(base)
        return name
    known = regime_names()
    near = [*known, *(f"{each}{AWP}" for each in known)]
    hint = unknown_hint(name, near).split("there are:")[0]
    raise SpecError(
        f"there is no regime {name!r}",
        hint=f"{hint}regimes: {', '.join(known)}, each also as NAME{AWP}",
    )


def regime_of(name: str) -> Regime:
    """What a spec has to know of a regime. Of another package's, its class is imported.

    Raises:
        SpecError: as ``require_regime``.
        UserError: the package cannot be imported.
    """
    base, awp = split_awp(require_regime(name))
    found = OWN.get(base) or _foreign(base)
    if not awp:
        return found
    return replace(found, options=_with_awp(found.options, found.awp_gamma))


@cache
def _with_awp(options: type[Options], gamma: float) -> type[Options]:
    name = f"{options.__name__.removesuffix('Options')}AwpOptions"
    field: Any = (Annotated[float, Field(gt=0)], gamma)
    return create_model(name, __base__=(AwpOptions, options), awp_gamma=field)


def _foreign(name: str) -> Regime:
    kind = OBJECTIVES.get(name)
    return Regime(
        f"{kind.__module__}:{kind.__qualname__}",
        attack="adversarial" if getattr(kind, "uses_attack", True) else None,
        options=getattr(kind, "Options", Options),
    )


def read_options(regime: str, given: Mapping[str, Any]) -> Options:
    """The options of a regime, validated, defaults filled in.

    Raises:
        SpecError: the regime has no such option, or not such a value.
    """
    kind = regime_of(regime).options
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise explain(error, f"options of regime {regime!r}", kind) from error


def kept_options(regime: str, given: Mapping[str, Any] | Options) -> Options:
    """The options as a spec keeps them: plain ``Options()`` where none differs from its default.

    So a regime that gains an option later keeps the ids of its runs.

    Raises:
        SpecError: as ``read_options``.
    """
    values = given.model_dump() if isinstance(given, Options) else given
    full = read_options(regime, values)
    return full if identity_values(full) else Options()
