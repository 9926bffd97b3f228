"""``module:factory``: a network that the user wrote."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from dwlt.errors import ModelError


def from_factory(name: str, **offered: Any) -> nn.Module:
    """Import a module and call a factory in it.

    Modules are looked for in the working directory too, which a console script would not do.

    Args:
        name: "package.module:factory".
        offered: num_classes, channels, image_size; the factory gets those it has parameters for.

    Returns:
        The network: (B, channels, H, W) to logits (B, num_classes).

    Raises:
        ModelError: there is no such module or factory, or it does not return a module.
    """
    module_name, _, factory_name = name.partition(":")
    with _working_directory_on_path():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise ModelError(
                f"{name!r}: there is no module {error.name!r}",
                hint="run in the folder that holds it, or install it",
            ) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise ModelError(
            f"{name!r}: {module_name} has no callable {factory_name!r}",
            hint="write MODULE:FUNCTION with a function that returns a network",
        )
    try:
        network = factory(**_accepted(factory, offered))
    except Exception as error:
        # Whatever a user's own code raises is about that code, and should name it.
        raise ModelError(f"{name!r} failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"{name!r} returned {type(network).__name__}, not a torch.nn.Module",
            hint="return the network itself",
        )
    return network


def code_digest(name: str) -> str | None:
    """A digest of the code behind ``module:factory``; None for dwlt's and torchvision's networks.

    Of the syntax tree of the module's file, so that comments and layout do not count. What the
    module imports is not followed.

    Raises:
        ModelError: there is no such module.
    """
    if ":" not in name:
        return None
    module_name = name.partition(":")[0]
    with _working_directory_on_path():
        try:
            found = importlib.util.find_spec(module_name)
        except (ModuleNotFoundError, ValueError):
            found = None
    if found is None or found.origin is None:
        raise ModelError(
            f"{name!r}: there is no module {module_name!r}",
            hint="run in the folder that holds it, or install it",
        )
    source = Path(found.origin).read_bytes()
    if found.origin.endswith(".py"):
        source = ast.dump(ast.parse(source)).encode()
    return hashlib.blake2b(source, digest_size=8).hexdigest()


def _accepted(factory: Any, offered: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(factory).parameters.values()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return offered
    names = {one.name for one in parameters}
    return {name: value for name, value in offered.items() if name in names}


@contextmanager
def _working_directory_on_path() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
