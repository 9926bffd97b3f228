"""Engines: where the nodes of a plan are computed. One file each; others come by entry point.

A package of somebody else's registers its own under the entry point group ``dwlt.engines``: a name,
and a class like ``base.Cluster`` that is made with its options and the resources of a task.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from dwlt.errors import UserError, did_you_mean
from dwlt.grid.engines.base import Cluster, Engine, Resources

ENGINES = {
    "local": "dwlt.grid.engines.local:Local",
    "ray": "dwlt.grid.engines.ray:RayCluster",
    "slurm": "dwlt.grid.engines.slurm:SlurmCluster",
}
"""Module and class by name."""

GROUP = "dwlt.engines"


def open_engine(name: str, options: Mapping[str, str], resources: Resources) -> Engine:
    """An engine by name; it connects when it is first given something to do.

    Raises:
        UserError: there is none of that name, or an option is not one of its.
    """
    if name == "local":
        from dwlt.grid.engines.local import Local

        for option in options:
            raise UserError(f"the engine local has no option {option!r}; it has none")
        return Local()
    from dwlt.grid.engines.remote import Remote

    return Remote(_cluster(name)(options, resources), resources)


def _cluster(name: str) -> Callable[[Mapping[str, str], Resources], Cluster]:
    if name in ENGINES:
        module, _, kind = ENGINES[name].partition(":")
        found: Any = getattr(importlib.import_module(module), kind)
        return found  # type: ignore[no-any-return]
    others = {point.name: point for point in metadata.entry_points(group=GROUP)}
    if name not in others:
        known = (*ENGINES, *others)
        raise UserError(
            f"there is no engine {name!r}",
            hint=f"{did_you_mean(name, known)}there are {', '.join(known)}",
        )
    loaded: Any = others[name].load()
    return loaded  # type: ignore[no-any-return]
