"""Device names, on machines with and without a GPU as PyTorch would describe them."""

from __future__ import annotations

import pytest
import torch

from dwlt.errors import UserError
from dwlt.training.device import choose_device, describe


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """A machine that says it has so many GPUs; nothing is computed on them."""
    count = int(request.param)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    return count


@pytest.mark.parametrize(
    ("gpus", "name", "device"),
    [
        (0, "auto", "cpu"),
        (2, "auto", "cuda:0"),
        (2, "cpu", "cpu"),
        (2, "cuda", "cuda:0"),
        (2, "cuda:1", "cuda:1"),
    ],
    indirect=["gpus"],
)
def test_a_name_is_a_device(gpus: int, name: str, device: str) -> None:
    assert str(choose_device(name, None)) == device


@pytest.mark.parametrize(
    ("gpus", "name", "said"),
    [
        (0, "cuda", "no usable CUDA device"),
        (2, "cuda:2", "there is no cuda:2: this machine has 2 CUDA"),
        (2, "gpu", "'gpu' is not a device"),
        (2, "mps", "device 'mps' is not supported"),
        (2, "cuda:x", "'cuda:x' is not a device"),
        (2, "", "'' is not a device"),
    ],
    indirect=["gpus"],
)
def test_a_name_that_is_none_here_is_refused(gpus: int, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        choose_device(name, None)


@pytest.mark.parametrize("gpus", [2], indirect=True)
def test_results_say_what_computed_them(gpus: int) -> None:
    assert describe(torch.device("cuda:1")) == "GPU 1 (cuda:1)"
    assert describe(torch.device("cpu")).startswith(f"cpu, {torch.get_num_threads()} threads, ")


def test_threads_are_set_where_they_are_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        choose_device("cpu", before + 1)
        assert torch.get_num_threads() == before + 1
        choose_device("cpu", None)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
