"""What an experiment consists of, where it lives on disk, and how far it has come.

Pre-trainings, searches and transfer cells as plain values: which spec, what each starts from,
which folder. Reads small files only and never imports torch, so `dwlt runs` can show a grid of
hundreds of cells at once; the stages compute what is described here.
"""

from dwlt.runs.plan.cells import Cell, rounds_of
from dwlt.runs.plan.experiment import Plan
from dwlt.runs.plan.matrix import Matrix, matrix
from dwlt.runs.plan.searches import (
    Pretraining,
    Search,
    SourceWeights,
    layers_in,
    pretrained_source,
    remember,
)
from dwlt.runs.state import State, state_of

__all__ = [
    "Cell",
    "Matrix",
    "Plan",
    "Pretraining",
    "Search",
    "SourceWeights",
    "State",
    "layers_in",
    "matrix",
    "pretrained_source",
    "remember",
    "rounds_of",
    "state_of",
]
