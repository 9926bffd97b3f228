"""The reference package: whether it is there, and its four attacks as the standard suite has them.

Settings are those of ``AutoAttack(version="standard")`` of pyautoattack 0.2.0 for the L-infinity
and L2 norms, but for the number of target classes, which it fixes at nine.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch
from torch import Tensor

from dwlt.errors import UserError

VERSION = "0.2.0"
"""The release whose attacks were looked through; another may have other attacks."""

SUITE = ("apgd-ce", "apgd-t", "fab-t", "square")
"""The standard suite, in its order."""

LEAST_CLASSES = 4
"""APGD-T's loss looks at the four largest logits."""

NORMS = {"linf": "Linf", "l2": "L2"}
STEPS = 100
QUERIES = 5000

Predict = Callable[[Tensor], Tensor]
Perturb = Callable[[Tensor, Tensor], Tensor]


def require_package() -> None:
    """Make sure that the reference package can be used.

    Raises:
        UserError: it is not installed, or in a version that was not looked through.
    """
    try:
        found = metadata.version("pyautoattack")
    except metadata.PackageNotFoundError:
        raise UserError(
            "AutoAttack needs the package pyautoattack, which is not installed",
            hint="install it with `pip install 'dwlt[autoattack]'`",
        ) from None
    if found != VERSION:
        raise UserError(
            f"pyautoattack {found} is installed; dwlt knows {VERSION}",
            hint=f"install it with `pip install pyautoattack=={VERSION}`",
        )


def targets(classes: int) -> int:
    """Classes that the targeted attacks aim at: nine, or all other ones where there are fewer."""
    return min(9, classes - 1)


def suite_for(wanted: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """Those of the wanted attacks that exist for a number of classes."""
    return tuple(name for name in wanted if name != "apgd-t" or classes >= LEAST_CLASSES)


def build(
    name: str,
    predict: Predict,
    *,
    norm: str,
    eps: float,
    seed: int,
    classes: int,
    device: torch.device,
    log: Any,
) -> Perturb:
    """One of the four attacks, ready to perturb one shard.

    Args:
        predict: logits of a batch.
        seed: of all that the attack draws.
        log: anything with a ``warning`` method; hears of zero gradients.
    """
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from pyautoattack.fab_pt import FABAttack_PT
    from pyautoattack.square import SquareAttack

    common = {
        "norm": NORMS[norm],
        "eps": eps,
        "n_restarts": 1,
        "seed": seed,
        "verbose": False,
        "device": device,
    }
    attack: Any
    if name == "apgd-ce":
        attack = APGDAttack(predict, n_iter=STEPS, eot_iter=1, rho=0.75, logger=log, **common)
    elif name == "apgd-t":
        attack = APGDAttack_targeted(
            predict,
            n_iter=STEPS,
            eot_iter=1,
            rho=0.75,
            n_target_classes=targets(classes),
            logger=log,
            **common,
        )
    elif name == "fab-t":
        attack = FABAttack_PT(
            predict, n_iter=STEPS, targeted=True, n_target_classes=targets(classes), **common
        )
    elif name == "square":
        attack = SquareAttack(predict, p_init=0.8, n_queries=QUERIES, resc_schedule=False, **common)
    else:
        raise ValueError(f"{name!r} is none of {SUITE}")
    perturb: Perturb = attack.perturb
    return perturb
