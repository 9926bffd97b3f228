"""Ctrl-C while the core works: soon, as the exception that it is, and with nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from dwlt import _core

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")

LARGE = 1 << 30
"""Weights of the checkpoint: 4 GiB that take no room on the disk, and seconds to read."""


class Stopped(KeyboardInterrupt):
    """What the handler raises: the very exception has to come out of the core."""


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stopped

    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "w.safetensors"
    entry = {"dtype": "F32", "shape": [1024, LARGE // 1024], "data_offsets": [0, LARGE * 4]}
    header = json.dumps({"w": entry}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + LARGE * 4)
    return path


CALLS: dict[str, Callable[[Path, Path], object]] = {
    "digest": lambda path, _: _core.digest_file(path),
    "select": lambda path, _: _core.select_checkpoint(path, ["w"], keep=LARGE // 2),
    "random": lambda _path, _: _core.select_random([("w", [LARGE])], keep=LARGE // 2, seed=0),
    "apply": lambda path, out: _core.apply_to_file(
        path, _core.MaskSet.dense({"w": (1024, LARGE // 1024)}), out / "masked"
    ),
    "apply to a folder": lambda path, out: _core.apply_to_file(
        path.parent, _core.MaskSet.dense({"w": (1024, LARGE // 1024)}), out / "folder"
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_long_work_stops(name: str, large: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped), stopped_after(0.1):
        CALLS[name](large, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_waiting_stops(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    began = time.monotonic()
    with pytest.raises(Stopped), stopped_after(0.05):
        _core.write_atomic(pipe, b"nobody reads")
    assert time.monotonic() - began < 20  # without a look for signals it would be forever
    assert pipe.is_fifo()


def test_a_stop_while_weights_are_fetched_is_no_fault_of_the_weights() -> None:
    class Interrupted:
        shape = (4096,)

        def fetch(self, start: int, count: int) -> np.ndarray:
            raise Stopped

    with pytest.raises(Stopped):
        _core.select_magnitude([("w", Interrupted(), "float32")], keep=3)


def test_a_handler_that_does_not_raise_lets_the_work_end(tmp_path: Path) -> None:
    seen: list[int] = []
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = -1

    def read(number: int, _frame: FrameType | None) -> None:
        nonlocal reader
        seen.append(number)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    old = signal.signal(signal.SIGALRM, read)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        _core.write_atomic(path, b"read after all")  # waits until the handler reads
        assert os.read(reader, 100) == b"read after all"
    finally:
        signal.signal(signal.SIGALRM, old)
        os.close(reader)
    assert seen == [signal.SIGALRM]
