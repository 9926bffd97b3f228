"""Run the studies of docs/study.md: `make study`, or `python -m benchmarks.study FOLDER`.

A study is a preset with a grid, walked in pieces: each is one dwlt command, which as many processes
as there are cores work on, and which does nothing where its runs are there. Killed anywhere and
started again, the study says how far it is and goes on. After each piece that did something the
runs are condensed into the JSON and the figures that are committed (``benchmarks.record``), and the
pages' tables are written anew (``benchmarks.pages``), so that what is there so far is a result.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Piece:
    """One command of a study.

    Attributes:
        about: what it answers or makes.
        command: of dwlt, without preset, runs and data.
    """

    about: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A preset in pieces.

    Attributes:
        preset: whose settings and ``[verdict]`` are taken.
        images: folders below the data folder that it needs.
        pieces: in the order in which they are worth most: what a power calculation needs first, and
            the dear ones last.
    """

    preset: str
    images: tuple[str, ...]
    pieces: tuple[Piece, ...]


def _frontier(regime: str, share: str) -> Piece:
    command = ("frontier", "--pretrain-regime", regime, "--fraction", share)
    return Piece(
        f"extreme sparsity, {regime} pre-training, {float(share):.0%} of the data", command
    )


def _dense(regime: str, share: str, *more: str) -> Iterator[Piece]:
    about = f"spread over seeds of the dense network, {regime} pre-training, {float(share):.0%}"
    options = ("--pretrain-regime", regime, "--fraction", share, "--rounds", "0", "--seeds", "2")
    yield Piece(f"{about}, standard transfer", ("transfer", *options, *more))
    yield Piece(f"{about}, adversarial transfer", ("transfer", "--adv", *options, *more))


def _pretrain(regime: str) -> Piece:
    return Piece(f"{regime} pre-training", ("pretrain", "--regime", regime))


def _subset(regime: str, seed: int) -> Iterator[Piece]:
    """The dense network and the ticket of 73.79% on another subset (and other test images)."""
    options = ("--pretrain-regime", regime, "--fraction", "0.01", "--rounds", "0,6", "--seeds", "1")
    subset = ("--set", f"downstream.subset_seed={seed}", "--set", "grid.methods=['imp']")
    about = f"round 6 on subset {seed}, {regime} pre-training"
    yield Piece(f"{about}, standard transfer", ("transfer", *options, *subset))
    yield Piece(f"{about}, adversarial transfer", ("transfer", "--adv", *options, *subset))


CIFAR10 = (
    _pretrain("standard"),
    *_dense("standard", "0.01"),
    _pretrain("adversarial"),
    *_dense("adversarial", "0.01"),
    *(_frontier(regime, "0.01") for regime in ("adversarial", "standard")),
    *(piece for seed in (1, 2, 3, 4) for piece in _subset("adversarial", seed)),
    *(_frontier(regime, "0.1") for regime in ("adversarial", "standard")),
    _pretrain("fast"),
    *(_frontier("fast", one) for one in ("0.01", "0.1")),
    *(_frontier(regime, "1") for regime in ("adversarial", "standard", "fast")),
    Piece("controls at 73.79% sparsity, and what else the grid holds", ("run", "--keep-going")),
)

STUDIES = (
    Study("study-cifar10", ("tiny-imagenet-a", "cifar10"), CIFAR10),
    Study("study-digits", (), (Piece("the whole grid", ("run", "--keep-going")),)),
)


def dwlt(*arguments: str) -> list[str]:
    """A dwlt command line."""
    return [sys.executable, "-m", "dwlt", *arguments]


def walk(study: Study, piece: Piece, runs: Path, data: Path, processes: int) -> int:
    """Do a piece with several processes; returns the highest exit code."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    name, *options = piece.command
    common = ("--config", study.preset, "--runs", str(runs), "--data-dir", str(data))
    # A disk that was full, or images that were not there, may be mended by now.
    again = ("--retry-failed",) if "--keep-going" in options else ()
    workers = [
        # The first one is for people to watch; the others would only talk over it.
        subprocess.Popen(
            dwlt(name, *options, *again, *common, *(() if number == 0 else ("--quiet",))),
            env=environment,
        )
        for number in range(processes)
    ]
    return max(worker.wait() for worker in workers)


def finished(runs: Path) -> int:
    """How many results there are."""
    return sum(1 for _ in runs.glob("*/**/result.json"))


def record(study: Study, runs: Path) -> None:
    """Condense the runs into what is committed."""
    scripts = (
        ("record", str(runs), study.preset, "--config", study.preset),
        ("power", str(runs), f"{study.preset}-power"),
        ("pages",),
    )
    for name, *arguments in scripts:
        script = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
        subprocess.run(script, check=True, stdout=subprocess.DEVNULL)


def go_on(study: Study, runs: Path, data: Path, processes: int) -> int:
    """Walk a study's pieces; returns the highest exit code."""
    if runs.is_dir():
        subprocess.run(
            dwlt("runs", "matrix", "--config", study.preset, "--runs", str(runs)), check=False
        )
    code = 0
    for number, piece in enumerate(study.pieces, start=1):
        print(f"\n{study.preset}, piece {number} of {len(study.pieces)}: {piece.about}", flush=True)
        before, began = finished(runs), time.monotonic()
        code = max(code, walk(study, piece, runs, data, processes))
        new = finished(runs) - before
        print(f"{new} new results in {time.monotonic() - began:.0f} s", flush=True)
        if new:
            record(study, runs)
    return code


def main() -> None:
    """Go on with every study whose images are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=[study.preset for study in STUDIES])
    asked = parser.parse_args()
    code = 0
    for study in STUDIES:
        if asked.only not in (None, study.preset):
            continue
        missing = [name for name in study.images if not (asked.data_dir / name).is_dir()]
        if missing:
            where = f"{asked.data_dir} has no {missing[0]}"
            print(f"{study.preset}: left out, {where}", file=sys.stderr)
            continue
        runs = asked.folder / study.preset
        code = max(code, go_on(study, runs, asked.data_dir, asked.processes))
    # What failed is named above; what is done has been recorded all the same.
    raise SystemExit(code)


if __name__ == "__main__":
    main()
