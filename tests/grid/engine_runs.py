"""A grid for tests of engines, and what must be equal however it was computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dwlt import _core

SMALL = """
extends = "digits"
name = "small"
description = "seconds"
[source]
per_class = 8
[downstream]
per_class = 8
test = 40
[model]
width = 2
[attack.evaluate]
steps = 1
[attack.adversarial]
steps = 1
[pretrain]
regime = "standard"
[pretrain.train]
epochs = 1
batch_size = 32
warmup = 0
[prune]
rounds = 1
regime = "standard"
[prune.train]
epochs = 1
batch_size = 32
[transfer]
seeds = 1
rounds = [1]
[transfer.train]
epochs = 2
batch_size = 32
"""
"""One pre-training, one search, and four cells."""

LONGER = """
extends = "{small}"
name = "longer"
[score]
every = 20
[pretrain.train]
epochs = 20
[transfer]
seeds = 2
[transfer.train]
epochs = 150
"""
"""Cells that last long enough to be disturbed: eight of them."""

VOLATILE = ("seconds", "waiting", "finished", "environment", "estimate")


def small(folder: Path) -> Path:
    """The path of the small config."""
    path = folder / "small.toml"
    path.write_text(SMALL)
    return path


def longer(folder: Path) -> Path:
    """The path of the longer one."""
    path = folder / "longer.toml"
    path.write_text(LONGER.format(small=small(folder)))
    return path


def computed(runs: Path) -> dict[str, Any]:
    """Every result without times and machine, and the digest of every file of tensors."""
    found: dict[str, Any] = {}
    for path in sorted(runs.glob("*/*-????????/**/result.json")):
        values = json.loads(path.read_bytes())
        kept = {key: value for key, value in values.items() if key not in VOLATILE}
        found[path.relative_to(runs).as_posix()] = kept
    for path in sorted(runs.glob("*/*-????????/**/*.safetensors")):
        found[path.relative_to(runs).as_posix()] = _core.digest_file(str(path))
    return found


def report(runs: Path, out: Path) -> dict[str, str]:
    """The tables of `dwlt report`, but for what is about times and places."""
    from dwlt.cli.root import run

    assert run(["report", "--runs", str(runs), "--out", str(out), "--quiet"]) == 0
    return {path.name: path.read_text() for path in sorted(out.glob("*.csv"))}
