"""Simulated networks with known deficits, for the operating characteristics of verdicts.

An image is classified correctly where a sum of normal effects exceeds a threshold:

    image          how hard it is, the same for all networks and seeds
    network-image  what this network finds hard, the same for all its seeds
    seed           a training that turned out well or badly, the same for all images
    rest           everything else, drawn anew for each seed and image

The threshold is set so that the expected share of correct images is exactly the level asked for,
which a sum of normals allows in closed form. Numbers are correlated through images and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.outcomes import NUMBERS, Contender, Measured, Number

IMAGE, NETWORK_IMAGE = 2.6, 0.15
"""Variances on the scale of the rest's, which is 1: two seeds of one network agree on images with
a latent correlation of 0.73, seeds of two networks with 0.69."""

TOTAL = 76_432
"""Prunable weights of the digits' network; only the shape of the sparsities depends on it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is simulated.

    Attributes:
        n: test images.
        levels: of the dense network, expected shares of correct images in the order of NUMBERS.
        spreads: standard deviation of the seeds' effect on each number, as shares.
        rho: correlation of numbers, of images' hardness and of seeds' effects alike.
        unstable: the dense network's, and the tickets' factor on the spreads.
        margins: of SA and RA, as shares: those of the presets with so many test images.
        classes: what guessing is held against.
    """

    n: int
    levels: tuple[float, ...]
    spreads: tuple[float, ...]
    rho: float = 0.5
    unstable: tuple[float, float] = (1.0, 1.0)
    margins: tuple[float, float] = (0.01, 0.01)
    classes: int = 10

    @property
    def settings(self) -> VerdictPart:
        """The rule with this scene's margins."""
        return VerdictPart(margin_sa=100 * self.margins[0], margin_ra=100 * self.margins[1])

    def margin(self, place: int) -> float:
        """The margin of one of NUMBERS, as a share."""
        return self.margins[0 if NUMBERS[place].kind == "sa" else 1]

    def varied(self, rho: float, unstable: tuple[float, float] = (1.0, 1.0)) -> Scene:
        """The scene with another correlation and other factors on the spreads."""
        return replace(self, rho=rho, unstable=unstable)


SCENES: Mapping[str, Scene] = {
    "224": Scene(
        224,
        (0.98, 0.20, 0.965, 0.65),
        (0.007, 0.025, 0.008, 0.018),
        margins=(0.04, 0.08),
        classes=5,
    ),
    "1,000": Scene(
        1_000,
        (0.40, 0.17, 0.36, 0.25),
        (0.008, 0.008, 0.008, 0.008),
        margins=(0.035, 0.035),
    ),
    "10,000": Scene(
        10_000,
        (0.95, 0.15, 0.85, 0.50),
        (0.0020, 0.0035, 0.0025, 0.0030),
    ),
}
"""By number of test images. Levels and spreads of 224 are those of results/study-digits.json, of
1,000 those of results/cpu-tiny-imagenet.json and study-cifar10.json, less what images alone would
spread. Runs with 10,000 images are not on file: levels and spreads there are assumptions, of the
size that CIFAR-10 networks are published with."""


@dataclass(frozen=True, slots=True)
class World:
    """Images drawn once, and networks on demand. Effects follow from the generator alone."""

    scene: Scene
    rng: np.random.Generator
    hardness: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        hardness = _correlated(self.rng, self.scene.rho, (self.scene.n,)) * math.sqrt(IMAGE)
        object.__setattr__(self, "hardness", hardness.astype(np.float32))

    def network(
        self, round_: int, seeds: int, deficits: Sequence[Sequence[float]]
    ) -> tuple[Contender, ...]:
        """One network per row of ``deficits``, all with the same draws: how the same network would
        have done, had it been this much worse. Its spread in points stays what the scene says.

        Args:
            round_: 0 is the dense network.
            seeds: how many.
            deficits: rows of shares, one per number.
        """
        scene = self.scene
        factor = scene.unstable[0 if round_ == 0 else 1]
        luck = _correlated(self.rng, scene.rho, (seeds,))
        bits: list[dict[Number, Measured]] = [{} for _ in deficits]
        for place, number in enumerate(NUMBERS):
            size = math.sqrt(NETWORK_IMAGE)
            own = self.rng.standard_normal(scene.n, dtype=np.float32) * np.float32(size)
            latent = self.rng.standard_normal((seeds, scene.n), dtype=np.float32)
            latent += self.hardness[place] + own
            for row, worse in enumerate(deficits):
                level = scene.levels[place] - worse[place]
                effect = seed_effect(level, scene.spreads[place] * factor)
                scale = math.sqrt(1 + IMAGE + NETWORK_IMAGE + effect**2)
                # A seed's luck moves its threshold: the same as moving all of its images.
                thresholds = -ndtri(level) * scale - luck[place] * effect
                hits = latent > thresholds.astype(np.float32)[:, None]
                counts = tuple(map(int, np.count_nonzero(hits, axis=1)))
                bits[row][number] = Measured(tuple(range(seeds)), counts, scene.n, hits)
        kept = round(TOTAL * 0.8**round_)
        return tuple(Contender(round_, kept, TOTAL, numbers) for numbers in bits)


def seed_effect(level: float, spread: float) -> float:
    """The seeds' standard deviation on the latent scale that moves shares by ``spread``."""
    density = math.exp(-(float(ndtri(level)) ** 2) / 2) / math.sqrt(2 * math.pi)
    rest = 1 + IMAGE + NETWORK_IMAGE
    ratio = (spread / density) ** 2
    # To first order a share moves by density * effect / scale, and scale^2 = rest + effect^2.
    return math.sqrt(rest * ratio / (1 - min(ratio, 0.9)))


def _correlated(
    rng: np.random.Generator, rho: float, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Standard normals for every number, shape (numbers, ...), pairwise correlated by rho."""
    common = rng.standard_normal(shape)
    own = rng.standard_normal((len(NUMBERS), *shape))
    return math.sqrt(rho) * common + math.sqrt(1 - rho) * own
