"""From the bytes of a result file to its model, or a FormatError that names the key."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from dwlt.errors import FormatError
from dwlt.results.base import explain
from dwlt.results.earlier import complete
from dwlt.results.evaluate import EvaluateResult
from dwlt.results.frontier import FrontierResult
from dwlt.results.pretrain import PretrainResult
from dwlt.results.prune import PruneRound
from dwlt.results.run import FORMAT_NAME, VERSION, RunResult
from dwlt.results.transfer import TransferResult

MODELS: dict[str, type[RunResult]] = {
    model.STAGE: model
    for model in (PretrainResult, PruneRound, TransferResult, EvaluateResult, FrontierResult)
}
"""The model of each stage's result file."""

R = TypeVar("R", bound=RunResult)


def parse(blob: bytes, model: type[R], folder: str = "") -> R:
    """Read a result file.

    A report gathers files that other people wrote, perhaps with another version; nothing of them
    is believed unchecked: types, ranges, and counts that have to agree with each other.

    Args:
        model: of the stage whose file it should be.
        folder: the run folder that it lies in, relative to the runs folder.

    Raises:
        FormatError: not JSON, not a dwlt result, of another stage or a version that cannot be
            read, or a value is missing or wrong; the message begins with its dotted key.
    """
    try:
        value = from_json(blob)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not readable as JSON ({error})") from None
    return as_model(value, model, folder)


def as_model(value: object, model: type[R], folder: str = "") -> R:
    """The content of a result file, which somebody else has read, as its model.

    Args and errors as of ``parse``.
    """
    if not isinstance(value, dict):
        raise FormatError("the file is not a JSON object")
    if value.get("format") != FORMAT_NAME:
        raise FormatError(f"not a {FORMAT_NAME} file (format = {value.get('format')!r})")
    if value.get("version") != VERSION:
        found = value.get("version")
        raise FormatError(f"result version {found!r}; this dwlt reads {VERSION}")
    stage = value.get("stage")
    if isinstance(stage, str) and stage != model.STAGE:
        raise FormatError(f"a {stage} result in the folder of {model.STAGE} runs")
    try:
        return model.model_validate(complete(value)).placed(folder)
    except ValidationError as error:
        raise FormatError(explain(error)) from None
