"""Time `dwlt report` on a made-up grid of 400 transfers: `python -m benchmarks.report`.

Writes ``benchmarks/results/report.json``: processor and wall-clock seconds of the whole command in
a process of its own (imports included), of the same with figures, the machine and its load, which
says how far the wall clock can be trusted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.report.grid import CONTROLS, REGIMES, Grid
from tests.report.make import Maker

from dwlt import _core
from dwlt.results.files import to_json
from dwlt.results.outcomes import OutcomeTable, to_bytes
from dwlt.runs import layout

TARGET = Path(__file__).parent / "results" / "report.json"
N = 10_000
ROUNDS = (0, 3, 6, 10, 15, 20)
CONTROL_ROUNDS = (6, 10)


def make_runs(root: Path) -> int:
    """A grid of 400 transfers and more: three pre-trainings on two tasks, with controls.

    Each has outcomes of 10,000 test images, as a grid on CIFAR-10 has.

    Returns:
        How many transfers there are.
    """
    root.mkdir()
    grid = Grid(Maker(root), n=N)
    for regime in REGIMES:
        search = grid.search(regime, ROUNDS[1:])
        controls = [grid.search(regime, CONTROL_ROUNDS, method) for method in CONTROLS[:3]]
        for task in ("cifar10", "tiny-b"):
            for number in ROUNDS:
                grid.transfer(search, regime, number, task=task)
            for at, control in enumerate(controls):
                for number in CONTROL_ROUNDS:
                    grid.transfer(control, regime, number, task=task, lost=0.006 + 0.012 * at)
    draw = np.random.default_rng(0)
    # One difficulty for each image, so that networks agree on most of them.
    hard = draw.random(N)
    results = sorted((root / "transfer").glob("*/result.json"))
    for path in results:
        add_outcomes(path, hard, draw)
    return len(results)


def add_outcomes(path: Path, hard: NDArray[np.float64], draw: np.random.Generator) -> None:
    """Outcomes beside a result that agree with its counts."""
    result = json.loads(path.read_bytes())
    bits = {}
    for best in ("best_sa", "best_ra"):
        for kind in ("sa", "ra"):
            order = np.argsort(hard + 0.05 * draw.standard_normal(N))
            right = np.zeros(N, dtype=np.bool_)
            right[order[: result[best]["test"][kind]["correct"]]] = True
            bits[f"{best}.{kind}"] = right
    file = path.with_name(layout.OUTCOMES)
    table = OutcomeTable(np.arange(N, dtype=np.int64), "b2:made-up", bits)
    file.write_bytes(to_bytes(table))
    result["outcomes"] = _core.digest_file(str(file))
    path.write_text(json.dumps(result, sort_keys=True))


def measure(runs: Path, out: Path, *options: str) -> dict[str, float]:
    """Seconds of the command in a process of its own."""
    command = [sys.executable, "-m", "dwlt", "report", "--runs", str(runs), "--out", str(out)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([*command, "--quiet", *options], check=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"processor_s": round(processor, 2), "wall_s": round(wall, 2)}


def main() -> None:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats: int = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cells = make_runs(root / "runs")
        load = os.getloadavg()
        plain = [measure(root / "runs", root / "out") for _ in range(repeats)]
        figures = [measure(root / "runs", root / "out", "--figures")]
        page = (root / "out" / "report.html").stat().st_size
    found: dict[str, Any] = {
        "transfers": cells,
        "report": min(plain, key=lambda one: one["processor_s"]),
        "repeats": plain,
        "with_figures": figures[0],
        "page_bytes": page,
        "load_before": [round(value, 2) for value in load],
        "machine": {
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "jinja2": version("jinja2"),
            "pydantic": version("pydantic"),
        },
    }
    TARGET.write_bytes(to_json(found))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
