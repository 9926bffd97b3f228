"""Training steps per second, three ways in one run: ``make bench-train``.

The same masked model, images and batches under PGD-3: the way published scripts write the loop
(``torch.nn.utils.prune`` and numbers fetched from the device in every step), a loop tuned by hand
as the limit, and ``dwlt.training.train``. On a CPU a ResNet-8 is timed in processor time; on a GPU
a ResNet-18 at 32 pixels and a ResNet-50 at 224 in wall time, with the share of the device's peak.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from dwlt.data.resident import ResidentSplit
from dwlt.models import Model, build_model, prunable
from dwlt.results.files import environment, to_json
from dwlt.spec import AttackSpec, ModelSpec, TrainSpec
from dwlt.training import CheckpointSlot, TrainJob, train
from dwlt.training.device import choose_device, describe
from dwlt.units import Eps

OUT = Path(__file__).parent / "results" / "train.json"
EPS, STEP, STEPS = 8 / 255, 4 / 255, 3

PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16 operations per second, from the makers' data sheets (SXM)."""


@dataclass(frozen=True)
class Case:
    """What is trained: a model, the side of its images, a batch, and the steps of one timing."""

    model: str
    side: int
    batch: int
    steps: int


CPU = (Case("resnet8", 16, 64, 8),)
SMALL = (Case("resnet8", 8, 8, 2),)
GPU = (Case("resnet18-32", 32, 512, 20), Case("resnet50", 224, 128, 10))


def fresh(case: Case, device: torch.device) -> tuple[Model, dict[str, Tensor]]:
    """The model on the device, and masks that keep half of each prunable tensor."""
    spec = ModelSpec(name=case.model)
    mean, std = (0.5,) * 3, (0.25,) * 3
    model = build_model(
        spec, num_classes=10, channels=3, image_size=case.side, mean=mean, std=std, seed=0
    ).to(device)
    random = torch.Generator().manual_seed(0)
    masks = {
        name: (torch.rand(one.shape, generator=random) < 0.5).to(device)
        for name, one in prunable(model).items()
    }
    return model, masks


def pixels(case: Case) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    count = case.batch * case.steps
    shape = (count, 3, case.side, case.side)
    images = torch.randint(0, 256, shape, generator=random, dtype=torch.int64).to(torch.uint8)
    return images, torch.randint(0, 10, (count,), generator=random)


def as_scripts(case: Case, device: torch.device) -> Callable[[], None]:
    """Reparametrised weights, an attack through ``backward``, and meters read in each step."""
    model, masks = fresh(case, device)
    mask_of = {id(one): masks[name] for name, one in prunable(model).items()}
    for module in model.modules():
        if id(getattr(module, "weight", None)) in mask_of:
            mask = mask_of[id(module.weight)].float()
            prune.custom_from_mask(module, "weight", mask)  # type: ignore[no-untyped-call]
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = pixels(case)

    def run() -> None:
        model.train()
        for start in range(0, len(images), case.batch):
            x = images[start : start + case.batch].float().div(255).to(device)
            y = labels[start : start + case.batch].to(device)
            delta = torch.empty_like(x).uniform_(-EPS, EPS)
            for _ in range(STEPS):
                delta.requires_grad_()
                torch.autograd.backward(F.cross_entropy(model((x + delta).clamp(0, 1)), y))
                assert delta.grad is not None
                delta = (delta + STEP * delta.grad.sign()).clamp(-EPS, EPS).detach()
            optimizer.zero_grad()
            logits = model((x + delta).clamp(0, 1))
            loss = F.cross_entropy(logits, y)
            torch.autograd.backward(loss)
            optimizer.step()
            loss.item(), (logits.argmax(1) == y).float().mean().item()

    return run


def by_hand(case: Case, device: torch.device) -> Callable[[], None]:
    """What costs nothing that could be left out; on a GPU in bf16 and channels-last."""
    model, masks = fresh(case, device)
    gpu = device.type == "cuda"
    if gpu:
        model = model.to(memory_format=torch.channels_last)
    weights = list(model.parameters())
    held = [(prunable(model)[name], mask.float()) for name, mask in masks.items()]
    optimizer = torch.optim.SGD(weights, 0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    images, labels = (one.to(device) for one in pixels(case))

    def run() -> None:
        model.train()
        for start in range(0, len(images), case.batch):
            x = images[start : start + case.batch].float().div_(255)
            if gpu:
                x = x.contiguous(memory_format=torch.channels_last)
            y = labels[start : start + case.batch]
            low, high = (x - EPS).clamp_(min=0), (x + EPS).clamp_(max=1)
            moved = torch.empty_like(x).uniform_(-EPS, EPS).add_(x).clamp_(0, 1)
            with torch.autocast(device.type, torch.bfloat16, enabled=gpu):
                for _ in range(STEPS):
                    moved.requires_grad_()
                    loss = F.cross_entropy(model(moved).float(), y)
                    (slope,) = torch.autograd.grad(loss, moved)
                    step = moved.detach() + STEP * slope.sign()
                    moved = torch.minimum(torch.maximum(step, low), high)
                loss = F.cross_entropy(model(moved).float(), y)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            with torch.no_grad():
                for weight, mask in held:
                    weight.mul_(mask)

    return run


def by_dwlt(
    case: Case, device: torch.device, keep: list[nn.Module] | None = None, precision: str = "auto"
) -> Callable[[], None]:
    """dwlt's loop over one epoch; ``keep`` is given the trained models."""
    images, labels = pixels(case)
    split = ResidentSplit(
        images,
        labels=labels.numpy(),
        ids=np.arange(len(labels)),
        origin="train",
        num_classes=10,
        shape=(3, case.side, case.side),
        levels=255,
    )
    attack = AttackSpec(eps=Eps("8/255"), step=Eps("4/255"), steps=STEPS, mode="train")
    spec = TrainSpec(
        regime="adversarial",
        epochs=1,
        batch_size=case.batch,
        lr=0.01,
        attack=attack,
        precision=precision,  # type: ignore[arg-type]
    )
    kept, masks = fresh(case, device)

    def run() -> None:
        model = copy.deepcopy(kept)
        with tempfile.TemporaryDirectory() as folder:
            slot = CheckpointSlot(Path(folder) / "state", {"run": "bench"})
            train(
                TrainJob(
                    model=model,
                    split=split,
                    spec=spec,
                    seed=0,
                    device=device,
                    slot=slot,
                    prunable=prunable(model),
                    masks=masks,
                )
            )
        if keep is not None:
            keep.append(model)

    return run


def trained(case: Case, device: torch.device) -> dict[str, Tensor]:
    """The state of the model after dwlt's epoch in float32."""
    kept: list[nn.Module] = []
    by_dwlt(case, device, kept, "fp32")()
    return dict(kept[0].state_dict())


def timed(run: Callable[[], None], device: torch.device) -> float:
    """Seconds: of the processor on a CPU, of the clock on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - began


def measure(case: Case, device: torch.device, rounds: int) -> dict[str, Any]:
    """Medians of interleaved rounds after one to warm up. dwlt's time includes what an epoch adds:
    digests of the model and one checkpoint."""
    ways = {"scripts": as_scripts, "by hand": by_hand, "dwlt": by_dwlt}
    runs = {name: make(case, device) for name, make in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            took = timed(run, device)
            if number:
                seconds[name].append(took)
    median = {name: statistics.median(one) for name, one in seconds.items()}
    found: dict[str, Any] = {
        "model": case.model,
        "side": case.side,
        "batch": case.batch,
        "seconds_per_step": {name: round(s / case.steps, 5) for name, s in median.items()},
        "to_by_hand": {name: round(s / median["by hand"], 3) for name, s in median.items()},
        "scripts_to_dwlt": round(median["scripts"] / median["dwlt"], 3),
    }
    peak = next(
        (
            value
            for name, value in PEAKS.items()
            if device.type == "cuda" and name in torch.cuda.get_device_name(device)
        ),
        None,
    )
    if peak is not None:
        with FlopCounterMode(display=False) as counter:
            runs["by hand"]()
        flops = counter.get_total_flops()
        found["model_flop_utilisation"] = {
            name: round(flops / s / peak, 3) for name, s in median.items()
        }
    return found


def bench(device: torch.device, *, small: bool, rounds: int) -> list[dict[str, Any]]:
    """One entry for each model of the device's kind."""
    cases = SMALL if small else GPU if device.type == "cuda" else CPU
    return [measure(case, device, rounds) for case in cases]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    device = choose_device(arguments.device, 1)
    found = {
        "cases": bench(device, small=False, rounds=arguments.rounds),
        "command": "make bench-train",
        "environment": environment(describe(device)),
    }
    arguments.out.write_bytes(to_json(found))
    for case in found["cases"]:
        print(case)


if __name__ == "__main__":
    main()
