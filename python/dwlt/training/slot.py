"""The one checkpoint of a running training: a safetensors file, replaced whole after each epoch and
every few minutes inside one.

A slot also keeps the snapshots of the best epochs, each in a file of its own that names its epoch
and is written once. The checkpoint says which snapshots count, so a kill between the two writes
leaves either the old pair or the new one, never a mixture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dwlt import _core
from dwlt.errors import FormatError, LedgerError
from dwlt.spec.merge import merged
from dwlt.training.records import BestEpoch, EpochRecord

_KEY = "dwlt-training"
_VERSION = 1
_INSIDE = 2
"""The version of a checkpoint inside an epoch, which earlier versions of dwlt must refuse: they
would train the whole epoch on top of it."""


@dataclass(frozen=True)
class Partial:
    """The part of an epoch that is done.

    Attributes:
        steps: of the epoch in progress.
        seconds: that they took.
        tensors: what they came to and what they have drawn, by name.
    """

    steps: int
    seconds: float
    tensors: dict[str, Tensor]

    @classmethod
    def of(cls, steps: int, seconds: float, parts: Mapping[str, Mapping[str, Tensor]]) -> Partial:
        """From the state of each thing that has one, by its name."""
        tensors = {
            f"{part}.{name}": one for part, state in parts.items() for name, one in state.items()
        }
        return cls(steps, seconds, tensors)

    def part(self, name: str) -> dict[str, Tensor]:
        """The state of one thing."""
        return _under(f"{name}.", self.tensors)


@dataclass(frozen=True)
class Saved:
    """A checkpoint's content.

    Attributes:
        epochs: complete epochs.
        model: the model's state dict.
        momentum: what the optimiser remembers, as ``optimizers.state_tensors`` names it.
        records, best: as in ``TrainOutcome``.
        objective: what the objective remembers, by name; empty for most.
        partial: the epoch in progress; None between epochs.
        average: of the weights, as a state dict; empty for trainings that keep none.
    """

    epochs: int
    model: dict[str, Tensor]
    momentum: dict[str, Tensor]
    records: list[EpochRecord]
    best: dict[str, BestEpoch]
    objective: dict[str, Tensor] = field(default_factory=dict)
    partial: Partial | None = None
    average: dict[str, Tensor] = field(default_factory=dict)


class CheckpointSlot:
    """Where one training keeps its state.

    Args:
        path: of the checkpoint; snapshots lie beside it as ``<stem>.best-sa-0012.safetensors``.
        identity: what the training belongs to (run id, round, seed, ...), JSON-ready. The engine
            adds its settings, masks and starting weights.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._identity = json.loads(json.dumps(dict(identity)))
        self._unsaid: dict[str, Any] = {}

    def bind(self, more: Mapping[str, Any], unsaid: Mapping[str, Any]) -> None:
        """Add to the identity that a checkpoint must agree with.

        Args:
            unsaid: what a checkpoint means that does not have a name, since it was written before
                there was such a setting.
        """
        self._identity |= json.loads(json.dumps(dict(more)))
        self._unsaid = json.loads(json.dumps(dict(unsaid)))

    def load_epochs(self) -> int:
        """Complete epochs saved here, for estimates of how much is left.

        Which training they belong to is checked by ``load`` alone.

        Raises:
            FormatError: the file is damaged or no checkpoint of dwlt.
        """
        return int(self._meta()["epochs"]) if self.path.exists() else 0

    def load_records(self) -> list[EpochRecord]:
        """The records of the epochs saved here, not checked for whether they are of this training.

        Raises:
            FormatError: the file is damaged or no checkpoint of dwlt.
        """
        if not self.path.exists():
            return []
        return [EpochRecord.of(values) for values in self._meta()["records"]]

    def load(self) -> Saved | None:
        """The saved state, or None where there is none yet.

        Raises:
            FormatError: the file is damaged or no checkpoint of dwlt.
            LedgerError: it belongs to another training; the message names what differs.
        """
        if not self.path.exists():
            return None
        meta = self._meta()
        self._require_own(meta)
        tensors = load_file(self.path)
        best = {kind: BestEpoch(**values) for kind, values in meta["best"].items()}
        for kind, entry in best.items():
            if not self.path.with_name(entry.file).exists():
                raise FormatError(
                    f"{self.path} counts on {entry.file} as its best {kind}, which is gone",
                    hint=self._remove_hint(),
                )
        return Saved(
            epochs=meta["epochs"],
            model=_under("model.", tensors),
            momentum=_under("momentum.", tensors),
            records=[EpochRecord.of(values) for values in meta["records"]],
            best=best,
            objective=_under("objective.", tensors),
            average=_under("average.", tensors),
            partial=_partial(meta, tensors),
        )

    def save(self, saved: Saved) -> None:
        """Replace the checkpoint, then remove the snapshots that no longer count."""
        tensors = {f"model.{name}": value for name, value in saved.model.items()}
        tensors |= {f"momentum.{name}": value for name, value in saved.momentum.items()}
        tensors |= {f"objective.{name}": value for name, value in saved.objective.items()}
        tensors |= {f"average.{name}": value for name, value in saved.average.items()}
        meta = {
            "version": _VERSION,
            "identity": self._identity,
            "epochs": saved.epochs,
            "records": [record.values() for record in saved.records],
            "best": {kind: entry.values() for kind, entry in saved.best.items()},
        }
        if saved.partial is not None:
            tensors |= {f"partial.{name}": value for name, value in saved.partial.tensors.items()}
            meta |= {
                "version": _INSIDE,
                "steps": saved.partial.steps,
                "seconds": saved.partial.seconds,
            }
        _write(self.path, tensors, {_KEY: json.dumps(meta, sort_keys=True)})
        self._sweep({entry.file for entry in saved.best.values()})

    def snapshot(self, kind: str, epoch: int, state: Mapping[str, Tensor]) -> str:
        """Keep a state dict as the best so far.

        Args:
            kind: the measure, "sa" or "ra".
            epoch: from 1; part of the file's name.
            state: tensors by name.

        Returns:
            The file's name, beside the checkpoint.
        """
        name = f"{self.path.stem}.best-{kind}-{epoch:04d}.safetensors"
        _write(self.path.with_name(name), state, None)
        return name

    def restore_best(self, best: BestEpoch, model: nn.Module) -> None:
        """Load a snapshot into the model that was trained.

        Raises:
            FormatError: the file is missing or damaged.
        """
        path = self.path.with_name(best.file)
        try:
            state = load_file(path)
        except (SafetensorError, OSError) as error:
            raise FormatError(
                f"{path} is not a usable snapshot: {error}", hint=self._remove_hint()
            ) from error
        model.load_state_dict(state, strict=True)

    def clear(self) -> None:
        """Remove the checkpoint and its snapshots, once their results are written elsewhere.

        The checkpoint goes first: a kill half-way leaves snapshots that nothing counts on, and
        that the next training in this slot removes.
        """
        # Only where it exists: a finished run may lie in a folder that cannot be written.
        if self.path.exists():
            self.path.unlink(missing_ok=True)
        self._sweep(set())

    def _sweep(self, wanted: set[str]) -> None:
        for path in self.path.parent.glob(f"{self.path.stem}.best-*.safetensors"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def _meta(self) -> dict[str, Any]:
        try:
            with safe_open(self.path, framework="pt") as file:
                meta: dict[str, Any] = json.loads((file.metadata() or {})[_KEY])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise FormatError(
                f"{self.path} is not a usable checkpoint: {error}", hint=self._remove_hint()
            ) from error
        return meta

    def _require_own(self, meta: Mapping[str, Any]) -> None:
        version = meta.get("version")
        found = merged(self._unsaid, {"version": version, **meta.get("identity", {})})
        own = {"version": _INSIDE if version == _INSIDE else _VERSION, **self._identity}
        for name in sorted(own.keys() | found.keys()):
            if own.get(name) != found.get(name):
                raise LedgerError(
                    f"{self.path} belongs to another training: its {name} is "
                    f"{_short(found.get(name))}, not {_short(own.get(name))}",
                    hint=self._remove_hint(),
                )

    def _remove_hint(self) -> str:
        return f"remove {self.path} to start this training from its beginning"


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None) -> None:
    plain = {name: _plain(value) for name, value in tensors.items()}
    _core.write_atomic(str(path), save(plain, metadata=metadata))


def _plain(tensor: Tensor) -> Tensor:
    """On the CPU, contiguous, and sharing memory with nothing (safetensors refuses tied ones)."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _partial(meta: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Partial | None:
    if "steps" not in meta:
        return None
    return Partial(meta["steps"], meta["seconds"], _under("partial.", tensors))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
