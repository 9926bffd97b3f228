"""No step waits for its device: a number read back to the host would stall a GPU in every step.

On the CPU nothing stalls, but what would is in the profiler's trace by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.profiler import record_function
from torch.profiler import ProfilerActivity, profile

from dwlt.models.small import SmallResNet
from dwlt.spec import AttackSpec, TrainSpec
from dwlt.training import CheckpointSlot, TrainJob, train
from dwlt.training.epoch import EpochSteps
from dwlt.training.meter import CHECK_EVERY, Meter
from dwlt.training.step import Stepper
from dwlt.units import Eps
from tests.training.memory import split_of

READS = {
    "aten::_local_scalar_dense",
    "aten::item",
    "aten::is_nonzero",
    "aten::equal",
    # Of these the host must know the size of the result; indexing by booleans is one of them.
    "aten::nonzero",
    "aten::masked_select",
    "aten::_unique2",
    # An integer tensor of repeats on the device, whose sum the host must know.
    "aten::repeat_interleave",
}
STEP, CHECK, SAVE = "dwlt::step", "dwlt::check", "dwlt::save"
PGD = AttackSpec(eps=Eps("0.1"), step=Eps("0.05"), steps=2)
OWN = (STEP, CHECK, SAVE, "aten::_fused_adamw_")
"""Spans whose reads are told apart. On the CPU the kernel of AdamW reads the number of the step,
which is in memory there; that of CUDA reads it on the device."""
BEST = PGD.model_copy(update={"use_best": True})
L2 = PGD.model_copy(update={"norm": "l2"})
ONE = AttackSpec(eps=Eps("0.1"), step=Eps("0.125"), steps=1)
FREE = ONE.model_copy(update={"random_start": False, "mode": "train"})


class Event(NamedTuple):
    """An operation or span of the trace, from when to when in microseconds."""

    name: str
    low: float
    high: float


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps, checks and checkpoints have a span of their own in the trace."""

    def named(kind: type, name: str, span: str) -> None:
        plain: Callable[..., Any] = getattr(kind, name)

        def inside(*args: Any, **kwargs: Any) -> Any:
            with record_function(span):
                return plain(*args, **kwargs)

        monkeypatch.setattr(kind, name, inside)

    named(EpochSteps, "_take", STEP)
    named(Meter, "check", CHECK)
    named(CheckpointSlot, "save", SAVE)


def net() -> SmallResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SmallResNet(1, width=2, channels=1, num_classes=3)


def traced(folder: Path, model: nn.Module, count: int, masks: bool, **spec: Any) -> list[Event]:
    """The trace of an epoch; the first step's attack, loss and update are like every other's."""
    generator = torch.Generator().manual_seed(0)
    split = split_of(torch.rand(count, 1, 8, 8, generator=generator), torch.arange(count) % 3)
    settings = TrainSpec(**{"epochs": 1, "batch_size": 6, "lr": 0.05, **spec})
    prunable = {n: p for n, p in model.named_parameters() if p.dim() > 1}
    kept = {n: torch.rand(p.shape, generator=generator) < 0.6 for n, p in prunable.items()}
    job = TrainJob(
        model=model,
        split=split,
        spec=settings,
        seed=1,
        device="cpu",
        slot=CheckpointSlot(folder / "state.safetensors", {"run": "test"}),
        prunable=prunable if masks else None,
        masks=kept if masks else None,
    )
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        train(job, checkpoint_seconds=0.0)
    # Written and read again: the profiler's own list of events takes seconds to be made.
    file = folder / "trace.json"
    profiler.export_chrome_trace(str(file))
    found = json.loads(file.read_text())["traceEvents"]
    return [
        Event(one["name"], one["ts"], one["ts"] + one["dur"]) for one in found if one["ph"] == "X"
    ]


def reads(events: list[Event]) -> dict[str, list[str]]:
    """What is read back to the host inside steps, by the innermost span that it is in."""
    spans = [event for event in events if event.name in OWN]
    found: dict[str, list[str]] = {name: [] for name in OWN}
    for event in events:
        if event.name in READS:
            around = [span for span in spans if span.low <= event.low and event.high <= span.high]
            if around:
                found[min(around, key=lambda span: span.high - span.low).name].append(event.name)
    return found


@pytest.mark.parametrize(
    ("micro", "masks", "spec"),
    [
        (None, False, {"clip": 1.0, "ema": 0.9}),
        (3, True, {"clip": 1.0, "ema": 0.9}),
        (3, True, {"optimizer": "adamw"}),
        (None, False, {"regime": "adversarial", "attack": PGD}),
        (3, True, {"regime": "adversarial", "attack": PGD}),
        (None, True, {"regime": "adversarial", "attack": BEST}),
        (None, True, {"regime": "adversarial-awp", "attack": L2, "options": {"awp_warmup": 0}}),
        (None, True, {"regime": "fast", "attack": ONE, "options": {"grad_align": 0.2}}),
        (None, True, {"regime": "fast", "attack": ONE, "options": {"n_fgsm": 2.0}}),
        (3, True, {"regime": "free", "attack": FREE}),
        (None, True, {"regime": "trades", "attack": PGD}),
        (None, True, {"regime": "mart", "attack": PGD}),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else str(value),
)
def test_a_step_reads_nothing_back(
    tmp_path: Path, micro: int | None, masks: bool, spec: dict[str, Any]
) -> None:
    events = traced(tmp_path, net(), 12, masks, micro_batch=micro, **spec)
    assert sum(event.name == STEP for event in events) == 2
    assert any(event.name == "aten::convolution_backward" for event in events)
    assert reads(events)[STEP] == []


def test_losses_are_looked_at_every_so_many_steps(tmp_path: Path) -> None:
    """The one place inside steps; that it is found shows that another one would be."""
    tiny = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    events = traced(tmp_path, tiny, 2 * (CHECK_EVERY + 2), False, batch_size=2)
    found = reads(events)
    assert found[STEP] == []
    checks = [event for event in events if event.name == CHECK]
    steps = [event for event in events if event.name == STEP]
    inside = [one for one in checks if any(s.low <= one.low < s.high for s in steps)]
    assert (len(checks), len(inside)) == (2, 1)
    assert found[CHECK]


def test_a_read_inside_a_step_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Stepper._weighed

    def reading(self: Stepper, loss: Tensor, weight: float) -> Tensor:
        return plain(self, loss, weight + 0 * float(loss.detach()))

    monkeypatch.setattr(Stepper, "_weighed", reading)
    assert "aten::item" in reads(traced(tmp_path, net(), 12, False))[STEP]
