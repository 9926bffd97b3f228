"""How often verdicts err and how often they see: `python -m benchmarks.verdict`.

Simulated networks with known deficits (``benchmarks.operating``), fixed seeds, about seven minutes
of one core. Each piece is kept below ``target/verdict`` when it is done, so that a run that was
stopped goes on; ``--fresh`` begins anew. Writes ``benchmarks/results/verdict.json`` and the tables
of ``docs/protocol.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import scipy

from benchmarks.operating import curves, estimators, families, frontiers, rules
from benchmarks.operating.scenes import SCENES
from benchmarks.operating.table import render, written
from dwlt.results.files import environment, to_json

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "verdict.json"
PAGE = ROOT / "docs" / "protocol.md"
PIECES = ROOT / "target" / "verdict"

VARIANTS = {
    "independent": (0.0, (1.0, 1.0)),
    "correlated": (0.5, (1.0, 1.0)),
    "dense twice as unsteady": (0.5, (2.0, 1.0)),
    "ticket twice as unsteady": (0.5, (1.0, 2.0)),
}
"""Correlation of the numbers, and factors on the spreads of dense network and ticket."""

REPETITIONS = {"224": 5000, "1,000": 5000, "10,000": 2000}
HALVED = (5, 10, 15, 20, 30, 40)
"""Numbers of seeds that a margin half as wide is tried with."""

Piece = Callable[[int], Any]
"""From a seed to plain figures."""


def pieces(scale: float = 1.0) -> Iterator[tuple[tuple[str, ...], Piece]]:
    """Every piece by its place in the result.

    Args:
        scale: of the repetitions; tests take few.
    """

    def times(count: int) -> int:
        return max(round(count * scale), 1)

    for n, scene in SCENES.items():
        for name, (rho, unstable) in VARIANTS.items():
            varied = scene.varied(rho, unstable)
            count = times(REPETITIONS[n])
            yield ("rules", n, name), partial(rules.rates, varied, count)
    for n, scene in SCENES.items():
        count = times(REPETITIONS[n] // 20)
        yield (
            ("half margin", n),
            partial(rules.power_by_seeds, scene, 0.5, HALVED, count),
        )
    for n in ("224", "1,000"):
        yield (
            ("estimators", n),
            partial(estimators.compared, SCENES[n], times(2000)),
        )
    for profile in families.names():
        yield (
            ("families", profile),
            partial(families.compared, SCENES["224"], profile, times(1000)),
        )
    for n in ("224", "1,000"):
        for profile in families.names():
            yield (
                ("frontier", n, profile),
                partial(frontiers.spent, SCENES[n], profile, times(400)),
            )
    for seeds in (3, 5):
        yield (
            ("curve", str(seeds)),
            partial(curves.coverage, SCENES["224"], seeds, times(300)),
        )


def code() -> str:
    """Digest of the code that figures depend on, so that pieces of older code are not taken up."""
    digest = hashlib.sha256()
    parts = ("benchmarks.operating.", "dwlt.verdict.", "dwlt.spec.verdict")
    for name, module in sorted(sys.modules.items()):
        if name.startswith(parts) and not name.endswith(".table") and module.__file__:
            digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:16]


def piece(name: tuple[str, ...], make: Piece, folder: Path) -> Any:
    """One piece, from the folder where it is there."""
    path = folder / f"{'.'.join(name).replace(' ', '-').replace(',', '')}.json"
    if path.exists():
        return json.loads(path.read_bytes())
    started = time.process_time()
    # A seed for each piece that does not depend on which others there are.
    made = make(zlib.crc32("/".join(name).encode()))
    print(f"{' / '.join(name)}: {time.process_time() - started:.1f} s", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_json({"made": made}))
    return json.loads(path.read_bytes())


def main() -> None:
    """Run what is not there yet, and write the result and the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="do not take up earlier pieces")
    parser.add_argument("--pieces", type=Path, default=PIECES, help="where pieces are kept")
    asked = parser.parse_args()
    folder = asked.pieces / code()
    if asked.fresh:
        for path in folder.glob("*.json"):
            path.unlink()
    figures: dict[str, Any] = {}
    for name, make in pieces():
        place = figures
        for part in name[:-1]:
            place = place.setdefault(part, {})
        place[name[-1]] = piece(name, make, folder)["made"]
    about = {**environment("cpu"), "numpy": numpy.__version__, "scipy": scipy.__version__}
    result = {
        "environment": about,
        "figures": figures,
        "repetitions": REPETITIONS,
        "scenes": {
            n: {
                "levels": scene.levels,
                "margins": scene.margins,
                "spreads": scene.spreads,
            }
            for n, scene in SCENES.items()
        },
    }
    RESULT.write_bytes(to_json(result))
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(page, render(json.loads(RESULT.read_bytes()))), encoding="utf-8")


if __name__ == "__main__":
    main()
