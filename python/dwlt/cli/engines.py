"""The engine that a command's options ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from dwlt.cli.devices import started
from dwlt.cli.options import F, engine_options, sharing
from dwlt.errors import UserError

if TYPE_CHECKING:
    from dwlt.grid.engines.base import Engine


@dataclass(frozen=True)
class EngineOptions:
    """What ``engine_options`` said."""

    engine: str
    engine_settings: tuple[str, ...]
    cpus_per_task: int
    gpus_per_task: int | None

    @contextmanager
    def opened(self) -> Iterator[Engine]:
        """The engine, for as long as the block lasts.

        Raises:
            UserError: there is none of that name, or it does not have such options.
        """
        from dwlt.grid.engines import open_engine
        from dwlt.grid.engines.base import Resources
        from dwlt.grid.engines.options import read

        if self.engine != "local" and started():
            raise UserError(
                f"--engine {self.engine} sends runs to workers, and several devices share one run",
                hint="leave out --devices or torchrun, or --engine",
            )
        if self.engine == "local" and (self.cpus_per_task != 1 or self.gpus_per_task is not None):
            raise UserError(
                "the engine local has no tasks, so --cpus-per-task and --gpus-per-task would "
                "change nothing",
                hint="the config's `threads` and --device say what this process uses",
            )
        resources = Resources(self.cpus_per_task, self.gpus_per_task)
        engine = open_engine(self.engine, read(self.engine_settings), resources)
        try:
            yield engine
        finally:
            engine.close()


def on_engine(function: F) -> Callable[..., Any]:
    """Give a command the options of an engine, gathered into one ``engine`` argument."""

    @wraps(function)
    def inner(**arguments: Any) -> Any:
        values = {name: arguments.pop(name) for name in EngineOptions.__dataclass_fields__}
        return function(engine=EngineOptions(**values), **arguments)

    return sharing(*engine_options)(inner)
