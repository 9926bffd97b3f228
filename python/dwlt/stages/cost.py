"""What a run of each stage will cost on this device, before it is begun.

How often an image passes through the network is counted, and how long that takes is timed, in a
few steps of the real training and scoring; how many images there are the task says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch

from dwlt.data import Split, Task
from dwlt.data.opened import open_data
from dwlt.errors import DwltError, SpecError
from dwlt.models import Model
from dwlt.models.files import new_model
from dwlt.results.estimate import Estimate
from dwlt.runs.context import Context
from dwlt.runs.estimates import remember
from dwlt.spec import (
    ModelSpec,
    PretrainSpec,
    PruneSpec,
    ScoreSpec,
    StageSpec,
    TrainSpec,
    TransferSpec,
)
from dwlt.training.cost import Cost, cost_of_scoring, cost_of_training
from dwlt.training.device import choose_device, describe

NOTHING_SCHEDULED = {"lr": 1e-6, "schedule": "constant", "milestones": (), "warmup": 0}
"""How a probe trains: what the rate is costs nothing, and a high one could overflow."""


@dataclass
class Prober:
    """Estimates the cost of runs; each kind of step is measured once."""

    context: Context
    device: torch.device = field(init=False)
    _costs: dict[str, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.device = choose_device(self.context.device, self.context.threads)

    def pretraining(self, spec: PretrainSpec) -> Estimate:
        """The whole training, scored as it goes, and once more on validation and test."""
        task = open_data(spec.data, self.context)
        found = self._trained(spec, spec.train, task, [task.validation, task.test])
        return self._kept("pretrain", spec, found)

    def round(self, spec: PruneSpec) -> Estimate:
        """One round of a search that trains, or the one training of a `oneshot`."""
        assert spec.train is not None  # methods that only draw cost nothing to speak of
        task = open_data(spec.data, self.context)
        return self._kept("prune", spec, self._trained(spec, spec.train, task, []))

    def cell(self, spec: TransferSpec) -> Estimate:
        """One transfer. Its two chosen checkpoints are mostly not the same one."""
        task = open_data(spec.data, self.context)
        found = self._trained(spec, spec.train, task, [task.test, task.test])
        return self._kept("transfer", spec, found)

    def _kept(self, stage: str, spec: StageSpec, found: Estimate) -> Estimate:
        """Note the estimate, for the result to stand beside the true time.

        A folder that cannot be written is no reason to keep the figure from whoever asks.
        """
        try:
            remember(self.context.runs, stage, spec, found)
        except (DwltError, OSError):
            return found
        return found

    def _trained(
        self, spec: StageSpec, train: TrainSpec, task: Task, scored: list[Split]
    ) -> Estimate:
        step = self._step(spec, train, task)
        scores = math.ceil(train.epochs / spec.score.every)
        found = self._times(step, train.epochs * len(task.train), epochs=train.epochs)
        look = self._look(spec, task)
        images = scores * len(task.validation) + sum(map(len, scored))
        return found + self._times(look, images)

    def _step(self, spec: StageSpec, train: TrainSpec, task: Task) -> Cost:
        plain = train.model_copy(update={**NOTHING_SCHEDULED, "epochs": 1})
        key = f"train {_kind(spec)} {plain.model_dump_json()}"
        return self._once(
            key,
            lambda: cost_of_training(
                self._network(spec.model, task),
                task.train,
                plain,
                augment=spec.data.augment,
                device=self.device,
            ),
        )

    def _look(self, spec: StageSpec, task: Task) -> Cost:
        score = spec.score.model_copy(update={"every": 1, "seed": 0})
        return self._once(
            f"score {_kind(spec)} {score.model_dump_json()}",
            lambda: self._scored(spec, task, score),
        )

    def _scored(self, spec: StageSpec, task: Task, score: ScoreSpec) -> Cost:
        split = task.validation if len(task.validation) else task.test
        model = self._network(spec.model, task)
        return cost_of_scoring(model, split, score, device=self.device)

    def _network(self, spec: ModelSpec, task: Task) -> Model:
        # The time does not depend on the weights, nor on what pixels are normalised with; and to
        # look at every training image for that would be most of a dry run.
        middle = {"weights": None, "mean": (0.5,) * task.shape[0], "std": (0.25,) * task.shape[0]}
        return new_model(spec.model_copy(update=middle), task, seed=0)

    def _once(self, key: str, measure: Callable[[], Cost]) -> Cost:
        if key not in self._costs:
            try:
                self._costs[key] = measure()
            except torch.OutOfMemoryError as error:
                raise SpecError(
                    f"a step of this network does not fit into the memory of {self.device}: "
                    f"{str(error).splitlines()[0]}",
                    hint="train with fewer images at a time, or on another device",
                ) from error
        return self._costs[key]

    def _times(self, cost: Cost, images: int, *, epochs: int = 0) -> Estimate:
        return Estimate(
            epochs=epochs,
            images=images,
            forward=images * cost.forward,
            backward=images * cost.backward,
            seconds=images * median(cost.seconds),
            low=images * min(cost.seconds),
            high=images * max(cost.seconds),
            memory=cost.memory,
            memory_from=cost.memory_from,
            device=describe(self.device),
        )


def _kind(spec: StageSpec) -> str:
    """Network and images of a run, without what decides which and how many images there are."""
    data = spec.data.model_copy(update={"fraction": 1.0, "per_class": None, "test": None})
    return f"{spec.model.name} {spec.model.width} {data.model_dump_json()}"
