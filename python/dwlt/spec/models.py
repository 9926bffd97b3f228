"""Networks that other packages register, by the names that users write."""

from __future__ import annotations

from collections.abc import Callable

from dwlt.errors import ModelError
from dwlt.plugins import Registry, load_target, plugins

MODELS: Registry[Callable[..., object]] = Registry("dwlt.models", {}, error=ModelError)
"""Factories of other packages, each as a ``module:factory`` of one's own would be."""

_OWN_NAMES = "dwlt.models.build:list_names"


def spelled_out(name: str) -> str:
    """``module:factory`` for the name of another package's network; any other name as it is.

    So that a registered network is in every way, its run ids included, the one that a config names
    by its module. A name that dwlt has itself stays dwlt's.

    Raises:
        ModelError: two packages claim the name.
    """
    claims = [plugin for plugin in plugins(MODELS.group) if plugin.name == name]
    # dwlt's own names come from torchvision, which is imported only where there is such a claim.
    if not claims or name in load_target(_OWN_NAMES)():
        return name
    MODELS.require(name)
    return claims[0].target
