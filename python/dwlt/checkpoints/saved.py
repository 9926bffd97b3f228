"""Tensors as a file describes them, and the plain, dense tensors that they stand for."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dwlt.errors import DwltError

_MOST = 2**32
"""Numbers that a tensor may have beyond those that the file holds: 16 GiB of float32."""


class UnreadableError(Exception):
    """A tensor cannot be had as plain numbers; the text says why, as in "is quantised"."""


class Storage:
    """The bytes that one or several tensors of a file share. They are read once, when needed.

    Args:
        fetch: gives the bytes as a one-dimensional tensor of bytes.
        swapped: whether numbers are stored in the other byte order than this machine's.
    """

    def __init__(self, fetch: Callable[[], Tensor], *, swapped: bool = False) -> None:
        self._fetch = fetch
        self._swapped = swapped
        self._bytes: Tensor | None = None

    def as_bytes(self) -> Tensor:
        """The bytes, uint8 of shape (n,)."""
        if self._bytes is None:
            self._bytes = self._fetch()
        return self._bytes

    def as_elements(self, dtype: torch.dtype) -> Tensor:
        """The bytes as numbers of a type, of shape (n,)."""
        width = dtype.itemsize
        found = self.as_bytes()
        found = found[: len(found) // width * width]
        if self._swapped and width > 1:
            # A complex number is two numbers, and each has its own order of bytes.
            number = width // 2 if dtype.is_complex else width
            found = torch.from_numpy(found.numpy().reshape(-1, number)[:, ::-1].copy()).flatten()
        # Any byte but 0 is true; PyTorch takes for granted that only 0 and 1 occur.
        return found != 0 if dtype == torch.bool else found.view(dtype)


class TypedStorage:
    """A storage and the type of its elements, where the file's storage has one.

    Args:
        storage: the bytes.
        dtype: of the elements; ``torch.uint8`` where the tensors say it themselves.
    """

    def __init__(self, storage: Storage, dtype: torch.dtype) -> None:
        self.storage = storage
        self.dtype = dtype


class SavedTensor(ABC):
    """A tensor in a file. ``load`` gives its numbers."""

    def load(self) -> Tensor:
        """The numbers: a dense tensor on the CPU, of the shape that the file says.

        Raises:
            FormatError: the file's bytes are damaged.
            UnreadableError: it has none that could be read, or the file describes it wrongly.
        """
        try:
            return self._load()
        except (UnreadableError, DwltError):
            raise
        except Exception as error:  # a description may be wrong in any way, and PyTorch says so
            raise UnreadableError(f"cannot be read: {_first_line(error)}") from error

    @abstractmethod
    def _load(self) -> Tensor:
        """The same, with whatever PyTorch raises of a wrong description."""


class StridedTensor(SavedTensor):
    """A window on a storage.

    Args:
        storage: the elements.
        offset: index of the first one.
        size: the shape.
        stride: steps in elements, one for each dimension; 0 where a dimension is expanded.
        dtype: of the elements.
        metadata: ``{"conj": True}`` where the tensor is the conjugate of what is stored,
            ``{"neg": True}`` where it is the negative.
    """

    def __init__(
        self,
        storage: TypedStorage,
        offset: int,
        size: Sequence[int],
        stride: Sequence[int],
        dtype: torch.dtype | None = None,
        metadata: dict[str, bool] | None = None,
    ) -> None:
        if not isinstance(storage, TypedStorage):
            raise TypeError("a tensor without a storage")
        self._storage = storage.storage
        self.dtype = dtype or storage.dtype
        self._offset, self._size, self._stride = int(offset), _sizes(size), _sizes(stride)
        self._metadata = dict(metadata or {})

    def _load(self) -> Tensor:
        if self.dtype in _PACKED:
            raise UnreadableError(f"is of type {_short(self.dtype)}, which packs numbers into bits")
        plain = self.window(self.dtype)
        if self._metadata.get("conj"):
            plain = plain.conj().resolve_conj()
        return -plain if self._metadata.get("neg") else plain

    def window(self, dtype: torch.dtype) -> Tensor:
        """The numbers read as another type of the same width."""
        if 0 in self._size:
            return torch.empty(self._size, dtype=dtype)
        elements = self._storage.as_elements(dtype)
        last = self._offset + sum(
            (n - 1) * step for n, step in zip(self._size, self._stride, strict=True)
        )
        if min(self._offset, *self._size, *self._stride, 0) < 0 or last >= len(elements):
            raise UnreadableError("is damaged: it reaches past its storage")
        if math.prod(self._size) > max(_MOST, len(elements)):
            raise UnreadableError(
                f"is {len(elements)} numbers expanded to {math.prod(self._size)}, too many to use"
            )
        # The storage may be a stretch of a larger one itself.
        start = elements.storage_offset() + self._offset
        return elements.as_strided(self._size, self._stride, start)


class SparseTensor(SavedTensor):
    """A sparse tensor, COO or compressed (CSR, CSC, BSR, BSC), which ``load`` makes dense.

    Args:
        layout: as in ``torch.sparse_coo``.
        parts: indices and values; compressed and plain indices and values; then the shape.
    """

    def __init__(self, layout: str, parts: Sequence[Any]) -> None:
        self._layout = str(layout).removeprefix("torch.")
        self._parts = tuple(parts)

    def _load(self) -> Tensor:
        parts = [part.load() for part in self._parts if isinstance(part, SavedTensor)]
        size = next((_sizes(part) for part in self._parts if isinstance(part, (tuple, list))), ())
        if math.prod(size) > _MOST:
            raise UnreadableError(f"is sparse, and would be {math.prod(size)} numbers when dense")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that compressed layouts are in beta
            return _dense(self._layout, parts, size)


def _dense(layout: str, parts: list[Tensor], size: tuple[int, ...]) -> Tensor:
    *indices, values = parts  # the file may have others: PyTorch says what is wrong with them
    # Sparse booleans and 8-bit floats have no way to become dense in PyTorch.
    boolean, dtype = values.dtype == torch.bool, values.dtype
    if boolean or (dtype.itemsize == 1 and dtype.is_floating_point):
        values = values.to(torch.int32 if boolean else torch.float32)
    if layout == "sparse_coo":
        (places,) = indices
        sparse = torch.sparse_coo_tensor(places, values, size, check_invariants=True)
    else:
        outer, inner = indices
        sparse = torch.sparse_compressed_tensor(
            outer, inner, values, size, layout=_layout(layout), check_invariants=True
        )
    dense: Tensor = sparse.to_dense()
    return dense != 0 if boolean else dense.to(dtype)


def _layout(name: str) -> torch.layout:
    if name not in _LAYOUTS:
        raise UnreadableError(f"is of the layout {name!r}, which cannot be made dense")
    return _LAYOUTS[name]


_LAYOUTS = {
    "sparse_csr": torch.sparse_csr,
    "sparse_csc": torch.sparse_csc,
    "sparse_bsr": torch.sparse_bsr,
    "sparse_bsc": torch.sparse_bsc,
}


class QuantizedTensor(SavedTensor):
    """Integers with a scale and a zero point, per tensor or per channel.

    Args:
        stored: the integers.
        scheme: as in ``per_tensor_affine``.
        parameters: scale and zero point; per channel, tensors of them and the channels' axis.
    """

    def __init__(self, stored: StridedTensor, scheme: str, parameters: Sequence[Any]) -> None:
        self._stored, self._scheme, self._parameters = stored, scheme, tuple(parameters)

    def _load(self) -> Tensor:
        """``(integer - zero point) * scale`` as float32: what a quantised network computes with."""
        integers = _INTEGERS.get(self._stored.dtype)
        if integers is None or self._scheme not in ("per_tensor_affine", "per_channel_affine"):
            raise UnreadableError(f"is quantised ({_short(self._stored.dtype)}, {self._scheme})")
        plain = self._stored.window(integers)
        scale, zero, *axis = self._parameters
        if axis:
            shape = [-1 if at == axis[0] else 1 for at in range(plain.dim())]
            scale, zero = (_plain(one).view(shape) for one in (scale, zero))
        else:
            scale, zero = torch.tensor(float(scale)), torch.tensor(int(zero))
        return (plain.to(torch.float32) - zero.to(torch.float32)) * scale.to(torch.float32)


def _plain(one: Any) -> Tensor:
    return one.load() if isinstance(one, SavedTensor) else torch.tensor(one)


class UnreadableTensor(SavedTensor):
    """A tensor whose numbers the file does not hold, or not in a way that could be read.

    Args:
        reason: in words that follow its name, as in "is a tensor on the meta device".
        name: the class that the file names for it, where that is why.
    """

    def __init__(self, reason: str, name: str | None = None) -> None:
        self.reason = reason
        self.name = name

    def _load(self) -> Tensor:
        raise UnreadableError(self.reason)


_INTEGERS = {torch.qint8: torch.int8, torch.quint8: torch.uint8, torch.qint32: torch.int32}
"""The integers that a quantised type is stored as."""

_PACKED = frozenset(
    one
    for name in (
        *("bit", "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16", "float4_e2m1fn_x2"),
        *("qint8", "quint8", "qint32", "quint4x2", "quint2x4"),
        *(f"{kind}{bits}" for kind in ("int", "uint") for bits in range(1, 8)),
    )
    if isinstance(one := getattr(torch, name, None), torch.dtype)
)
"""Types of PyTorch that say how many bits a number has but not what it is worth."""


def _sizes(given: Any) -> tuple[int, ...]:
    if not isinstance(given, (tuple, list)):
        raise TypeError("a shape that is none")
    return tuple(int(one) for one in given)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
