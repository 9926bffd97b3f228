"""How the processes of one command find one another: what a launcher has set, and the joining."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from dwlt.ranks.group import ALONE, Group, Ranks
from dwlt.ranks.lost import RankError, Whereabouts

_LONG = timedelta(days=365)
"""How long a rank waits to be called: rank 0 may wait for hours for what others compute."""


def launched() -> bool:
    """Whether this process was started as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def own_rank() -> int:
    """This process's rank; 0 where it is the only one."""
    return int(os.environ["RANK"]) if launched() else 0


def joined(device: str) -> Group:
    """Join the other processes, where this one was started as one of several.

    Args:
        device: as ``--device`` has it; with "auto" or "cuda" each rank takes the GPU of its own
            number on its machine.

    Raises:
        RankError: they cannot be reached.
    """
    if not launched():
        return ALONE
    cuda = device != "cpu" and torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    own = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda and local >= torch.cuda.device_count():
        raise RankError(
            f"rank {own_rank()} is process {local + 1} of this machine, which has "
            f"{torch.cuda.device_count()} GPU(s)",
            hint="start as many processes on a machine as it has GPUs, or use --device cpu",
        )
    if cuda:
        torch.cuda.set_device(own)
    try:
        dist.init_process_group("gloo", timeout=_LONG)
    except (RuntimeError, ValueError) as error:
        raise RankError(f"rank {own_rank()} cannot reach the others: {error}") from error
    rank, size = dist.get_rank(), dist.get_world_size()
    everyone: list[Any] = [None] * size
    dist.all_gather_object(everyone, Whereabouts(rank, socket.gethostname(), os.getpid()))
    data = dist.new_group(backend="nccl" if cuda else "gloo")
    control = dist.new_group(backend="gloo", timeout=_LONG)
    return Ranks(own, data, control, everyone)
