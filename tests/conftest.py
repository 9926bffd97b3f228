"""What tests share: a config small enough that a whole experiment takes seconds."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

# Before anything imports torch: the networks of these tests are too small to share, and on a busy
# machine two threads that wait for each other are many times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Whoever starts the tests in the background has Ctrl-C ignored in them and all they start; tests of
# stopping begin from what a terminal gives.
for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(one) is signal.SIG_IGN:
        signal.signal(one, signal.default_int_handler if one is signal.SIGINT else signal.SIG_DFL)

TINY = """
extends = "digits"
name = "tiny"
description = "seconds"
[source]
per_class = 16
[downstream]
per_class = 16
[model]
width = 4
[score]
every = 1
[attack.evaluate]
steps = 3
[attack.adversarial]
steps = 2
[pretrain.train]
epochs = 3
batch_size = 32
warmup = 0
[prune]
rounds = 3
[prune.train]
epochs = 2
batch_size = 32
[transfer]
seeds = 1
[transfer.train]
epochs = 3
batch_size = 32
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the tiny config."""
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY)
    return path


LONGER = """
extends = "{tiny}"
[score]
every = 10
[pretrain.train]
epochs = 60
[prune.train]
epochs = 20
[transfer.train]
epochs = 30
"""


@pytest.fixture(scope="session")
def longer(tiny: Path) -> Path:
    """A config whose stages work for seconds, so that there is time to disturb them."""
    path = tiny.with_name("longer.toml")
    path.write_text(LONGER.format(tiny=tiny))
    return path


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process: exit code, stdout, stderr."""
    from dwlt.cli.root import run

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def cli_json(cli: Cli) -> Callable[..., object]:
    """Run a command with --json that must succeed, and read what it printed."""

    def call(*arguments: object) -> object:
        code, out, err = cli(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return call
