"""Engines: where the nodes of a plan are computed. One file each; others come by entry point.

A package of somebody else's registers its own under the entry point group ``dwlt.engines``: a name,
and a class like ``base.Cluster`` that is made with its options and the resources of a task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dwlt.errors import UserError
from dwlt.grid.engines.base import Cluster, Engine, Resources
from dwlt.plugins import Registry

LOCAL = "local"

ENGINES: Registry[Callable[[Mapping[str, str], Resources], Cluster]] = Registry(
    "dwlt.engines",
    {
        # Of this process; the others are clusters under one head.
        LOCAL: "dwlt.grid.engines.local:Local",
        "ray": "dwlt.grid.engines.ray:RayCluster",
        "slurm": "dwlt.grid.engines.slurm:SlurmCluster",
    },
    error=UserError,
)


def open_engine(name: str, options: Mapping[str, str], resources: Resources) -> Engine:
    """An engine by name; it connects when it is first given something to do.

    Raises:
        UserError: there is none of that name, or an option is not one of its.
    """
    if name == LOCAL:
        from dwlt.grid.engines.local import Local

        for option in options:
            raise UserError(f"the engine local has no option {option!r}; it has none")
        return Local()
    from dwlt.grid.engines.remote import Remote

    return Remote(ENGINES.get(name)(options, resources), resources)
