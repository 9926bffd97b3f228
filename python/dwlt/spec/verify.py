"""``[verify]``: by which stronger attack a verdict is verified. It names no run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dwlt.spec.base import Spec


class VerifyPart(Spec):
    """What the networks that a verdict rests on are attacked with once more.

    The ball (norm and eps) is that of ``[attack.evaluate]``.

    Attributes:
        attack: "autoattack", or None: `dwlt run` and `dwlt frontier` stop at their own attack.
            `dwlt verify` takes AutoAttack where nothing else is said.
        prefilter: run PGD-20 first, and show AutoAttack only what stands. Faster; labelled so.
        samples: on so many test images, class-balanced and seeded; None: on all, as the numbers
            that are verified. Fewer images cannot be paired with them.
    """

    attack: Literal["autoattack"] | None = None
    prefilter: bool = False
    samples: Annotated[int, Field(ge=1)] | None = None
