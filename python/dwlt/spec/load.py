"""From a preset's name or a TOML file, plus ``key=value`` changes, to a validated experiment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dwlt.errors import SpecError
from dwlt.spec.base import Spec
from dwlt.spec.experiment import Experiment
from dwlt.spec.explain import explain
from dwlt.spec.merge import merged
from dwlt.spec.variants import variants

S = TypeVar("S", bound=Spec)

DEFAULT_PRESET = "digits"
CONFIGS = Path(__file__).resolve().parent.parent / "configs"


def presets() -> list[str]:
    """The names of the presets that come with dwlt, sorted."""
    return sorted(path.stem for path in CONFIGS.glob("*.toml"))


def preset_text(name: str) -> str:
    """A preset's file as it is written.

    Raises:
        SpecError: there is no such preset.
    """
    if name not in presets():
        raise SpecError(f"no preset is called {name!r}", hint=_preset_hint(name))
    return (CONFIGS / f"{name}.toml").read_text(encoding="utf-8")


def load_experiment(
    config: str | None = None, changes: Iterable[str] = (), overrides: Mapping[str, Any] = {}
) -> Experiment:
    """Read a config and lay changes over it.

    Args:
        config: a preset's name or the path of a TOML file; None is the embedded default.
        changes: texts ``dotted.key=value`` (from ``--set``); values are read as TOML, else text.
        overrides: dotted keys and values from a command's own flags; they come last.

    Raises:
        SpecError: the config is not there, is not TOML, or a key or value does not fit. The
            message names the key and the nearest one that exists.
    """
    raw = _read_config(config or DEFAULT_PRESET)
    for change in changes:
        key, separator, text = change.partition("=")
        if not separator or not key.strip():
            raise SpecError(f"--set {change!r} has no '='", hint="write --set prune.rate=0.3")
        _assign(raw, key.strip(), _read_value(text.strip()))
    for key, value in overrides.items():
        _assign(raw, key, value)
    try:
        experiment = Experiment.model_validate(raw)
    except ValidationError as error:
        raise explain(error, config or DEFAULT_PRESET, Experiment) from error
    # Every combination of a grid, for the same reason as every stage: a mistake must show early.
    variants(experiment)
    return experiment


def validate_spec(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """Build any spec from plain values with dwlt's own error text."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise explain(error, where, kind) from error


def _read_config(config: str, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    path = _find(config)
    if path in below:
        raise SpecError(f"{path} extends itself", hint="let it extend a preset instead")
    raw = _read_toml(path)
    base = raw.pop("extends", None)
    return raw if base is None else merged(_read_config(str(base), (*below, path)), raw)


def _find(config: str) -> Path:
    path = Path(config)
    if config in presets():
        return CONFIGS / f"{config}.toml"
    if path.suffix == ".toml" or path.exists():
        if not path.is_file():
            raise SpecError(f"config file {config} does not exist", hint=_preset_hint(config))
        return path
    raise SpecError(f"no preset is called {config!r}", hint=_preset_hint(config))


def _preset_hint(config: str) -> str:
    near = difflib.get_close_matches(Path(config).stem, presets(), n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}presets: {', '.join(presets())}; or give the path of a .toml file"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from error


def _read_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assign(raw: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    table = raw
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise SpecError(f"{key}: {parent!r} is a value, not a table of keys")
    table[last] = value
