"""A hand-made grid of runs: pre-training regimes x tasks x fractions x rounds, with controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dwlt import _core
from dwlt.runs import layout
from tests.report.make import KEPT, TOTAL, Maker, id8, score

REGIMES = ("standard", "fast", "adversarial")
CONTROLS = ("oneshot", "random", "layerwise-random", "shuffled", "reinit")
START = {
    "standard": (0.80, 0.02, 0.62, 0.33),
    "fast": (0.83, 0.08, 0.66, 0.38),
    "adversarial": (0.84, 0.12, 0.68, 0.42),
}
"""SA and RA after standard, SA and RA after adversarial transfer of the dense networks."""


def masks_of(*parts: object, kept: int) -> _core.MaskSet:
    """Drawn masks of two layers, 100 and 900 weights; more of the first is kept, as is usual."""
    first = min(100, kept * 100 // TOTAL + 1)
    draw = np.random.default_rng(int(id8(*parts), 16))
    bools = {}
    for name, total, count in (("conv1.weight", 100, first), ("conv2.weight", 900, kept - first)):
        flat = np.zeros(total, dtype=bool)
        flat[draw.permutation(total)[:count]] = True
        bools[name] = flat
    return _core.MaskSet.from_bools(bools)


class Grid:
    """Writes a whole grid below a maker's runs folder.

    Args:
        make: where to.
        n: test images.
        seeds: transfers of each kind.
    """

    def __init__(self, make: Maker, *, n: int = 1000, seeds: int = 3) -> None:
        self.make = make
        self.n = n
        self.seeds = seeds

    def search(
        self, regime: str, rounds: Sequence[int], method: str = "imp", **over: Any
    ) -> dict[str, Any]:
        """A prune run with its mask files; returns what transfers say of it."""
        name = f"grid-{regime}"
        run_id = id8("prune", regime, method, sorted(over.items()))
        trained = method in ("imp", "oneshot", "reinit")
        values = {
            "method": method,
            "regime": "adversarial" if trained else "none",
            "rewind": "pretrained",
            "of": None,
            **over,
        }
        if method in ("shuffled", "reinit"):
            imp = id8("prune", regime, "imp", [])
            values["of"] = {"id": imp, "name": name}
        folder = self.make.root / "prune" / f"{name}-{run_id}"
        for number in (0, *rounds):
            kept = KEPT[number]
            drawn_as = "imp" if method == "reinit" else method
            masks = masks_of(regime, drawn_as, number, kept=kept)
            fresh = method == "reinit" and number > 0
            self.make.write(
                f"prune/{name}-{run_id}/round-{number:02d}/result.json",
                self.make.common("prune", name, run_id)
                | values
                | {
                    "round": number,
                    "kept": kept,
                    "total": TOTAL,
                    "rate": 0.2,
                    "seed": 0,
                    "mask": masks.digest,
                    "parent": None,
                    "weights": "b3:fresh" if fresh else f"b3:{regime}",
                    "pretrain": self.pretrain(regime),
                    "layers": [
                        {"name": layer, "kept": k, "total": t} for layer, k, t in masks.layers()
                    ],
                    "search": None,
                },
            )
            masks.save(layout.round_folder(folder, number) / layout.MASK, round=number)
        return {"id": run_id, "name": name, "task": "tiny-a", **values}

    def pretrain(self, regime: str) -> dict[str, str]:
        """How runs name a pre-training."""
        return {"id": id8("pretrain", regime), "name": f"grid-{regime}", "regime": regime}

    def transfer(
        self,
        search: dict[str, Any],
        regime: str,
        number: int,
        *,
        task: str = "cifar10",
        fraction: float = 1.0,
        lost: float = 0.0,
    ) -> None:
        """Both transfers of one network with all seeds.

        Args:
            search: what ``search`` returned.
            regime: of the pre-training.
            number: the round.
            task: downstream.
            fraction: of the training data; less of it costs accuracy.
            lost: accuracy that a control is short of its ticket.
        """
        kept = KEPT[number]
        drawn_as = "imp" if search["method"] == "reinit" else search["method"]
        masks = masks_of(regime, drawn_as, number, kept=kept)
        late = {"standard": 6, "fast": 10, "adversarial": 15}[regime]
        fall = 0.04 * max(0, number - late) / 5 + lost * (number > 0)
        scarce = 0.11 * -math.log10(fraction)
        for transfer, at in (("standard", 0), ("adversarial", 2)):
            for seed in range(self.seeds):
                sa, ra = (
                    self._count(START[regime][at + i] - fall - scarce, number, seed, at + i)
                    for i in (0, 1)
                )
                self._cell(search, regime, number, masks, transfer, seed, task, fraction, sa, ra)

    def _count(self, share: float, *parts: object) -> int:
        """Correct images: the share with a little noise that is the same each time."""
        noise = (int(id8(*parts), 16) % 1001 - 500) / 500 * 0.008
        return max(0, min(self.n, round(self.n * (share + noise))))

    def _cell(
        self,
        search: dict[str, Any],
        regime: str,
        number: int,
        masks: _core.MaskSet,
        transfer: str,
        seed: int,
        task: str,
        fraction: float,
        sa: int,
        ra: int,
    ) -> None:
        owner = search["id"] if number else "dense"
        run_id = id8("transfer", owner, regime, number, transfer, seed, task, fraction)
        name = f"grid-{regime}"
        common = self.make.common("transfer", name, run_id)
        best = {"epoch": 9, "validation": score(sa, ra, self.n)}
        fresh = search["method"] == "reinit" and number > 0
        value = common | {
            "task": common["task"] | {"name": task},
            "spec": {"name": name, "seed": seed, "train": {"epochs": 15, "regime": transfer}},
            "round": number,
            "kept": KEPT[number],
            "total": TOTAL,
            "regime": transfer,
            "seed": seed,
            "fraction": fraction,
            "mask": masks.digest,
            "weights": "b3:fresh" if fresh else f"b3:{regime}",
            "layers": [{"name": x, "kept": k, "total": t} for x, k, t in masks.layers()],
            "pretrain": self.pretrain(regime),
            "prune": search,
            "best_sa": best | {"test": score(sa, max(0, ra - 9), self.n)},
            "best_ra": best | {"test": score(max(0, sa - 12), ra, self.n)},
        }
        self.make.write(f"transfer/{name}-{run_id}/result.json", value)


def make_grid(
    make: Maker,
    *,
    tasks: Sequence[str] = ("cifar10", "tiny-b"),
    fractions: Sequence[float] = (1.0, 0.1),
    rounds: Sequence[int] = (0, 3, 6, 10, 15, 20),
    control_rounds: Sequence[int] = (6, 10),
) -> None:
    """The grid of the study: every regime, both transfers, controls at two rounds."""
    grid = Grid(make)
    for regime in REGIMES:
        imp = grid.search(regime, [number for number in rounds if number])
        controls = [grid.search(regime, control_rounds, method) for method in CONTROLS]
        for task in tasks:
            for fraction in fractions:
                for number in rounds:
                    grid.transfer(imp, regime, number, task=task, fraction=fraction)
                for at, control in enumerate(controls):
                    for number in control_rounds:
                        grid.transfer(
                            control,
                            regime,
                            number,
                            task=task,
                            fraction=fraction,
                            lost=0.006 + 0.012 * at,
                        )
