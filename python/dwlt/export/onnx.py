"""A network as ONNX: pixels in [0, 1] go in, logits come out; the normaliser is inside."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dwlt import _core
from dwlt.errors import ModelError, UserError
from dwlt.export.source import find_source
from dwlt.masks.origin import require_origin
from dwlt.masks.tensors import apply_masks
from dwlt.models import Model
from dwlt.models.blueprint import Blueprint
from dwlt.models.files import read_model

INPUT, OUTPUT, BATCH = "images", "logits", "batch"
"""Names in the graph; the first dimension of both is free."""

CLOSE = 1e-4
"""How far ONNX Runtime's logits may lie from PyTorch's, as a share of the largest: sums are taken
in another order, and BatchNorm is multiplied into the convolution before it."""

_LARGEST = 2**31 - 1
"""Bytes that a protobuf message may have."""


@dataclass(frozen=True)
class Graph:
    """An exported network.

    Attributes:
        content: the file's bytes.
        opset: version of ONNX's operators.
        difference: largest difference to PyTorch's logits, as a share of the largest logit; None
            where ONNX Runtime is not installed.
    """

    content: bytes
    opset: int
    difference: float | None


def load(
    path: Path, *, mask: Path | None, round_: int | None, checkpoint: str | None
) -> tuple[Model, Blueprint]:
    """The network of a model file or of a run folder, with a ticket's masks laid on.

    Args:
        mask: a mask file, for a model file; a run folder has its own.
        round_, checkpoint: as for ``find_source``, for a run folder.

    Raises:
        UserError: an option does not belong to what ``path`` is.
        FormatError, MaskError, ModelError, LedgerError: it cannot be read, or does not fit.
    """
    if path.is_dir():
        if mask is not None:
            raise UserError(f"{path} is a run, which has its own masks; --mask is for a model file")
        source = find_source(path, round_=round_, checkpoint=checkpoint)
        weights, masks = source.weights, source.masks
    else:
        if round_ is not None or checkpoint is not None:
            raise UserError(f"{path} is a file: --round and --checkpoint are for a run folder")
        weights, masks = path, None if mask is None else _core.MaskSet.load(mask)
        if masks is not None and mask is not None:
            require_origin(masks, mask, weights)
    model, blueprint = read_model(weights)
    if masks is not None:
        apply_masks(model, masks)
    return model, blueprint


def to_onnx(model: Model, blueprint: Blueprint) -> Graph:
    """Trace a network in evaluation mode; where ONNX Runtime is installed, compare the logits.

    Args:
        model: on the CPU; its weights stay as they are.

    Raises:
        UserError: PyTorch's exporter is not installed.
        ModelError: the network cannot be traced, is too large for one file, or gives other logits
            in ONNX Runtime.
    """
    _require_exporter()
    model.eval()
    shape = (3, blueprint.channels, blueprint.size, blueprint.size)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    proto = _traced(model, blueprint.model.name, images)
    _anonymous(proto)
    entry = proto.metadata_props.add()
    entry.key, entry.value = "dwlt", json.dumps(blueprint.values(), sort_keys=True)
    if proto.ByteSize() > _LARGEST:
        raise ModelError(
            f"{blueprint.model.name} has {proto.ByteSize():,} bytes, and an ONNX file holds 2 GiB",
            hint="export it with torch.onnx and external data",
        )
    content: bytes = proto.SerializeToString(deterministic=True)
    with torch.no_grad():
        expected = model(images)
    difference = _difference(content, images, expected)
    if difference is not None and not difference <= CLOSE:
        raise ModelError(
            f"{blueprint.model.name} gives other logits in ONNX Runtime: {difference:.1e} of the "
            "largest apart",
            hint="an operation of it may mean another thing there",
        )
    return Graph(content, max(one.version for one in proto.opset_import), difference)


def _require_exporter() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the ONNX exporter is not installed ({error.name} is missing)",
            hint="pip install 'dwlt[onnx]'",
        ) from error


def _traced(model: Model, name: str, images: torch.Tensor) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about its own future
            program = torch.onnx.export(
                model,
                (images,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                verbose=False,
            )
    except Exception as error:  # the exporter wraps whatever the network raises
        reason = error.__cause__ or error
        first = next((line for line in str(reason).splitlines() if line.strip()), "")
        raise ModelError(
            f"{name} cannot be exported to ONNX: {type(reason).__name__}: {first}",
            hint="its forward pass must not branch on the values of tensors, nor on the number of "
            "images",
        ) from error
    assert program is not None
    return program.model_proto


def _anonymous(proto: Any) -> None:
    """Take out how and where the file was made: paths of this machine, PyTorch's own names."""
    del proto.metadata_props[:]
    graph = proto.graph
    for one in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del one.metadata_props[:]
    for one in (*graph.initializer, *proto.functions):
        del one.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""


def _difference(content: bytes, images: torch.Tensor, expected: torch.Tensor) -> float | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
