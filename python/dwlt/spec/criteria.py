"""The names of criteria, and where each one is. Nothing of it is imported before it is used."""

from __future__ import annotations

from typing import Any

from dwlt.plugins import Registry

CRITERIA: Registry[Any] = Registry(
    "dwlt.criteria",
    {
        "magnitude": "dwlt.criteria.magnitude:CRITERION",
        "lamp": "dwlt.criteria.lamp:CRITERION",
        "random": "dwlt.criteria.random:CRITERION",
        "snip": "dwlt.criteria.snip:CRITERION",
        "grasp": "dwlt.criteria.grasp:CRITERION",
        "synflow": "dwlt.criteria.synflow:CRITERION",
        "taylor": "dwlt.criteria.taylor:CRITERION",
        "hydra": "dwlt.criteria.hydra:CRITERION",
    },
)
"""Each is a ``dwlt.criteria.Criterion``."""
