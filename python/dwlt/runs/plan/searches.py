"""Pre-trainings and searches: what they are, what they start from, where they live."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from dwlt import _core
from dwlt.errors import DwltError, LedgerError
from dwlt.results import PretrainResult, PruneRound, RunRef
from dwlt.results.base import jsonable
from dwlt.runs import layout, store
from dwlt.runs.done import finished
from dwlt.runs.folder import asked_rounds
from dwlt.spec import (
    OF_A_SEARCH,
    Experiment,
    Kind,
    ModelSpec,
    PretrainSpec,
    PruneSpec,
    automatic,
    identity_values,
    validate_spec,
)
from dwlt.units import share


@dataclass(frozen=True)
class SourceWeights:
    """The pre-trained weights that a search starts from.

    Attributes:
        path: the model file.
        digest: of its tensors.
        model: which network it is, as the file says.
        images: fingerprint of the images it was pre-trained on; None for given weights.
        pretrain: what results say of its origin; the regime is "given" for weights that were
            given without one.
        layers: kinds of layers that are pruned where nobody says.
    """

    path: Path
    digest: str
    model: ModelSpec
    images: str | None
    pretrain: RunRef
    layers: tuple[Kind, ...] = ("conv",)


@dataclass(frozen=True)
class Pretraining:
    """A pre-training, or weights that were given instead.

    Attributes:
        spec: of the training; with given weights, of the network they are to fit.
        given: the weights' file or name, and what to call their regime; None: they are trained.
    """

    spec: PretrainSpec
    given: tuple[str, str] | None
    runs: Path
    _found: dict[str, SourceWeights] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, experiment: Experiment, runs: Path) -> Pretraining:
        """The pre-training of an experiment without a grid."""
        return cls(experiment.pretrain_spec(), experiment.pretrain.given, runs)

    @property
    def key(self) -> str:
        """Equal for the same pre-training."""
        own = store.run_id("pretrain", self.spec, {})
        if self.given is None:
            return own
        # Given weights are named by what they have to fit, not by how they would be trained.
        text, regime = self.given
        file = text if text.startswith("torchvision:") else str(Path(text).resolve())
        fits = [identity_values(self.spec.model), identity_values(self.spec.data)]
        values = json.dumps([file, regime, *fits], sort_keys=True)
        return hashlib.blake2b(values.encode(), digest_size=4).hexdigest()

    @property
    def label(self) -> str:
        """Its name in tables and in progress messages."""
        if self.given is None:
            return self.spec.train.regime
        text, regime = self.given
        return regime if regime != "given" else f"given {Path(text).name}"

    @property
    def folder(self) -> Path:
        """Where the training lives or would live."""
        return layout.run_folder(self.runs, "pretrain", self.spec.name, self.key)

    def source(self) -> SourceWeights | None:
        """The weights, or None where they are still to be made or read."""
        if "source" not in self._found:
            source = self._read_source()
            if source is None:
                return None
            self._found["source"] = source
        return self._found["source"]

    def set_source(self, source: SourceWeights) -> None:
        """Take note of the weights, once a stage has made, proven or read them."""
        self._found["proven"] = self._found["source"] = source

    @property
    def proven_source(self) -> SourceWeights | None:
        """The weights, if a stage of this process has made, proven or read them."""
        return self._found.get("proven")

    def _read_source(self) -> SourceWeights | None:
        if self.given is not None:
            return _remembered(self.runs, self.key)
        result = finished(self.folder, PretrainResult)
        return None if result is None else pretrained_source(self.folder, result)


def pretrained_source(folder: Path, result: PretrainResult) -> SourceWeights:
    """The weights of a finished pre-training run."""
    return SourceWeights(
        path=folder / layout.MODEL,
        digest=result.weights,
        model=validate_spec(ModelSpec, result.spec["model"], str(folder)),
        images=result.task.fingerprint,
        pretrain=RunRef(result.id, result.name, result.regime),
        layers=layers_in(folder / layout.MODEL),
    )


def layers_in(path: Path) -> tuple[Kind, ...]:
    """The kinds of layers to prune in a model file's network, by the names and shapes in it.

    A file that cannot be read is left to the stage that reads all of it.
    """
    try:
        return automatic((name, shape) for name, _, shape in _core.checkpoint_tensors(path))
    except DwltError:
        return ("conv",)


def remember(pretraining: Pretraining, source: SourceWeights) -> None:
    """Note what was found in given weights, so that `dwlt runs` need not read them again."""
    path = layout.given_weights(pretraining.runs, pretraining.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "path": str(source.path),
        "digest": source.digest,
        "model": source.model.model_dump(mode="json", exclude_none=True),
        "pretrain": jsonable(source.pretrain),
        "layers": source.layers,
    }
    _core.write_atomic(str(path), json.dumps(values, indent=1, sort_keys=True).encode())


def _remembered(runs: Path, key: str) -> SourceWeights | None:
    try:
        values = json.loads(layout.given_weights(runs, key).read_bytes())
        model = validate_spec(ModelSpec, values["model"], str(layout.given_weights(runs, key)))
        path = Path(values["path"])
        layers = tuple(values["layers"]) if "layers" in values else layers_in(path)
        pretrain = RunRef(**values["pretrain"])
        return SourceWeights(path, values["digest"], model, None, pretrain, layers)
    except (OSError, ValueError, KeyError, TypeError):
        # A note and no more: the stage reads the weights themselves.
        return None


@dataclass(frozen=True)
class Search:
    """A search for tickets, or a control.

    Attributes:
        of: for controls that are made from another search's masks, that search.
    """

    pretraining: Pretraining
    spec: PruneSpec
    of: Search | None = None
    _found: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of_experiment(cls, experiment: Experiment, pretraining: Pretraining) -> Search:
        """The search of an experiment without a grid."""
        spec = experiment.prune_spec()
        if spec.method not in OF_A_SEARCH:
            return cls(pretraining, spec)
        part = experiment.prune.model_copy(update={"method": "imp"})
        base = experiment.model_copy(update={"prune": part}).prune_spec()
        return cls(pretraining, spec, cls(pretraining, base))

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for the same search."""
        own = store.run_id("prune", self.spec, {})
        return (self.pretraining.key, own, None if self.of is None else self.of.key)

    @property
    def label(self) -> str:
        """A few words about it."""
        words = f"{self.pretraining.label} pre-training, {self.spec.how}"
        if self.spec.train is not None:
            part = self.spec.data.fraction
            of_it = f" {share(part)}" if part < 1 else ""
            words += f"/{self.spec.train.regime} on {self.spec.data.task}{of_it}"
        return words

    def resolved(self, source: SourceWeights) -> PruneSpec:
        """Its spec for these weights: their network, and the kinds of layers to prune in it."""
        spec = self.spec.model_copy(update={"model": source.model})
        return spec.with_layers(source.layers)

    def starts(self, source: SourceWeights) -> dict[str, str]:
        """Digests and ids of what it starts from."""
        starts = {"weights": source.digest}
        if self.of is not None:
            starts["search"] = layout.id_of(self.of.folder_from(source))
        return starts

    def folder_from(self, source: SourceWeights) -> Path:
        """Where it lives or would live, started from ``source``."""
        spec = self.resolved(source)
        run_id = store.run_id("prune", spec, self.starts(source))
        return layout.run_folder(self.pretraining.runs, "prune", spec.name, run_id)

    @property
    def folder(self) -> Path | None:
        """As ``folder_from``; None while what it starts from is still to be made."""
        source = self.pretraining.source()
        if source is None:
            return None
        if source.digest not in self._found:
            self._found[source.digest] = self.folder_from(source)
        return self._found[source.digest]

    def round(self, round_: int) -> PruneRound | None:
        """The result of a finished round, or None."""
        if self.folder is None:
            return None
        return finished(self.folder, PruneRound, layout.round_step(round_))

    def last(self) -> int:
        """How many rounds it goes: as `dwlt prune` was last asked, else as the spec says."""
        try:
            asked = None if self.folder is None else asked_rounds(self.folder)
        except LedgerError:
            asked = None  # a damaged journal is named when the search is run
        return self.spec.rounds if asked is None else asked
