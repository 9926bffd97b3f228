"""Masks in the formats of others: boolean safetensors and NumPy's ``.npz``; PyTorch's when written.

What PyTorch's pruning leaves in a checkpoint is read by ``checkpoints.masks``.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dwlt import _core
from dwlt.errors import FormatError, MaskError
from dwlt.outputs import write_file

TORCH = (".pth", ".pt", ".bin", ".tar", ".ckpt")
_MASK, _ORIG = "_mask", "_orig"


def read_arrays(path: Path) -> _core.MaskSet | None:
    """The masks in a file of arrays: ``.npz``, or safetensors of booleans and nothing else.

    Returns:
        The masks, or None where the file is of another kind: a checkpoint that may have masks
        beside its weights.

    Raises:
        FormatError: the file cannot be read as its ending says, or is a mask file of dwlt.
        MaskError: an array has values other than 0 and 1.
    """
    if path.suffix == ".npz":
        arrays = _read_npz(path)
    elif _is_safetensors(path):
        found = {name: dtype for name, dtype, _ in _core.checkpoint_tensors(path)}
        others = set(found.values()) != {"BOOL"} or any(name.endswith(_MASK) for name in found)
        arrays = _read_safetensors(path, [] if others else list(found))
        if others:
            return None
    else:
        return None
    if not arrays:
        raise MaskError(f"{path} has no masks: it is empty")
    return _core.MaskSet.from_bools({name: _bools(name, array) for name, array in arrays.items()})


def write_masks(masks: _core.MaskSet, out: Path, weights: Path | None = None) -> None:
    """Write masks in another format, told by the ending of ``out``.

    Args:
        masks: the masks.
        out: ``.npz`` and ``.safetensors`` get booleans; ``.pth`` gets ``NAME_mask`` as PyTorch's
            pruning writes them.
        weights: for ``.pth``, a safetensors file whose tensors go along: masked ones as
            ``NAME_orig``.

    Raises:
        FormatError: the ending is another one, or ``weights`` cannot be read.
        MaskError: a masked tensor is missing from ``weights``, or has another shape.
    """
    if out.suffix in TORCH:
        write_file(out, _as_torch(masks, weights))
    elif weights is not None:
        raise FormatError(f"{out}: weights go along only in a .pth file")
    elif out.suffix == ".npz":
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {name: masks[name] for name in masks}
        np.savez_compressed(buffer, **arrays)
        write_file(out, buffer.getvalue())
    elif out.suffix == ".safetensors":
        from safetensors.numpy import save

        write_file(out, save({name: masks[name] for name in masks}))
    else:
        raise FormatError(f"{out}: masks are exported to .npz, .safetensors and .pth files")


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # From memory: given a path, NumPy leaves the file open where it is damaged.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # zipfile and zlib have error classes of their own
        raise FormatError(f"{path}: not a plain .npz file: {error}") from error


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins with the length of a header, and the header."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[4:] == b"\0\0\0\0{"


def _read_safetensors(path: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as file:
            own = (file.metadata() or {}).get("format") == "dwlt-mask"
            arrays = {} if own else {name: file.get_tensor(name) for name in names}
    except Exception as error:  # the core took the file; NumPy knows fewer shapes than that
        raise FormatError(f"{path}: {error}") from error
    if own:
        raise FormatError(f"{path} is a mask file of dwlt already", hint="use it as it is")
    return arrays


def _bools(name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype == np.bool_:
        return array
    bools = array != 0
    if not np.array_equal(bools, array):
        raise MaskError(f"{name}: a mask holds 0 and 1 alone, this one has other values")
    return np.asarray(bools)


def _as_torch(masks: _core.MaskSet, weights: Path | None) -> bytes:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: dict[str, torch.Tensor] = {}
    if weights is not None:
        try:
            state = load_file(weights)
        except (SafetensorError, OSError) as error:
            raise FormatError(f"{weights}: {error}") from error
    for name, mask in masks.to_torch(dtype=torch.float32).items():
        if weights is not None:
            if name not in state:
                raise MaskError(f"{weights} has no tensor {name!r}, which the masks cover")
            if state[name].shape != mask.shape:
                raise MaskError(
                    f"{name}: shape {list(state[name].shape)}, its mask has {list(mask.shape)}"
                )
            state[name + _ORIG] = state.pop(name)
            mask = mask.to(state[name + _ORIG].dtype)
        state[name + _MASK] = mask
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
