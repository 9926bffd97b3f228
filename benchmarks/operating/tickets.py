"""A whole sequence of tickets with known deficits, and what is to be found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.operating.rules import GOOD
from benchmarks.operating.scenes import Scene, World
from dwlt.spec.verdict import DECLARED
from dwlt.verdict.outcomes import NUMBERS, Contender

PROFILES: Mapping[str, tuple[float, ...]] = {
    "all as good": (0, 0, 0, 0, 0, 0),
    "a cliff after round 10": (0, 0, 0, 0, 2.5, 4),
    "a slope from round 8": (0, 0, 0.2, 0.5, 1.5, 3),
    "exactly the margin after round 8": (0, 0, 0, 1, 1, 1),
    "exactly the margin from the first": (1, 1, 1, 1, 1, 1),
    "one failure at round 8": (0, 0, 2.5, 0, 4, 4),
}
"""Deficit of RA after adversarial transfer at each of DECLARED, in margins; the other numbers have
a third of it, none where it is exactly the margin."""

SLOPE = 1 / 3


@dataclass(frozen=True, slots=True)
class Sequence:
    """Networks of one world, drawn on demand.

    Attributes:
        world: where they live.
        seeds: how many each has.
        deficits: of rounds, in margins.
        made: those that have been drawn.
    """

    world: World
    seeds: int
    deficits: Mapping[int, float]
    made: dict[int, Contender]

    @classmethod
    def draw(
        cls, scene: Scene, seeds: int, deficits: Mapping[int, float], rng: np.random.Generator
    ) -> Sequence:
        """Images and the dense network."""
        world = World(scene, rng)
        return cls(world, seeds, deficits, {0: world.network(0, seeds, [GOOD])[0]})

    def network(self, round_: int) -> Contender:
        """A network with all of its seeds."""
        if round_ not in self.made:
            deficit = self.deficits[round_]
            scene = self.world.scene
            others = 0.0 if deficit == 1 else SLOPE
            worse = tuple(
                min(
                    deficit * scene.margin(place) * (1.0 if place == 3 else others),
                    # Nobody scores below zero.
                    0.9 * scene.levels[place],
                )
                for place in range(len(NUMBERS))
            )
            self.made[round_] = self.world.network(round_, self.seeds, [worse])[0]
        return self.made[round_]


def deficits(profile: str) -> dict[int, float]:
    """Of the declared rounds, in margins."""
    return dict(zip(DECLARED, PROFILES[profile], strict=True))


def truth(profile: str) -> int:
    """The place in DECLARED of the sparsest ticket within the margin, counted from 1; 0: none."""
    good = [place + 1 for place, deficit in enumerate(PROFILES[profile]) if deficit < 1]
    return max(good, default=0)


def place_of(round_: int | None) -> int:
    """The place of a round in DECLARED, counted from 1; 0 for None."""
    return 0 if round_ is None else DECLARED.index(round_) + 1
