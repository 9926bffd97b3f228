"""Scoring: standard and robust accuracy together, each with its number of samples.

Every number that a result file calls SA or RA comes from here: from ``score``, which stages call
between epochs, or from ``evaluate``, which takes several attacks and can be interrupted. Both
run in float32 (also under autocast, and without TF32), in evaluation mode, and leave no trace:
training flags, gradients, BatchNorm statistics and the global random state are afterwards what
they were.
"""

from dwlt.scoring.accuracy import Scored, score
from dwlt.scoring.checks import PIXEL_SLACK
from dwlt.scoring.masking import sweep_flags
from dwlt.scoring.shards import SHARD, NumberedSamples, SampleSet, Steps
from dwlt.scoring.suite import Evaluation, Outcome, accuracy_on, evaluate
from dwlt.scoring.threats import AutoAttackPart, Gradient, Threat, Transferred

__all__ = [
    "PIXEL_SLACK",
    "SHARD",
    "AutoAttackPart",
    "Evaluation",
    "Gradient",
    "NumberedSamples",
    "Outcome",
    "SampleSet",
    "Scored",
    "Steps",
    "Threat",
    "Transferred",
    "accuracy_on",
    "evaluate",
    "score",
    "sweep_flags",
]
