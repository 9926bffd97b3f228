"""A config whose frontier takes seconds to find: a weak attack, wide margins, few images."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwlt.cli.root import run

HUNT = """
extends = "{tiny}"
name = "hunt"
[source]
per_class = 24
[downstream]
per_class = 24
test = 60
[model]
width = 6
[pretrain]
regime = "standard"
[prune]
regime = "standard"
rounds = 3
[prune.train]
epochs = 1
[attack.evaluate]
eps = "1/64"
step = "1/64"
steps = 1
[attack.adversarial]
eps = "1/64"
step = "1/64"
steps = 1
[score]
every = 3
[pretrain.train]
epochs = 6
[transfer]
rounds = [1, 3]
[transfer.train]
epochs = 6
batch_size = 16
lr = 0.1
[verdict]
margin_sa = 30
margin_ra = 30
max_seeds = 3
"""


@pytest.fixture(scope="session")
def hunt(tiny: Path) -> Path:
    """The path of the config."""
    path = tiny.with_name("hunt.toml")
    path.write_text(HUNT.format(tiny=tiny))
    return path


def command(hunt: Path, runs: Path, *options: str) -> list[str]:
    """A search for the frontier."""
    return ["frontier", "--config", str(hunt), "--runs", str(runs), "--device", "cpu", *options]


@pytest.fixture(scope="session")
def hunted(hunt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with a search that has ended; to be copied before it is changed."""
    runs = tmp_path_factory.mktemp("hunted") / "runs"
    assert run(command(hunt, runs, "--quiet")) == 0
    return runs
