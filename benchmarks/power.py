"""Which differences a study can find: `python -m benchmarks.power RUNS NAME`.

From a pilot, the dense networks of a runs folder with two seeds or more: how widely each number
spreads over seeds, and from that the margin at which a ticket that is exactly as good would match
with 3, 5 or 8 seeds of each network in four of five cases. Writes ``benchmarks/results/NAME.json``.

The error is that of the verdict (``dwlt.verdict.noninferiority``) for two equal networks: the
variance over seeds, or that of the disagreement between seeds on images where this is larger; what
test images add beyond it cancels, as both networks see the same. A match of four numbers at once is
rarer than of one.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from dwlt.results.files import to_json
from dwlt.results.outcomes import read_outcomes
from dwlt.runs import layout
from dwlt.verdict.outcomes import Measured

ROOT = Path(__file__).parent.parent
SEEDS = (3, 5, 8)
CONFIDENCE, POWER = 0.95, 0.8

Key = tuple[str, float, str]
"""Pre-training, share of the data, number."""


def dense_networks(runs: Path) -> dict[Key, Measured]:
    """What was measured of the dense networks, by number."""
    rows: dict[Key, dict[int, Any]] = defaultdict(dict)
    images = {}
    for path in sorted((runs / "transfer").glob(f"*/{layout.RESULT}")):
        result = json.loads(path.read_bytes())
        if result["round"] > 0 or result["spec"]["data"].get("subset_seed", 0) > 0:
            continue
        table = read_outcomes(path.parent / layout.OUTCOMES)
        for kind in ("sa", "ra"):
            found = table.of(f"best_{kind}.{kind}")
            if found is not None:
                number = f"{result['regime']}_{kind}"
                key = (result["pretrain"]["regime"], result["fraction"], number)
                rows[key][result["seed"]] = found.bits
                images[key] = table.images
    return {key: Measured.of_bits(bits, images[key]) for key, bits in rows.items() if len(bits) > 1}


def power(dense: Measured) -> dict[str, Any]:
    """Spread over seeds and the margins that numbers of seeds resolve, in points."""
    assert dense.bits is not None
    seeds, n = dense.bits.shape
    between = float(np.var(dense.bits.mean(axis=1), ddof=1))
    # Interaction of seeds and images: what is left of a bit after its image's and its seed's mean.
    rest = dense.bits - dense.bits.mean(axis=0) - dense.bits.mean(axis=1, keepdims=True)
    interaction = float(((rest + dense.mean) ** 2).sum()) / ((seeds - 1) * (n - 1)) / n
    variance = max(between, interaction)
    margins = {}
    for count in SEEDS:
        freedom = 2 * (count - 1)
        reach = stdtrit(freedom, CONFIDENCE) + stdtrit(freedom, POWER)
        margins[str(count)] = round(100 * float(reach) * math.sqrt(2 * variance / count), 2)
    return {
        "mean": round(100 * dense.mean, 2),
        "seeds": seeds,
        "n": n,
        "spread": round(100 * math.sqrt(between), 2),
        "disagreement": round(100 * math.sqrt(interaction), 2),
        "margins": margins,
    }


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("name")
    asked = parser.parse_args()
    found = [
        {"pretrain": pretrain, "fraction": fraction, "number": number, **power(dense)}
        for (pretrain, fraction, number), dense in sorted(dense_networks(asked.runs).items())
    ]
    values = {"confidence": CONFIDENCE, "power": POWER, "numbers": found}
    (ROOT / "benchmarks" / "results" / f"{asked.name}.json").write_bytes(to_json(values))


if __name__ == "__main__":
    main()
