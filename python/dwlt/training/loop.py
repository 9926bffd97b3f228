"""The one training loop: every stage, every regime.

Randomness is a function of (seed, epoch, step): the order of samples, their augmentation, the
random starts of attacks, and what layers such as dropout draw. Nothing depends on a live stream,
so a training killed anywhere and run again ends with the same weights (bit for bit on the CPU).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from dwlt.attacks import module_flags
from dwlt.errors import DataError
from dwlt.masks.tensors import Enforcer
from dwlt.results.images import ids_digest
from dwlt.scoring import Scored
from dwlt.training.identity import identity_of
from dwlt.training.job import TrainJob
from dwlt.training.meter import Meter
from dwlt.training.objectives import OBJECTIVES
from dwlt.training.precision import Precision
from dwlt.training.probe import HeldOut
from dwlt.training.records import EpochRecord, TrainOutcome
from dwlt.training.schedule import lr_at
from dwlt.training.state import TrainingState
from dwlt.training.step import Stepper, sgd
from dwlt.units import derive_seed


def train(
    job: TrainJob,
    *,
    score_epoch: Callable[[int], Scored | None] | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainOutcome:
    """Train a model in place, or go on where an earlier process was stopped.

    Args:
        job: the model, the images, the settings and the checkpoint.
        score_epoch: called with the epoch (from 1) when its training is done, the model in place;
            the ``Scored`` of the validation split, or None when it is not scored.
        on_epoch: told of each epoch once it is saved.
        stop: asked before every step; True ends the training, and the epoch in progress is lost.

    Raises:
        DataError: the split yields no batch.
        LedgerError: the slot holds another training's state.
        FormatError: the slot is damaged.
        MaskError: masks do not fit the parameters.
        TrainingError: the loss is not finite, or a masked weight is not zero.
    """
    model, split, spec, seed = job.model, job.split, job.spec, job.seed
    device = torch.device(job.device)
    steps = split.steps(spec.batch_size)
    if steps == 0 and spec.epochs > 0:
        raise DataError("there is nothing to train on: the split has no samples")
    precision = Precision(spec, device)
    objective = OBJECTIVES[spec.regime](spec)
    watched = None if job.held_out is None else HeldOut(job.held_out, seed, device)
    with _own_random_numbers(device), module_flags(model), precision.prepared(model):
        optimizer = sgd(model, spec)
        enforcer = Enforcer(job.prunable or {}, job.masks or {})
        enforcer.zero_masked(optimizer)
        objective.begin(enforcer.by_parameter())
        job.slot.bind(identity_of(job))
        # Of the split that the batches below are drawn from, whatever the caller says it is.
        state = TrainingState.resume(
            job.slot, model, optimizer, objective, ids_digest(split.origin, split.ids)
        )
        stepper = Stepper(model, optimizer, objective, precision)
        for epoch in range(state.epochs, spec.epochs):
            began = time.perf_counter()
            meter = Meter(epoch + 1, steps * objective.replays, device)
            _seed_layers(derive_seed(seed, "layers", epoch), device)
            model.train()
            batches = split.train_batches(
                batch_size=spec.batch_size,
                seed=seed,
                epoch=epoch,
                augment=job.augment,
                device=device,
            )
            rate = 0.0
            for step, batch in enumerate(batches):
                if stop():
                    return state.outcome(interrupted=True)
                rate = lr_at(spec, epoch * steps + step, steps)
                for replay in range(objective.replays):
                    # The first replay's seed is that of a training without replays.
                    more = (replay,) if replay else ()
                    stepper(batch, rate, derive_seed(seed, "attack", epoch, step, *more), meter)
                    enforcer.after_step(optimizer)
            loss, accuracy = meter.totals()
            enforcer.check()
            enforcer.zero_masked(optimizer)
            score = None if score_epoch is None else score_epoch(epoch + 1)
            probe = None
            if watched is not None:
                probe = objective.watch(model, watched, derive_seed(seed, "probe", epoch))
            record = EpochRecord.measured(
                epoch + 1, rate, loss, accuracy, time.perf_counter() - began, score, probe
            )
            state.complete(record, score if job.keep_best else None)
            on_epoch(record)
        return state.outcome(interrupted=False)


def _own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """The global random state is afterwards what it was."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _seed_layers(seed: int, device: torch.device) -> None:
    """Seed the generators that layers draw from, and no other device's."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
