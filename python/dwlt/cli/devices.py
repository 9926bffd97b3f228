"""``--devices``: the same command once for each device, started by PyTorch's elastic launcher.

Under ``torchrun``, which starts the processes itself, this file only sees which of them it is in.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from dwlt.cli.signals import PREEMPTED, answering
from dwlt.cli.streams import echo, others_to_stderr
from dwlt.errors import DwltError, UserError

if TYPE_CHECKING:
    from dwlt.cli.options import Settings

PATIENCE = 600
"""Seconds that the processes have to save and leave, once they were asked to."""

_ASKED_BY_USER = (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT))


def started() -> bool:
    """Whether a launcher has started this process as one of several."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def elsewhere(settings: Settings) -> int | None:
    """Have the command done by several processes, or do another rank's part of it.

    Returns:
        The exit code; None where this process is the one that does the command itself.

    Raises:
        UserError: a launcher has started another number of processes.
    """
    wanted = settings.devices
    if started():
        there = int(os.environ["WORLD_SIZE"])
        if wanted not in (None, there):
            raise UserError(
                f"--devices {wanted}, but a launcher has started {there} processes",
                hint="leave --devices out under torchrun",
            )
        if int(os.environ["RANK"]) == 0:
            return None
        return _named(lambda: follow(settings))
    if wanted is None or wanted == 1:
        return None
    _require_devices(wanted, settings.device)
    return _launch(wanted)


def follow(settings: Settings) -> int:
    """Be one of the ranks that compute with rank 0, until it has nothing more to do.

    Raises:
        RankError: rank 0 is gone.
    """
    from dwlt.ranks import Ranks, joined
    from dwlt.stages.follow import follow as serve

    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    with answering(ask), others_to_stderr():
        group = joined(settings.device)
        assert isinstance(group, Ranks)
        serve(group, lambda: asked)
        group.close(failed=False)
    return 0


def _named(work: Any) -> int:
    """Another rank says which one it is when it fails."""
    try:
        code: int = work()
    except DwltError as error:
        echo(f"dwlt: rank {os.environ['RANK']}: {error}", err=True)
        return 1
    return code


def _require_devices(wanted: int, device: str) -> None:
    import torch

    if device.startswith("cuda:"):
        raise UserError(
            f"--device {device} names one GPU, and --devices asks for {wanted}",
            hint="use --device cuda, and CUDA_VISIBLE_DEVICES to choose which",
        )
    count = torch.cuda.device_count()
    if (device == "cuda" or (device == "auto" and count)) and wanted > count:
        raise UserError(
            f"--devices {wanted}, but this machine has {count} GPU(s)",
            hint="use --device cpu to compute on the CPU",
        )


def _launch(wanted: int) -> int:
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    args: list[str] = click.get_current_context().find_root().obj
    # Each process would else use every core.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // wanted)))
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    answered = [
        name
        for name in names
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN
    ]
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=wanted,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        signals_to_handle=",".join(answered),
        shutdown_timeout=PATIENCE,
    )
    before = logging.root.manager.disable
    # What went wrong is said below, and by the ranks themselves.
    logging.disable(logging.ERROR)
    try:
        elastic_launch(config, sys.executable)("-m", "dwlt", *args)
    except SignalException as stopped:
        return 130 if stopped.sigval in _ASKED_BY_USER else PREEMPTED
    except ChildFailedError as error:
        return _failed(error)
    finally:
        logging.disable(before)
    return 0


def _failed(error: Any) -> int:
    """What the failure of a rank means for the command: its message, and the exit code."""
    codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
    if codes.get(0, 0) > 0:
        # Rank 0 has said why, and other ranks fell with it or before it.
        return int(codes[0])
    for rank, code in sorted(codes.items()):
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        pid = error.failures[rank].pid
        echo(f"dwlt: rank {rank} (process {pid}) has ended {how}", err=True)
    echo("  -> run the same command again, with any number of devices; it goes on", err=True)
    return 1
