"""The one training loop: every stage, every regime.

Randomness is a function of (seed, epoch, step, image): the order of samples, their augmentation,
the random starts of attacks, and what layers such as dropout draw (``layers``). So a training that
was killed anywhere and is run again ends with the same weights (bit for bit on the CPU), and one
whose batches pass in pieces (``pieces``) with the same up to rounding, whatever device takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from dwlt.attacks import module_flags
from dwlt.errors import DataError, SpecError
from dwlt.masks.tensors import Enforcer
from dwlt.ranks import ALONE, Group
from dwlt.results.images import ids_digest
from dwlt.scoring import Scored
from dwlt.training.average import WeightAverage
from dwlt.training.epoch import EpochSteps
from dwlt.training.identity import defaults_of, identity_of
from dwlt.training.job import TrainJob
from dwlt.training.layers import LayerDraws
from dwlt.training.objectives import objective_of
from dwlt.training.optimizers import make_optimizer
from dwlt.training.pace import Pace
from dwlt.training.pieces import Cuts
from dwlt.training.precision import Precision
from dwlt.training.probe import HeldOut
from dwlt.training.records import EpochRecord, TrainOutcome
from dwlt.training.state import TrainingState
from dwlt.training.statistics import RunningStatistics
from dwlt.training.step import Stepper
from dwlt.units import derive_seed


def train(
    job: TrainJob,
    *,
    score_epoch: Callable[[int], Scored | None] | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
    stop: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float | None = None,
    group: Group = ALONE,
) -> TrainOutcome:
    """Train a model in place, or go on where an earlier process was stopped.

    Args:
        job: the model, the images, the settings and the checkpoint.
        score_epoch: called with the epoch (from 1) when its training is done, the model in place;
            the ``Scored`` of the validation split, or None when it is not scored.
        on_epoch: told of each epoch once it is saved.
        stop: asked before every step; True saves what is done and ends the training.
        checkpoint_seconds: between checkpoints inside an epoch, or None. No number depends on it.
        group: the devices that train together. Each calls this with the same job, ``device`` and
            ``slot`` apart; the slot of the first is the one that is read and written.

    Raises:
        DataError: the split yields no batch.
        LedgerError: the slot holds another training's state.
        FormatError: the slot is damaged.
        MaskError: masks do not fit the parameters.
        TrainingError: the loss is not finite, or a masked weight is not zero.
        RankError: the devices do not begin with the same, or one is gone.
    """
    model, split, spec, seed = job.model, job.split, job.spec, job.seed
    device = torch.device(job.device)
    sizes = split.step_sizes(spec.batch_size)
    cuts = Cuts(sizes, spec.micro_batch, group.rank, group.size)
    if len(cuts) == 0 and spec.epochs > 0:
        raise DataError("there is nothing to train on: the split has no samples")
    precision = Precision(spec, device)
    objective = objective_of(spec)
    if group.size > 1 and not objective.divides:
        raise SpecError(
            f"regime {spec.regime!r} keeps something for every place of the batch, so that several "
            "devices cannot share one",
            hint="train it on one device",
        )
    watched = None if job.held_out is None else HeldOut(job.held_out, seed, device)
    with _own_random_numbers(device), module_flags(model), precision.prepared(model):
        optimizer = make_optimizer(model, spec)
        enforcer = Enforcer(job.prunable or {}, job.masks or {})
        enforcer.zero_masked(optimizer)
        objective.begin(enforcer.by_parameter())
        average = None if spec.ema is None else WeightAverage(model, spec.ema)
        identity = identity_of(job)
        group.require_same(identity)
        job.slot.bind(identity, defaults_of(job))
        # Of the split that the batches below are drawn from, whatever the caller says it is.
        images = ids_digest(split.origin, split.ids)
        state = TrainingState.resume(job.slot, model, optimizer, objective, images, average, group)
        layers = LayerDraws(seed, device, pieces=spec.micro_batch is not None)
        in_pieces = spec.micro_batch is not None or group.size > 1
        statistics = RunningStatistics(model, group.total) if in_pieces else None
        stepper = Stepper(
            model, optimizer, objective, precision, enforcer, layers, statistics, group, spec.clip
        )
        pace = Pace(stop, checkpoint_seconds if group.leads else None, group.agree)
        for epoch in range(state.epochs, spec.epochs):
            work = EpochSteps(job, epoch, cuts, objective, stepper, layers, group, average)
            work.begin(state.partial)
            model.train()
            objective.start_epoch(epoch)
            if not work.run(state, pace):
                group.settle()
                return state.outcome(interrupted=True)
            loss, accuracy = work.meter.totals()
            enforcer.check()
            enforcer.zero_masked(optimizer)
            with nullcontext() if average is None else average.in_place():
                score = None if score_epoch is None else score_epoch(epoch + 1)
            probe = None
            if watched is not None:
                probe = objective.watch(model, watched, derive_seed(seed, "probe", epoch))
            rate = work.rate(len(cuts) - 1)
            record = EpochRecord.measured(
                epoch + 1, rate, loss, accuracy, work.seconds, score, probe
            )
            state.complete(record, score if job.keep_best else None)
            on_epoch(record)
        if average is not None:
            average.install()
        group.settle()
        return state.outcome(interrupted=False)


def _own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """The global random state is afterwards what it was."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
