"""What RobustBench's code says of its checkpoints and the files themselves do not.

Which network a file holds, how its images are normalised, which of two state dicts is meant and
which tensors take no part: from the library's model_zoo/cifar10.py, model_zoo/cifar100.py and
utils.py. Here are the models whose architecture dwlt has under a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dwlt.errors import UserError, did_you_mean

ZOO = "robustbench"
_ENDINGS = (".pt", ".pth")

Numbers = tuple[float, ...]
_Pixels = tuple[Numbers, Numbers]


@dataclass(frozen=True)
class Published:
    """A model of the zoo.

    Attributes:
        model: dwlt's name of the network.
        mean, std: of pixels in [0, 1], per channel; one value counts for all.
        ignore: tensors in the file that take no part in the forward pass.
        below: where in the file the state dict is, if several are there.
    """

    model: str
    mean: Numbers
    std: Numbers
    ignore: tuple[str, ...] = ()
    below: str | None = None


_PLAIN: _Pixels = (0.0,), (1.0,)
_HALF: _Pixels = (0.5,), (0.5,)
_CIFAR10: _Pixels = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
_CIFAR10_SHORT: _Pixels = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
_CIFAR10_LONG: _Pixels = (
    (0.4913997551666284, 0.48215855929893703, 0.4465309133731618),
    (0.24703225141799082, 0.24348516474564, 0.26158783926049628),
)
_CIFAR100: _Pixels = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
_CIFAR100_LONG: _Pixels = (
    (0.5070751592371323, 0.48654887331495095, 0.4409178433670343),
    (0.2673342858792401, 0.2564384629170883, 0.27615047132568404),
)

_WRN28, _WRN34 = "wrn28-10-32", "wrn34-10-32"
_PREACT, _RAW = "preactresnet18-32", "preactresnet18-raw-32"

_TABLE: tuple[tuple[str, str, _Pixels, str], ...] = (
    (
        "cifar10/Linf",
        _WRN28,
        _PLAIN,
        "Carmon2019Unlabeled Sehwag2020Hydra Wang2020Improving Wu2020Adversarial_extra "
        "Zhang2020Geometry Sridhar2021Robust Standard",
    ),
    ("cifar10/Linf", _WRN28, _HALF, "Hendrycks2019Using"),
    (
        "cifar10/Linf",
        _WRN34,
        _PLAIN,
        "Zhang2019Theoretically Huang2020Self Zhang2019You Zhang2020Attacks Wu2020Adversarial "
        "Sehwag2021Proxy Sitawarin2020Improving Cui2020Learnable_34_10 Chen2021LTD_WRN34_10 "
        "Addepalli2021Towards_WRN34 Addepalli2022Efficient_WRN_34_10 Jia2022LAS-AT_34_10",
    ),
    ("cifar10/Linf", _WRN34, _CIFAR10, "Chen2020Efficient"),
    ("cifar10/Linf", _RAW, _PLAIN, "Andriushchenko2020Understanding"),
    ("cifar10/Linf", _RAW, _CIFAR10, "Wong2020Fast"),
    ("cifar10/L2", _WRN28, _PLAIN, "Standard"),
    ("cifar10/L2", _WRN28, _CIFAR10_SHORT, "Rony2019Decoupling"),
    ("cifar10/L2", _WRN34, _PLAIN, "Wu2020Adversarial Sehwag2021Proxy"),
    (
        "cifar10/L2",
        _WRN34,
        _CIFAR10_LONG,
        "Augustin2020Adversarial_34_10 Augustin2020Adversarial_34_10_extra",
    ),
    ("cifar10/L2", _PREACT, _CIFAR10, "Rice2020Overfitting"),
    ("cifar10/corruptions", _WRN28, _PLAIN, "Standard"),
    (
        "cifar10/corruptions",
        _WRN34,
        _PLAIN,
        "Addepalli2021Towards_WRN34 Addepalli2022Efficient_WRN_34_10",
    ),
    (
        "cifar10/corruptions",
        _PREACT,
        _CIFAR10,
        "Kireev2021Effectiveness_Gauss50percent Kireev2021Effectiveness_AugMixNoJSD "
        "Kireev2021Effectiveness_RLAT Kireev2021Effectiveness_RLATAugMixNoJSD "
        "Kireev2021Effectiveness_RLATAugMix",
    ),
    ("cifar100/Linf", _WRN28, _HALF, "Hendrycks2019Using"),
    (
        "cifar100/Linf",
        _WRN34,
        _PLAIN,
        "Cui2020Learnable_34_10_LBGAT0 Cui2020Learnable_34_10_LBGAT6 Sitawarin2020Improving "
        "Addepalli2021Towards_WRN34 Chen2021LTD_WRN34_10",
    ),
    ("cifar100/Linf", _WRN34, _CIFAR100, "Chen2020Efficient"),
    ("cifar100/Linf", _WRN34, _CIFAR100_LONG, "Wu2020Adversarial"),
    ("cifar100/Linf", _PREACT, _CIFAR100_LONG, "Rice2020Overfitting"),
    ("cifar100/Linf", _PREACT, _PLAIN, "Addepalli2021Towards_PARN18"),
    ("cifar100/corruptions", _WRN34, _PLAIN, "Addepalli2021Towards_WRN34"),
    ("cifar100/corruptions", _PREACT, _PLAIN, "Addepalli2021Towards_PARN18"),
)
"""Folder, network, normalisation, models."""


def _behind(part: str) -> tuple[str, ...]:
    """A part of a network behind the prefixes that the zoo's loader strips."""
    return tuple(prefix + part for prefix in ("", "module.", "model.", "module.model."))


# TRADES' WRN has a second first stage, built and saved and not used in its forward pass.
_UNUSED = _behind("sub_block1")
_LAST = ("Andriushchenko2020Understanding", "Kireev2021Effectiveness")
"""Files with the state dicts "last" and "best", of which the library takes the last one."""


def _models() -> Iterable[tuple[str, Published]]:
    for folder, model, (mean, std), names in _TABLE:
        for name in names.split():
            ignore = _UNUSED if model in (_WRN28, _WRN34) else ()
            if name == "Andriushchenko2020Understanding":
                ignore = _behind("model_preact_hl1")  # a part of the network, saved twice
            below = "last" if name.startswith(_LAST) else None
            yield f"{folder}/{name}", Published(model, mean, std, ignore, below)


MODELS: dict[str, Published] = dict(_models())
"""By data set, threat model and name, as the library's own files lie in its folder of models."""


def published(zoo: str, source: str) -> Published:
    """What the zoo says of a checkpoint.

    Args:
        zoo: ``robustbench``, or ``robustbench:DATASET/THREAT/NAME`` where the file lies under
            another name than the library gave it.
        source: the file.

    Raises:
        UserError: there is no such zoo, or no such model whose network dwlt has.
    """
    library, colon, name = zoo.partition(":")
    if library != ZOO:
        raise UserError(f"there is no zoo {library!r}", hint=f"choose {ZOO}")
    if not colon:
        path = Path(source)
        stem = path.name.removesuffix(path.suffix) if path.suffix in _ENDINGS else path.name
        name = "/".join([*path.absolute().parts[-3:-1], stem])
    if name not in MODELS:
        folders = ", ".join(dict.fromkeys(key.rpartition("/")[0] for key in MODELS))
        raise UserError(
            f"no model of {ZOO} that dwlt has the network of is named {name!r}",
            hint=f"{did_you_mean(name, list(MODELS))}write --zoo {ZOO}:DATASET/THREAT/NAME, such "
            f"as {ZOO}:{next(iter(MODELS))} (folders: {folders}); of another one, give --model, "
            "--mean and --std",
        )
    return MODELS[name]
