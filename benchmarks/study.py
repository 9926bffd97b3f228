"""Run the studies of docs/study.md: `make study`, or `python -m benchmarks.study FOLDER`.

Each study is a preset with a grid, walked by as many processes as there are cores: each run is
done by one of them. Killed anywhere and started again, it goes on. Then a report is written, and
`benchmarks.record` condenses the runs into the JSON and the figures that are committed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

STUDIES = {"study-digits": (), "study-cifar10": ("tiny-imagenet-a", "cifar10")}
"""Presets, and the folders of images that each needs."""


def command(*arguments: str) -> list[str]:
    """A dwlt command line."""
    return [sys.executable, "-m", "dwlt", *arguments]


def walk(preset: str, runs: Path, data: Path, processes: int) -> int:
    """Walk a grid with several processes; returns the highest exit code."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    options = ("--config", preset, "--runs", str(runs), "--data-dir", str(data), "--keep-going")
    # A disk that was full, or images that were not there, may be mended by now.
    again = ("--retry-failed",)
    workers = [
        # The first one is for people to watch; the others would only talk over it.
        subprocess.Popen(
            command("run", *options, *again, *(() if number == 0 else ("--quiet",))),
            env=environment,
        )
        for number in range(processes)
    ]
    return max(worker.wait() for worker in workers)


def main() -> None:
    """Run every study whose images are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=sorted(STUDIES))
    asked = parser.parse_args()
    code = 0
    for preset, folders in STUDIES.items():
        if asked.only not in (None, preset):
            continue
        missing = [name for name in folders if not (asked.data_dir / name).is_dir()]
        if missing:
            print(f"{preset}: left out, {asked.data_dir} has no {missing[0]}", file=sys.stderr)
            continue
        runs = asked.folder / preset
        code = max(code, walk(preset, runs, asked.data_dir, asked.processes))
        report = command(
            "report", "--runs", str(runs), "--out", str(asked.folder / f"{preset}-report")
        )
        subprocess.run(report, check=True)
        subprocess.run([sys.executable, "-m", "benchmarks.record", str(runs), preset], check=True)
    # What failed is named above; what is done has been reported all the same.
    raise SystemExit(code)


if __name__ == "__main__":
    main()
