"""What other packages add to dwlt: the entry points that every registry falls back on.

A package registers an objective, a criterion, a model, a task or an engine by an entry point of
one of the groups below; nothing of it is imported until its name is used. Names that dwlt has
itself are never given away: an installed package must not change what an existing command does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from typing import Any, Generic, TypeVar

from dwlt.errors import SpecError, UserError, did_you_mean

T = TypeVar("T")

GROUPS: dict[str, str] = {
    "dwlt.objectives": "regime",
    "dwlt.criteria": "criterion",
    "dwlt.models": "model",
    "dwlt.tasks": "task",
    "dwlt.engines": "engine",
}
"""Groups of entry points, and what a user calls the things in each."""


@dataclass(frozen=True)
class Plugin:
    """One entry point of another package.

    Attributes:
        group: one of ``GROUPS``.
        name: what users write.
        target: ``module:attribute``.
        package: the distribution that brings it, with its version.
    """

    group: str
    name: str
    target: str
    package: str

    def load(self) -> Any:
        """Import what the entry point names.

        Raises:
            UserError: the import fails; the message names the package.
        """
        try:
            return load_target(self.target)
        except Exception as error:
            raise UserError(
                f"{GROUPS[self.group]} {self.name!r} of {self.package} cannot be loaded: "
                f"{type(error).__name__}: {error}",
                hint=f"its entry point is {self.target!r}; mend or remove {self.package}",
            ) from error


@cache
def plugins(group: str) -> tuple[Plugin, ...]:
    """The entry points of a group in all installed packages, sorted by name and package.

    Looked up once per process: a package that is installed meanwhile is seen by the next one.
    """
    found = {
        Plugin(group, entry.name, entry.value, _package(entry))
        for entry in metadata.entry_points(group=group)
    }
    return tuple(sorted(found, key=lambda one: (one.name, one.package)))


def _package(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unnamed package"


def load_target(target: str) -> Any:
    """What ``module:attribute`` names; the attribute may be dotted."""
    module, _, path = target.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


class Registry(Generic[T]):
    """Things by name: dwlt's own, then those of entry points.

    Args:
        group: one of ``GROUPS``.
        own: dwlt's own. A text is a target, ``module:attribute``, imported on first use, so that
            a light layer can name what a heavy one holds.
        error: raised for a name that is not there.
    """

    def __init__(
        self,
        group: str,
        own: Mapping[str, T | str],
        *,
        error: type[UserError] = SpecError,
    ) -> None:
        self.group = group
        self.own = own
        self._error = error

    def names(self) -> tuple[str, ...]:
        """Every name, dwlt's own first."""
        return (*self.own, *(p.name for p in plugins(self.group) if p.name not in self.own))

    def __contains__(self, name: object) -> bool:
        return name in self.own or any(plugin.name == name for plugin in plugins(self.group))

    def get(self, name: str) -> T:
        """What is registered under a name.

        Raises:
            UserError: nothing is (the hint has the nearest name), two packages claim it, or it
                cannot be imported.
        """
        if name in self.own:
            found = self.own[name]
            return load_target(found) if isinstance(found, str) else found
        self.require(name)
        (plugin,) = (each for each in plugins(self.group) if each.name == name)
        return plugin.load()  # type: ignore[no-any-return]

    def require(self, name: str) -> None:
        """Make sure that a name is registered, without importing what it stands for.

        Raises:
            UserError: as ``get``.
        """
        if name in self.own:
            return
        what = GROUPS[self.group]
        claims = [plugin for plugin in plugins(self.group) if plugin.name == name]
        if not claims:
            raise self._error(f"there is no {what} {name!r}", hint=unknown_hint(name, self.names()))
        if len(claims) > 1:
            owners = " and ".join(plugin.package for plugin in claims)
            raise self._error(f"{what} {name!r} is claimed by {owners}", hint="uninstall one")


def unknown_hint(name: str, names: Iterable[str]) -> str:
    """The next step after an unknown name: the nearest one, and all that there are."""
    known = list(names)
    return f"{did_you_mean(name, known)}there are: {', '.join(known)}"


def problems(own: Mapping[str, Iterable[str]]) -> list[tuple[Plugin, str | None]]:
    """Every entry point of every group, with what is wrong with it, if anything.

    Args:
        own: by group, dwlt's own names.
    """
    found: list[tuple[Plugin, str | None]] = []
    for group in GROUPS:
        theirs = plugins(group)
        names = set(own.get(group, ()))
        for plugin in theirs:
            wrong = None
            if plugin.name in names:
                wrong = "hidden: dwlt has this name itself"
            elif sum(other.name == plugin.name for other in theirs) > 1:
                wrong = "claimed by two packages"
            else:
                try:
                    plugin.load()
                except UserError as error:
                    wrong = str(error)
            found.append((plugin, wrong))
    return found
