"""Models: a normaliser and a network behind one interface, with plain parameter names."""

from dwlt.models.build import build_model, list_names
from dwlt.models.factory import code_digest
from dwlt.models.fits import require_images
from dwlt.models.head import swap_head
from dwlt.models.layers import count_parameters, parameters_of, prunable
from dwlt.models.model import Model, Normalise, head_names, load_state, state_of
from dwlt.models.rehearsal import rehearse

__all__ = [
    "Model",
    "Normalise",
    "build_model",
    "code_digest",
    "count_parameters",
    "head_names",
    "list_names",
    "load_state",
    "parameters_of",
    "prunable",
    "rehearse",
    "require_images",
    "state_of",
    "swap_head",
]
