"""``module:factory``: a network that the user wrote."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from torch import nn

from dwlt.errors import ModelError
from dwlt.models.guest import guest, reason

_SPELLING = (
    "write MODULE:FUNCTION, as in `from MODULE import FUNCTION`, and run in the folder "
    "that holds MODULE.py, or install it"
)
_IMPORT_HINT = (
    "a module of networks must be importable: what only a script needs goes below "
    '`if __name__ == "__main__":`'
)

TIMM = "timm:"
"""What stands before the name of one of timm's networks."""

Factory = Callable[..., Any]


def is_own(name: str) -> bool:
    """Whether a name is ``module:factory``, a network that the user wrote."""
    return ":" in name and not name.startswith(TIMM)


def split_name(name: str) -> tuple[str, str]:
    """Module and factory of "package.module:factory".

    Raises:
        ModelError: the name is spelled as a file, or is none.
    """
    module, _, factory = name.partition(":")
    if module.endswith(".py") or "/" in module or "\\" in module:
        stem = Path(module.replace("\\", "/")).stem
        raise ModelError(
            f"{name!r} names a file, and a module is named without folder and ending: "
            f"{stem}:{factory or 'FUNCTION'}",
            hint=_SPELLING,
        )
    if not all(part.isidentifier() for part in [*module.split("."), factory]):
        raise ModelError(f"{name!r} is not of the form MODULE:FUNCTION", hint=_SPELLING)
    return module, factory


def load_factory(name: str) -> Factory:
    """Import a module and find a factory in it.

    Modules are looked for in the working directory too, which a console script would not do.

    Args:
        name: "package.module:factory".

    Raises:
        ModelError: there is no such module or factory, or importing it raises anything.
    """
    module_name, factory_name = split_name(name)
    with guest(name, f"importing {module_name}", hint=_IMPORT_HINT):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                # The module is there; something that it imports is not.
                raise ModelError(
                    f"{name}: importing {module_name} fails: {reason(error)}",
                    hint=f"install {error.name or 'it'}, or run where it can be imported",
                ) from error
            raise _no_module(name, error.name) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        file = getattr(module, "__file__", None) or "no file"
        raise ModelError(
            f"{name!r}: {module_name} ({file}) has no callable {factory_name!r}",
            hint="write MODULE:FUNCTION with a function that returns a network",
        )
    return factory  # type: ignore[no-any-return]


def call_factory(name: str, factory: Factory, **offered: Any) -> nn.Module:
    """Build the network.

    Args:
        offered: num_classes, channels, image_size; the factory gets those it has parameters for.

    Returns:
        The network: (B, channels, H, W) to logits (B, num_classes).

    Raises:
        ModelError: the factory raises anything, or does not return a module.
    """
    given = _accepted(factory, offered)
    values = ", ".join(f"{key}={value}" for key, value in given.items())
    with guest(name, f"building it with {name.partition(':')[2]}({values})"):
        network = factory(**given)
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"{name!r} returned {type(network).__name__}, not a torch.nn.Module",
            hint="return the network itself",
        )
    return network


def called_with(name: str, **offered: Any) -> dict[str, Any]:
    """The arguments that a factory gets of those that are offered, as ``call_factory`` has it.

    Raises:
        ModelError: its module cannot be imported, or has no such factory.
    """
    return dict(_accepted(load_factory(name), offered))


def code_digest(name: str) -> str | None:
    """A digest of the code behind ``module:factory``; None for every other network.

    Of the syntax tree of the module's file, so that comments and layout do not count. What the
    module imports is not followed.

    Raises:
        ModelError: there is no such module, or its file cannot be read as Python.
    """
    if not is_own(name):
        return None
    module_name, _ = split_name(name)
    # Looking for a module inside a package imports the package.
    with guest(name, f"looking for {module_name}", hint=_IMPORT_HINT):
        try:
            found = importlib.util.find_spec(module_name)
        except (ModuleNotFoundError, ValueError):
            found = None
        if found is None or found.origin is None:
            raise _no_module(name, module_name)
        source = _content(found)
        if found.origin.endswith(".py"):
            source = ast.dump(ast.parse(source)).encode()
    return hashlib.blake2b(source, digest_size=8).hexdigest()


def _content(found: ModuleSpec) -> bytes:
    """The module's file, also where it lies in an archive."""
    assert found.origin is not None
    read = getattr(found.loader, "get_data", None)
    return Path(found.origin).read_bytes() if read is None else bytes(read(found.origin))


def _no_module(name: str, module: str) -> ModelError:
    return ModelError(f"{name!r}: there is no module {module!r}", hint=_SPELLING)


def _accepted(factory: Factory, offered: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (ValueError, TypeError):  # a class of C code tells nothing
        return offered
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return offered
    names = {one.name for one in parameters if one.kind is not one.POSITIONAL_ONLY}
    return {name: value for name, value in offered.items() if name in names}
