"""What an attack by gradients is called: its usual name, and whatever it does differently.

The names stand for definitions. "fgsm" is one step of length eps from the image itself (Goodfellow
et al. 2015). "pgd-K" is K steps of length eps / 4 from one random start, of which the last point is
judged (Madry et al. 2018; eps / 4 is the step of the published scripts' PGD-20 at eps 8/255).
"""

from __future__ import annotations

from dwlt.units import parse_fraction

PGD_STEPS_PER_RADIUS = 4
"""A step of pgd-K is the radius divided by this."""


def gradient_name(steps: int, random_start: bool | None) -> str:
    """The usual name: "fgsm" for one step without a random start, else "pgd-K"."""
    return "fgsm" if steps == 1 and random_start is False else f"pgd-{steps}"


def attack_label(
    norm: str,
    eps: str,
    *,
    steps: int,
    step: str | None = None,
    restarts: int | None = None,
    random_start: bool | None = None,
    iterate: str | None = None,
) -> str:
    """An attack's label: "pgd-20 linf 3/16", or "pgd-20 linf 3/16, step 1/16, 3 restarts".

    Args:
        norm: "linf" or "l2".
        eps, step: as fractions in text, in units of the pixel range [0, 1].
        iterate: which point is judged: "last", or "any" on the way.

    Values that are None are not known, and nothing is said about them.

    Raises:
        SpecError: eps or step is no number.
    """
    name = gradient_name(steps, random_start)
    radius = parse_fraction(eps)
    usual = radius if name == "fgsm" else radius / PGD_STEPS_PER_RADIUS
    apart = []
    # In a ball without extent every step is cut to nothing, so its length says nothing.
    if step is not None and radius > 0 and parse_fraction(step) != usual:
        apart.append(f"step {step}")
    if restarts is not None and restarts > 1:
        apart.append(f"{restarts} restarts")
    if random_start is False and name != "fgsm":
        apart.append("no random start")
    if iterate == "any":
        apart.append("any iterate")
    return ", ".join([f"{name} {norm} {eps}", *apart])
