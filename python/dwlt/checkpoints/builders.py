"""What the names in a PyTorch file stand for: descriptions of tensors, plain values, nothing else.

A name becomes a function of this package (``Builder``), a plain value (a type of numbers), or a
stand-in (``LeftOut``). Nothing that a file names is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dwlt.checkpoints.opcodes import Builder, DamagedError, LeftOut, as_keys
from dwlt.checkpoints.saved import (
    QuantizedTensor,
    SavedTensor,
    SparseTensor,
    StridedTensor,
    UnreadableTensor,
)

BESIDE = frozenset(
    {
        *("_codecs", "argparse", "collections", "copy_reg", "copyreg", "cox", "datetime", "dill"),
        *("easydict", "enum", "functools", "lightning", "lightning_fabric", "ml_collections"),
        *("numpy", "omegaconf", "pathlib", "pytorch_lightning", "robustness", "timm", "typing"),
        "yacs",
    }
)
"""Modules whose objects are left out of a file: settings, schedules and numbers beside weights."""

BUILTINS = frozenset(
    {
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
        *("long", "object", "range", "set", "slice", "str", "tuple", "type", "unicode", "xrange"),
    }
)
"""Of Python's own names, the plain types; protocol 2 writes some as Python 2 called them."""

_HARMLESS = frozenset({"torch.torch_version.TorchVersion", "torch._C.Generator"})
"""Of PyTorch's names, those that say something beside tensors."""


class TensorClass(LeftOut):
    """A class whose instances are tensors and mean what plain tensors mean."""

    def called(self) -> LeftOut:
        """Refuse a call of the class itself, which has made no tensor in a file since PyTorch
        0.4."""
        raise DamagedError(f"it holds a {self.name} as PyTorch before 0.4 wrote them")


class TensorLayout(str):
    """``torch.sparse_coo`` and the like."""

    __slots__ = ()


def is_harmless(name: str) -> bool:
    """Whether an object of this name may be left out; any other name makes a file refused."""
    module, _, attribute = name.rpartition(".")
    if module in ("builtins", "__builtin__"):
        return attribute in BUILTINS
    return module.split(".")[0] in BESIDE or name in _HARMLESS


def builder_of(module: str, attribute: str) -> Any:
    """What a name stands for, or None where it is none of PyTorch's or Python's plain ones."""
    module = {"__builtin__": "builtins", "torch.cuda": "torch"}.get(module, module)
    name = f"{module}.{attribute}"
    return _PLAIN.get(name)


def _dtype(given: Any) -> torch.dtype:
    if not isinstance(given, torch.dtype):
        raise TypeError("no type of numbers")
    return given


def _rebuild_v1(storage: Any, offset: int, size: Any, stride: Any) -> SavedTensor:
    return StridedTensor(storage, offset, size, stride)


def _rebuild_v2(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    hooks: Any,
    metadata: Any = None,
) -> SavedTensor:
    return StridedTensor(storage, offset, size, stride, metadata=metadata)


def _rebuild_v3(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> SavedTensor:
    return StridedTensor(storage, offset, size, stride, dtype=_dtype(dtype), metadata=metadata)


def _rebuild_quantized(
    storage: Any, offset: int, size: Any, stride: Any, parameters: Any, *_: Any
) -> SavedTensor:
    scheme, *rest = parameters
    return QuantizedTensor(StridedTensor(storage, offset, size, stride), str(scheme), rest)


def _rebuild_sparse(layout: Any, parts: Any) -> SavedTensor:
    return SparseTensor(layout, parts)


def _same(data: Any, *_: Any) -> Any:
    """A parameter is read as its tensor."""
    return data


def _rebuild_subclass(function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
    """A tensor with attributes, or of a class of somebody's own."""
    if isinstance(kind, TensorClass) and isinstance(function, Builder):
        return function(*arguments)
    name = kind.name if isinstance(kind, (LeftOut, Builder)) else type(kind).__name__
    return UnreadableTensor(
        f"is a {name}, a subclass of torch.Tensor, and only that class's code knows what its "
        "numbers mean",
        name,
    )


def _unreadable(reason: str) -> Callable[..., SavedTensor]:
    return lambda *_: UnreadableTensor(reason)


def _container(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    """A container of another one that is there already; nothing else is iterated."""

    def build(given: Any = ()) -> Any:
        if not isinstance(given, (list, tuple, dict, set, frozenset, str, bytes)):
            raise TypeError("no container")
        return kind(given)

    return build


def _pairs(given: Any) -> dict[Any, Any]:
    """A dictionary of another one or of pairs."""
    pairs = list(given.items() if isinstance(given, dict) else given)
    return dict(zip(as_keys(key for key, _ in pairs), (one for _, one in pairs), strict=True))


def _encoded(text: str, encoding: str = "") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes are pickled as Latin-1")
    return text.encode("latin-1")


def _bytearray(given: Any = b"", *rest: Any) -> bytearray:
    return bytearray(_encoded(given, *rest) if isinstance(given, str) else bytes(memoryview(given)))


_LAZY = "belongs to a lazy layer that has never been run: it has neither shape nor numbers yet"

_REBUILT: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_v1,
    "torch._utils._rebuild_tensor_v2": _rebuild_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_v3,
    "torch._utils._rebuild_parameter": _same,
    "torch._utils._rebuild_parameter_with_state": _same,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _same,
    "torch._utils._rebuild_qtensor": _rebuild_quantized,
    "torch._utils._rebuild_sparse_tensor": _rebuild_sparse,
    "torch._utils._rebuild_sparse_csr_tensor": _rebuild_sparse,
    "torch._utils._rebuild_nested_tensor": _unreadable("is a nested tensor"),
    "torch._utils._rebuild_meta_tensor_no_storage": _unreadable(
        "is a tensor on the meta device: the file holds its shape and no numbers"
    ),
    "torch._utils._rebuild_device_tensor_from_numpy": _unreadable(
        "was saved from a device whose tensors PyTorch writes as NumPy arrays: move it to the CPU "
        "before saving"
    ),
    "torch.nn.parameter.UninitializedParameter": _unreadable(_LAZY),
    "torch.nn.parameter.UninitializedBuffer": _unreadable(_LAZY),
    "torch._utils._rebuild_wrapper_subclass": _unreadable(
        "is a subclass of torch.Tensor without numbers of its own"
    ),
    "torch._tensor._rebuild_from_type": _rebuild_subclass,
    "torch._tensor._rebuild_from_type_v2": _rebuild_subclass,
    "torch.serialization._get_layout": TensorLayout,
    "torch.Size": _container(tuple),
    "torch.device": lambda *given: ":".join(str(one) for one in given),
    "collections.OrderedDict": _container(_pairs),
    "collections.Counter": _container(_pairs),
    "collections.defaultdict": lambda factory=None, given=(): _container(_pairs)(given),
    "builtins.dict": _container(_pairs),
    "builtins.list": _container(list),
    "builtins.tuple": _container(tuple),
    "builtins.set": _container(lambda given: set(as_keys(given))),
    "builtins.frozenset": _container(lambda given: frozenset(as_keys(given))),
    "builtins.complex": lambda real=0.0, imag=0.0: complex(float(real), float(imag)),
    "builtins.bytearray": _bytearray,
    "_codecs.encode": _encoded,
}

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "QInt8Storage": torch.qint8,
    "QUInt8Storage": torch.quint8,
    "QInt32Storage": torch.qint32,
    "QUInt4x2Storage": torch.quint4x2,
    "QUInt2x4Storage": torch.quint2x4,
    "UntypedStorage": torch.uint8,
    "_UntypedStorage": torch.uint8,
}
"""Types of elements by the storage class that a file names; an untyped one holds bytes."""

_SCHEMES = (
    *("per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric"),
    "per_channel_affine_float_qparams",
)


class StorageClass(LeftOut):
    """A class of storages, which persistent ids name; ``dtype`` is that of its elements."""

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        super().__init__(name)
        self.dtype = dtype


_PLAIN: dict[str, Any] = {
    **{name: Builder(name, build) for name, build in _REBUILT.items()},
    **{
        f"{module}.{name}": StorageClass(name, dtype)
        for name, dtype in STORAGES.items()
        for module in ("torch", "torch.storage")
    },
    **{f"torch.{n}": one for n, one in vars(torch).items() if isinstance(one, torch.dtype)},
    **{f"torch.{scheme}": scheme for scheme in _SCHEMES},
    **{
        name: TensorClass(name)
        for name in ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")
    },
}
