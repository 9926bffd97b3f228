"""Hand-made result files: the smallest that a report accepts, every value adjustable."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from dwlt.spec.verdict import VerdictPart

# total 1000 in two layers; kept after r rounds of 20%, by round half to even as prune counts.
TOTAL = 1000
PAPER = VerdictPart(rule="paper")
"""The rule that needs few seeds and images; hand-made files have few of both."""

KEPT = {0: 1000, 1: 800, 3: 512, 6: 262, 10: 107, 15: 35, 20: 11}
ATTACK = "pgd-20 linf 8/255"


def accuracy(correct: int, n: int = 100) -> dict[str, Any]:
    return {"correct": correct, "n": n, "value": correct / n, "low": 0.0, "high": 1.0}


def score(sa: int, ra: int | None, n: int = 100, attack: str = ATTACK) -> dict[str, Any]:
    return {
        "sa": accuracy(sa, n),
        "ra": None if ra is None else accuracy(ra, n),
        "attack": None if ra is None else attack,
    }


def id8(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def layers(kept: int) -> list[dict[str, Any]]:
    """conv1 has 100 weights and keeps a little more than its share, conv2 has 900."""
    first = min(100, kept * 100 // TOTAL + 1)
    return [
        {"name": "conv1.weight", "kept": first, "total": 100},
        {"name": "conv2.weight", "kept": kept - first, "total": 900},
    ]


def attack_settings(label: str, **over: Any) -> dict[str, Any]:
    """The settings behind a label such as "pgd-20 linf 8/255, 5 restarts", where it is of ours."""
    found = re.match(r"(fgsm|pgd-([0-9]+)) (\S+) ([^ ,]+)(?:, ([0-9]+) restarts)?", label)
    if found is None:
        return {}
    eps = Fraction(found[4])
    one = found[1] == "fgsm"
    values = {
        "norm": found[3],
        "eps": found[4],
        "step": str(eps if one else eps / 4),
        "steps": int(found[2] or 1),
        "random_start": not one,
        "restarts": int(found[5] or 1),
        "iterate": "last",
        "mode": "eval",
    }
    return {"score": {"attack": values | over}}


class Maker:
    """Writes result files below a runs folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, relative: str, value: object) -> Path:
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, sort_keys=True))
        return path

    def common(self, stage: str, name: str, run_id: str, **over: Any) -> dict[str, Any]:
        spec = {"name": name, "seed": 0, "train": {"epochs": 15, "lr": 0.05}}
        task = {
            "name": "digits:5-9",
            "classes": ["five", "six", "seven", "eight", "nine"],
            "shape": [1, 8, 8],
            "n": {"train": 538, "validation": 134, "test": 224},
            "fingerprint": "b2:0123456789abcdef",
        }
        return {
            "format": "dwlt-result",
            "version": 1,
            "stage": stage,
            "id": run_id,
            "name": name,
            "spec": spec,
            "starts": {},
            "task": task,
            "flags": [],
            "environment": {"dwlt": "0.1.0", "torch": "2.15.0", "cpu": "Test CPU", "cpus": 2},
            "seconds": 12.5,
            "finished": "2026-01-02T03:04:05Z",
            **over,
        }

    def pretrain(self, name: str = "digits", regime: str = "adversarial", **over: Any) -> Path:
        run_id = id8("pretrain", name, regime)
        value = self.common("pretrain", name, run_id) | {
            "regime": regime,
            "seed": 0,
            "weights": f"b3:{regime}",
            "validation": score(95, 60),
            "test": score(94, 58),
        }
        return self.write(f"pretrain/{name}-{run_id}/result.json", value | over)

    def prune(self, number: int, name: str = "digits", method: str = "imp", **over: Any) -> Path:
        run_id = id8("prune", name, method)
        value = self.common("prune", name, run_id) | {
            "round": number,
            "kept": KEPT[number],
            "total": TOTAL,
            "rate": 0.2,
            "method": method,
            "regime": "adversarial",
            "seed": 0,
            "mask": f"b3:mask{number}",
            "parent": None,
            "weights": "b3:adversarial",
            "pretrain": {
                "id": id8("pretrain", name, "adversarial"),
                "name": name,
                "regime": "adversarial",
            },
            "layers": layers(KEPT[number]),
            "search": None,
        }
        return self.write(f"prune/{name}-{run_id}/round-{number:02d}/result.json", value | over)

    def cell(
        self,
        number: int,
        regime: str,
        sa: int,
        ra: int | None,
        *,
        seed: int = 0,
        n: int = 100,
        name: str = "digits",
        method: str = "imp",
        salt: str = "",
        attack: str = ATTACK,
        **over: Any,
    ) -> Path:
        """One transfer: ``sa`` and ``ra`` correct of ``n`` test images."""
        run_id = id8("transfer", number, regime, seed, name, method, n, attack, salt)
        best = {"epoch": 9, "validation": score(90, None if ra is None else 50)}
        common = self.common("transfer", name, run_id)
        common["spec"] |= attack_settings(attack)
        value = common | {
            "round": number,
            "kept": KEPT[number],
            "total": TOTAL,
            "regime": regime,
            "seed": seed,
            "fraction": 1.0,
            "mask": f"b3:mask{number}",
            "weights": "b3:adversarial",
            "layers": layers(KEPT[number]),
            "pretrain": {
                "id": id8("pretrain", name, "adversarial"),
                "name": name,
                "regime": "adversarial",
            },
            "prune": {
                "id": id8("prune", name, method),
                "name": name,
                "method": method,
                "regime": "adversarial",
            },
            # The other checkpoint's numbers are decoys: the verdict must not read them.
            "best_sa": best | {"test": score(sa, None if ra is None else 0, n, attack)},
            "best_ra": None if ra is None else best | {"test": score(n, ra, n, attack)},
        }
        return self.write(f"transfer/{name}-{run_id}/result.json", value | over)

    def network(
        self,
        number: int,
        numbers: Sequence[Sequence[int]],
        *,
        seeds: int = 1,
        **over: Any,
    ) -> None:
        """All transfers of one network: ``numbers`` = SA, RA standard; SA, RA adversarial.

        Each of the four is a list with one count of correct images per seed.
        """
        for seed in range(seeds):
            self.cell(number, "standard", numbers[0][seed], numbers[1][seed], seed=seed, **over)
            self.cell(number, "adversarial", numbers[2][seed], numbers[3][seed], seed=seed, **over)


def make_study(make: Maker) -> None:
    """A small study with something of everything: three seeds, all four verdicts."""
    make.pretrain()
    for number in KEPT:
        make.prune(number)
    spread = (-1, 0, 1)
    rows = {
        0: (95, 12, 88, 46),
        3: (95, 14, 89, 47),
        6: (95, 13, 88, 46),
        10: (94, 12, 87, 45),
        15: (93, 11, 86, 44),
        20: (71, 2, 60, 30),
    }
    for number, row in rows.items():
        lists = [[value + d * (1 + (value < 60)) for d in spread] for value in row]
        make.network(number, lists, seeds=3)
    make.cell(1, "standard", 95, 13)
