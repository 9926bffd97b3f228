"""A runs folder whose report has every section, each with something in it."""

from __future__ import annotations

from typing import Any

from tests.report.grid import make_grid
from tests.report.make import Maker, accuracy
from tests.report.test_evaluations import evaluation
from tests.report.test_frontier import search
from tests.report.test_pictures import keep
from tests.report.test_variance import replicate
from tests.report.test_verified import WIN, verified


def make_everything(make: Maker) -> None:
    """A grid with controls, a verified win that a search confirmed, replicates, evaluations."""
    make_grid(make, tasks=("cifar10",), rounds=(0, 6), control_rounds=(6,))
    make.pretrain()
    for number in (0, 3, 6):
        make.prune(number)
        make.network(number, WIN)
    make.cell(10, "standard", 90, 20)
    verified(make, 0, 40)
    verified(make, 6, 40)
    search(make, 6)
    for at in range(3):
        replicate(make, at)
    curve = [("0", 80), ("1/255", 60), ("2/255", 30), ("8/255", 0)]
    points: list[dict[str, Any]] = [{"eps": eps, "ra": accuracy(ra)} for eps, ra in curve]
    rows = [{"name": "noise", "severity": s, "sa": accuracy(80 - 9 * s)} for s in range(1, 6)]
    corruptions = {"source": "builtin", "fingerprint": "b2:0", "mean": 0.53, "rows": rows}
    attacks = [
        {"name": "apgd-ce", "tried": 80, "fooled": 50, "ra": accuracy(30)},
        {"name": "square", "tried": 30, "fooled": 10, "ra": accuracy(20)},
    ]
    flags = [{"code": "square-stronger", "text": "Square is stronger"}]
    more = {"sweep": points, "corruptions": corruptions, "attacks": attacks, "flags": flags}
    evaluation(make, "0a0a0a01", mask="k.safetensors", **more)
    keep(make)
    (make.root / "transfer" / "unfinished-0badbad0").mkdir()
