"""From a preset's name or a TOML file, plus ``key=value`` changes, to a validated experiment."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dwlt.errors import SpecError, did_you_mean
from dwlt.spec.base import Spec
from dwlt.spec.experiment import Experiment
from dwlt.spec.explain import explain
from dwlt.spec.merge import merged
from dwlt.spec.variants import variants
from dwlt.spec.verdict import VerdictPart

S = TypeVar("S", bound=Spec)

DEFAULT_PRESET = "digits-wide"
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
    config: str | None = None,
    changes: Iterable[str] = (),
    overrides: Mapping[str, Any] = {},
    *,
    under: Mapping[str, Any] = {},
) -> Experiment:
    """Read a config and lay changes over it.

    Args:
        config: a preset's name or the path of a TOML file; None is the embedded default.
        changes: texts ``dotted.key=value`` (from ``--set``); values are read as TOML, else text.
        overrides: dotted keys and values from a command's own flags; they come last.
        under: the same for what is known of a file that a command was given; ``changes`` win.

    Raises:
        SpecError: the config is not there, is not TOML, or a key or value does not fit. The
            message names the key and the nearest one that exists.
    """
    raw = _read_config(config or DEFAULT_PRESET)
    for key, value in under.items():
        _assign(raw, key, value)
    _change(raw, changes)
    for key, value in overrides.items():
        _assign(raw, key, value)
    _require_text(raw, "")
    try:
        experiment = Experiment.model_validate(raw)
    except ValidationError as error:
        raise explain(error, config or DEFAULT_PRESET, Experiment) from error
    # Every combination of a grid, for the same reason as every stage: a mistake must show early.
    variants(experiment)
    return experiment


def load_verdict(config: str | None = None, changes: Iterable[str] = ()) -> VerdictPart:
    """How tickets are judged, as a config says and changes to it.

    Args:
        config: as ``load_experiment`` takes it. None names no config, not even the embedded
            default: its margins were fixed for its own task, and the results may be of another.
        changes: texts ``verdict.key=value``.

    Raises:
        SpecError: as ``load_experiment``; or a change is about something else than the verdict.
    """
    texts = tuple(changes)
    for change in texts:
        key = change.partition("=")[0].strip()
        if not key.startswith("verdict."):
            raise SpecError(
                f"--set {key} changes nothing about a verdict on results that are there",
                hint=f"keys: {', '.join(f'verdict.{name}' for name in VerdictPart.model_fields)}",
            )
    if config is not None:
        return load_experiment(config, texts).verdict
    raw: dict[str, Any] = {}
    _change(raw, texts)
    return validate_spec(VerdictPart, raw.get("verdict", {}), "--set verdict")


def validate_spec(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """Build any spec from plain values with dwlt's own error text.

    Args:
        kind: the model to build.
        values: by key, as TOML or JSON hold them.
        where: what the values come from, for the message.

    Raises:
        SpecError: a key is unknown or missing, or a value is not one that it takes.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise explain(error, where, kind) from error


def _read_config(config: str) -> dict[str, Any]:
    """A config file with everything that it extends below it."""
    chain: list[dict[str, Any]] = []
    read: set[Path] = set()
    path = _find(config)
    while True:
        if path.resolve() in read:
            raise SpecError(f"{path} extends itself", hint="let it extend a preset instead")
        read.add(path.resolve())
        raw = _read_toml(path)
        chain.append(raw)
        base = raw.pop("extends", None)
        if base is None:
            break
        if not isinstance(base, str):
            raise SpecError(
                f"{path}: extends is {base!r}, not the name of one preset or file",
                hint='write extends = "digits", or extends = "base.toml"',
            )
        path = _find_base(base, path)
    found: dict[str, Any] = {}
    for raw in reversed(chain):
        found = merged(found, raw)
    return found


def _find(config: str) -> Path:
    """The file that a command line names: a preset, or a path from the working directory."""
    path = Path(config)
    if config in presets():
        return CONFIGS / f"{config}.toml"
    if path.is_dir():
        raise SpecError(f"config {config} is a folder", hint="name the .toml file in it")
    if path.exists():  # Whatever can be read: a shell's <(...) is a pipe.
        return path
    if path.suffix == ".toml":
        raise SpecError(f"config file {config} does not exist", hint=_preset_hint(config))
    raise SpecError(f"no preset is called {config!r}", hint=_preset_hint(config))


def _find_base(base: str, above: Path) -> Path:
    """What a config extends: a preset, or a path that counts from the folder of that config.

    So a folder of configs that extend one another can be used from anywhere, and be moved.
    """
    if base in presets():
        return CONFIGS / f"{base}.toml"
    path = above.parent / base
    if path.is_file():
        return path
    hint = _preset_hint(base)
    if Path(base).is_file():
        hint = (
            f"it is looked for beside {above.name}, not in the working directory, where there is "
            f"one: write extends = {str(Path(base).resolve())!r}, or the way from {above.parent}"
        )
    raise SpecError(f"{above} extends {base!r}, but there is no {path}", hint=hint)


def _preset_hint(config: str) -> str:
    meant = did_you_mean(Path(config).stem, presets())
    return f"{meant}presets: {', '.join(presets())}; or give the path of a .toml file"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        # A byte-order mark is what some Windows editors begin a file with.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from error


def _require_text(values: Any, place: str) -> None:
    """Refuse bytes of file names that are no text: a spec is UTF-8, and so are its ids."""
    if isinstance(values, str):
        try:
            values.encode()
        except UnicodeEncodeError as error:
            raise SpecError(
                f"{place.rstrip('.')}: {values!r} is not text in UTF-8",
                hint="rename that file or folder, or name it by a link",
            ) from error
    elif isinstance(values, Mapping):
        for key, value in values.items():
            _require_text(key, place)
            _require_text(value, f"{place}{key}.")
    elif isinstance(values, (list, tuple)):
        for value in values:
            _require_text(value, place)


def _change(raw: dict[str, Any], changes: Iterable[str]) -> None:
    for change in changes:
        key, separator, text = change.partition("=")
        if not separator or not key.strip():
            raise SpecError(f"--set {change!r} has no '='", hint="write --set prune.rate=0.3")
        _assign(raw, key.strip(), _read_value(text.strip()))


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
