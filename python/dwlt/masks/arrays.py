"""Tensors and arrays as the core takes them: their bytes, not copied where that can be."""

from __future__ import annotations

import sys
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dwlt.errors import MaskError


class TensorLike(Protocol):
    """What is used of a ``torch.Tensor`` before it is known to be one."""

    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...
    def detach(self) -> Any: ...


Array: TypeAlias = NDArray[Any] | TensorLike

_TORCH_FLOATS = {"float64", "float32", "float16", "bfloat16"}


class DeviceWeights:
    """Weights on another device, which the core copies piece by piece.

    Args:
        tensor: a ``torch.Tensor``; laid out anew, on its own device, if not in row-major order.
    """

    def __init__(self, tensor: Any) -> None:
        self.shape = tuple(tensor.shape)
        self._flat = tensor.detach().reshape(-1)

    def fetch(self, start: int, count: int) -> NDArray[np.uint8]:
        """``count`` bytes from the weight at flat index ``start`` on."""
        stretch = self._flat[start : start + count // self._flat.element_size()].cpu()
        uint8 = sys.modules["torch"].uint8
        bytes_: NDArray[np.uint8] = stretch.view(uint8).numpy()
        return bytes_


def for_core(name: str, array: Array) -> tuple[NDArray[Any] | DeviceWeights, str]:
    """A tensor's or array's weights as the core takes them, and their type.

    Raises:
        MaskError: the type has no order of magnitudes.
    """
    if _is_on_device(array):
        dtype = str(array.dtype).removeprefix("torch.")
        if dtype not in _TORCH_FLOATS:
            raise MaskError(f"{name} has type {array.dtype}, which has no magnitude order here")
        return DeviceWeights(array), dtype
    return as_numpy(name, array)


def _is_on_device(array: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor) and array.device.type != "cpu"


def as_numpy(name: str, array: Array) -> tuple[NDArray[Any], str]:
    """A tensor's or array's weights for the core, not copied where that can be, and their type.

    Raises:
        MaskError: the type has no order of magnitudes.
    """
    torch = sys.modules.get("torch")
    # A caller that holds a tensor has imported PyTorch.
    if torch is not None and isinstance(array, torch.Tensor):
        plain = array.detach().cpu().contiguous()
        dtype = str(plain.dtype).removeprefix("torch.")
        if dtype == "bfloat16":
            # NumPy has no bfloat16; the core reads its bits.
            plain = plain.view(torch.uint16)
        if dtype not in _TORCH_FLOATS:
            raise MaskError(f"{name} has type {array.dtype}, which has no magnitude order here")
        return plain.numpy(), dtype
    values = np.asarray(array)
    if str(values.dtype) == "bfloat16":  # as the package ml_dtypes has it
        return np.ascontiguousarray(values).view(np.uint16), "bfloat16"
    if values.dtype not in (np.float64, np.float32, np.float16):
        raise MaskError(f"{name} has type {values.dtype}, which has no magnitude order here")
    if not values.flags.aligned:
        values = values.copy()
    return np.require(values, requirements="C"), str(values.dtype)
