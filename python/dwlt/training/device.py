"""From a device's name to a device, and its name in words for result files."""

from __future__ import annotations

import torch

from dwlt.errors import UserError
from dwlt.results.files import cpu_name

_NAMES = "use auto, cpu, cuda or cuda:0"


def choose_device(name: str, threads: int | None) -> torch.device:
    """The device that ``--device`` asks for; "auto" takes the first GPU, else the CPU.

    Args:
        threads: CPU threads to use from now on; None leaves PyTorch's choice.

    Raises:
        UserError: the name is unknown, or that device is not on this machine.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(
            f"{name!r} is not a device", hint="use auto, cpu, cuda or cuda:0"
        ) from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise UserError(f"device {name!r} is not supported", hint=_NAMES)
    index = device.index or 0
    if not torch.cuda.is_available():
        raise UserError("this machine has no usable CUDA device", hint="use --device cpu")
    if index >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(f"there is no {name}: this machine has {count} CUDA device(s)")
    return torch.device("cuda", index)


def describe(device: torch.device, devices: int = 1) -> str:
    """What a result says it was computed on.

    Args:
        devices: that computed together, of which this is the first.
    """
    together = f", {devices} devices" if devices > 1 else ""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device}){together}"
    return f"cpu, {torch.get_num_threads()} threads, {cpu_name()}{together}"
