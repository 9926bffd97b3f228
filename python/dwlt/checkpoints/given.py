"""Weights given by the user instead of a pre-training: a file of any kind, or torchvision's."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dwlt import _core
from dwlt.checkpoints.importing import TORCHVISION, Imported, ImportRequest, checked, load
from dwlt.data.opened import open_data
from dwlt.models.blueprint import KEY, Blueprint, blueprint_of
from dwlt.models.files import digest, find_model, model_bytes, read_metadata
from dwlt.results import RunRef
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.plan import SourceWeights, layers_in
from dwlt.runs.verify import require_as_committed
from dwlt.spec import ModelSpec, TaskSpec


def given_weights(text: str, spec: ModelSpec, data: TaskSpec, context: Context) -> SourceWeights:
    """Weights given as text (``--weights``) as the source of a search.

    A model file that dwlt wrote, or a run folder with one, is taken as it is. Everything else is
    imported, and lies as a model file below ``runs/weights`` from then on.

    Args:
        text: a file, a run folder, or ``torchvision:NAME[:WEIGHTS]``.
        spec: which network a published checkpoint holds. Model files and torchvision's weights
            say so themselves.
        data: the task of the search. It names the classes where their number is that of the
            file's head; otherwise they are numbered, and the search decides whether that fits.

    Raises:
        DataError: the task cannot be read.
        FormatError: the file is damaged, of another kind, or would have to run code.
        LedgerError: it lies in a run folder, and the run ended with another file.
        ModelError: its tensors are not those of the network.
        UserError: there is no such file.
    """
    file = None if text.startswith(TORCHVISION) else find_model(Path(text))
    if file is not None:
        require_as_committed(file)
    if file is not None and KEY in (meta := read_metadata(file)):
        blueprint = blueprint_of(file, meta)
        return _source(file, blueprint, Path(text).stem)
    task = open_data(data, context)
    channels, size, _ = task.shape
    wanted = ImportRequest(classes=task.classes, channels=channels, size=size)
    imported = load(text if file is None else str(file), spec, wanted)
    name = text.replace(":", "-") if file is None else Path(text).stem
    return _source(_keep(imported, name, context), imported.blueprint, name)


def _source(file: Path, blueprint: Blueprint, name: str) -> SourceWeights:
    found = digest(file)
    # Not a run, so it has no id of its own; the weights' digest tells as much.
    id8 = found.rpartition(":")[2][:8]
    pretrain = RunRef(id8, name, blueprint.regime or "given")
    return SourceWeights(
        file, found, blueprint.model, images=None, pretrain=pretrain, layers=layers_in(file)
    )


def _keep(imported: Imported, name: str, context: Context) -> Path:
    """The imported network as a model file below the runs folder."""
    content = model_bytes(imported.model, imported.blueprint)
    # Named by what it becomes, not by what was given: other settings are another network.
    digest8 = hashlib.blake2b(content, digest_size=4).hexdigest()
    file = layout.adopted(context.runs, name, digest8)
    if not file.exists():
        checked(imported, to_train=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    _core.write_atomic(str(file), content)
    return file
