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
from torch import Tensor

from dwlt.attacks import module_flags
from dwlt.errors import DataError
from dwlt.masks.tensors import Enforcer
from dwlt.results.images import ids_digest
from dwlt.scoring import Scored
from dwlt.training.average import WeightAverage
from dwlt.training.epoch import EpochSteps
from dwlt.training.identity import defaults_of, identity_of
from dwlt.training.job import TrainJob
from dwlt.training.layers import LayerDraws
from dwlt.training.meter import Meter
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
) -> TrainOutcome:
    """Train a model in place, or go on where an earlier process was stopped.

    Args:
        job: the model, the images, the settings and the checkpoint.
        score_epoch: called with the epoch (from 1) when its training is done, the model in place;
            the ``Scored`` of the validation split, or None when it is not scored.
        on_epoch: told of each epoch once it is saved.
        stop: asked before every step; True saves what is done and ends the training.
        checkpoint_seconds: between checkpoints inside an epoch, or None. No number depends on it.

    Raises:
        DataError: the split yields no batch.
        LedgerError: the slot holds another training's state.
        FormatError: the slot is damaged.
        MaskError: masks do not fit the parameters.
        TrainingError: the loss is not finite, or a masked weight is not zero.
    """
    model, split, spec, seed = job.model, job.split, job.spec, job.seed
    device = torch.device(job.device)
    cuts = Cuts(split.step_sizes(spec.batch_size), spec.micro_batch)
    if len(cuts) == 0 and spec.epochs > 0:
        raise DataError("there is nothing to train on: the split has no samples")
    precision = Precision(spec, device)
    objective = objective_of(spec)
    watched = None if job.held_out is None else HeldOut(job.held_out, seed, device)
    with _own_random_numbers(device), module_flags(model), precision.prepared(model):
        optimizer = make_optimizer(model, spec)
        enforcer = Enforcer(job.prunable or {}, job.masks or {})
        enforcer.zero_masked(optimizer)
        objective.begin(enforcer.by_parameter())
        average = None if spec.ema is None else WeightAverage(model, spec.ema)
        job.slot.bind(identity_of(job), defaults_of(job))
        # Of the split that the batches below are drawn from, whatever the caller says it is.
        state = TrainingState.resume(
            job.slot, model, optimizer, objective, ids_digest(split.origin, split.ids), average
        )
        layers = LayerDraws(seed, device, pieces=spec.micro_batch is not None)
        statistics = None if spec.micro_batch is None else RunningStatistics(model, _alone)
        stepper = Stepper(
            model, optimizer, objective, precision, enforcer, layers, statistics, spec.clip
        )
        pace = Pace(stop, checkpoint_seconds)
        for epoch in range(state.epochs, spec.epochs):
            meter = Meter(epoch + 1, cuts, objective.replays, device, _alone)
            work = EpochSteps(
                job, epoch, cuts, objective, stepper, layers, meter, average, counts=True
            )
            work.begin(state.partial)
            model.train()
            objective.start_epoch(epoch)
            if not work.run(state, pace):
                return state.outcome(interrupted=True)
            loss, accuracy = meter.totals()
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
        return state.outcome(interrupted=False)


def _own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """The global random state is afterwards what it was."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _alone(tensor: Tensor) -> None:
    """The sum over all devices, of which there is one."""
