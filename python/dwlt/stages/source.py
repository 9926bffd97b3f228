"""Where a search's weights come from: a pre-training, or weights that were given."""

from __future__ import annotations

from dataclasses import replace

from dwlt.checkpoints.given import given_weights
from dwlt.runs.context import Context
from dwlt.runs.plan import Pretraining, SourceWeights, pretrained_source, remember
from dwlt.stages import pretrain


def ensure_source(pretraining: Pretraining, context: Context) -> SourceWeights:
    """The weights of a pre-training, which is run if need be; or the given ones, read.

    Raises:
        BusyError: another process works on the pre-training.
        FormatError, ModelError, UserError: given weights cannot be had or do not fit.
        InterruptError: the user asked to stop.
    """
    if pretraining.given is None:
        source = pretrained_source(*pretrain.run(pretraining.spec, context))
    else:
        text, regime = pretraining.given
        spec = pretraining.spec
        source = given_weights(text, spec.model, spec.data, context)
        if regime != "given":
            # A regime that the config names goes before the one in the file.
            source = replace(source, pretrain=replace(source.pretrain, regime=regime))
        remember(pretraining, source)
    pretraining.set_source(source)
    return source
