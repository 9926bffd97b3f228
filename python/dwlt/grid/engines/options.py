"""The options of an engine, ``--engine-option NAME=VALUE``, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dwlt.errors import UserError, did_you_mean


def read(pairs: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping.

    Raises:
        UserError: one is no such text, or a name stands twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UserError(f"--engine-option {pair}: write NAME=VALUE")
        if name in found:
            raise UserError(f"--engine-option {name} is given twice")
        found[name] = value.strip()
    return found


class Options:
    """What was said to one engine; each option that it asks for counts as known."""

    def __init__(self, engine: str, said: Mapping[str, str]) -> None:
        self._engine = engine
        self._said = dict(said)
        self._known: list[str] = []

    def text(self, name: str, default: str | None = None) -> str | None:
        """An option as it was written."""
        self._known.append(name)
        return self._said.get(name, default)

    def number(self, name: str) -> int | None:
        """An option that is a whole number above 0.

        Raises:
            UserError: it is none.
        """
        value = self.text(name)
        if value is None:
            return None
        if not value.isdigit() or int(value) < 1:
            raise UserError(f"--engine-option {name}={value}: it is a whole number above 0")
        return int(value)

    def rest(self) -> dict[str, str]:
        """What was said and not asked for."""
        return {name: value for name, value in self._said.items() if name not in self._known}

    def require_all_known(self) -> None:
        """Refuse what the engine does not have.

        Raises:
            UserError: naming the option, and those that there are.
        """
        for name in self.rest():
            raise UserError(
                f"the engine {self._engine} has no option {name!r}",
                hint=f"{did_you_mean(name, self._known)}it has {', '.join(self._known)}",
            )
