"""A network with a trap for each of AutoAttack's attacks, and images that walk into them.

One pixel of an image tells the kind of trap (too coarsely for an attack to change it), one
is what the logits depend on, and the others are idle. Class 0 is right everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPS = 0.05
KINDS = ("slope", "decoy", "needle", "stairs", "safe")


class Traps(nn.Module):
    """Logits of ``classes`` classes; those that play no part are far below.

    - slope: the margin falls steadily and is crossed within eps. Any gradient finds it.
    - decoy: class 1 comes near on one side and never gets there; class 2 is reached on the other
      side, from far below. Cross-entropy follows class 1; an attack that aims at class 2 gets it.
    - needle: a narrow strip a third of eps away, past which the margin is back and falls again.
      Long steps pass over it; the nearest boundary is right there.
    - stairs: crossed within eps, but flat wherever one looks: no gradient.
    - safe: no image within reach is wrong.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        images = images * self.scale
        kind = (images[:, 0, 0, 0].detach() * 4).round()[:, None]
        offset = images[:, 0, 0, 1] - 0.5
        low = torch.full((len(images), self.classes), -40.0)
        idle = 0 * offset

        def margin(value: Tensor) -> Tensor:
            return torch.cat([value[:, None], idle[:, None], low[:, 2:]], 1)

        slope = margin(20 * (offset + 0.6 * EPS))
        # Towards smaller offsets: the strip is where 0.30 to 0.36 of eps have been gone.
        gone = -offset / EPS
        needle = margin(torch.where(gone < 0.36, 20 * (0.3 - gone), 0.2 - 0.1 * gone))
        steps = margin(((offset + 0.6 * EPS) * 40).round().sign() + idle)
        safe = margin(idle + 10)
        decoy = slope
        if self.classes >= 4:
            rivals = [idle, -0.5 + 0.4 * offset / EPS, -30 * (1 + offset / (0.9 * EPS))]
            decoy = torch.cat([torch.stack(rivals, 1), low[:, 3:]], 1)
        logits = safe
        for number, one in enumerate((slope, decoy, needle, steps)):
            logits = torch.where(kind == number, one, logits)
        return logits


def trapped(count: int, seed: int = 0, side: tuple[int, int] = (2, 4)) -> tuple[Tensor, Tensor]:
    """Images (count, 1, *side), kinds taking turns, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 1, *side, generator=generator)
    images[:, 0, 0, 0] = torch.arange(count) % len(KINDS) / 4
    images[:, 0, 0, 1] = 0.5 + 0.01 * EPS * images[:, 0, 1, 3]
    return images, torch.zeros(count, dtype=torch.int64)
