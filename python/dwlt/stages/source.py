"""Where a search's weights come from: a pre-training, or a file that was given."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dwlt import _core, layout
from dwlt.plan import Pretraining, Source, pretrained_source, remember
from dwlt.spec import StageSpec
from dwlt.stages import pretrain
from dwlt.stages.training import open_task
from dwlt.stages.weights import adopt, digest, find_model
from dwlt.store import Context


def obtain(pretraining: Pretraining, context: Context) -> Source:
    """The weights of a pre-training, which is run if need be; or the given ones, read.

    Raises:
        BusyError: another process works on the pre-training.
        FormatError, ModelError, UserError: given weights cannot be had or do not fit.
        InterruptError: the user asked to stop.
    """
    if pretraining.given is None:
        source = pretrained_source(*pretrain.run(pretraining.spec, context))
    else:
        source = _read(*pretraining.given, pretraining.spec, context)
        remember(pretraining, source)
    pretraining.settle(source)
    return source


def _read(text: str, regime: str, spec: StageSpec, context: Context) -> Source:
    """Given weights as a model file; a plain checkpoint is rewritten below ``runs/weights``."""
    path = Path(text)
    file = find_model(path)
    model, content = adopt(file, spec.model, open_task(spec, context))
    if content is not None:
        # Named by what it becomes, not by what was given: other settings are another network.
        name = hashlib.blake2b(content, digest_size=4).hexdigest()
        file = layout.adopted(context.runs, path.stem, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        _core.write_atomic(str(file), content)
    found = digest(file)
    # Not a run, so it has no id of its own; the weights' digest tells as much.
    id8 = found.rpartition(":")[2][:8]
    return Source(file, found, model, None, {"id": id8, "name": path.stem, "regime": regime})
