"""Speed of attacks, and that speed changes no outcome: `python -m benchmarks.attacks PART...`.

Two comparisons, each within one process on the same model, images, seed and device:

- PGD-20 (any iterate) of dwlt, where fooled samples leave the batch, against a plain loop that
  takes all samples through all steps;
- AutoAttack through dwlt's driver against ``AutoAttack(...).run_standard_evaluation``.

Times are processor time of one thread: the machine may be shared.

Parts: ``checkpoint`` (the undefended CIFAR-10 ResNet-18 that comes with pyautoattack; images
from a folder with ``cifar10`` in Parquet), ``standard`` and ``adversarial`` (the digits preset,
trained here). Every part replaces its own section of ``results/attacks.json``.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pyautoattack import AutoAttack
from torch import Tensor, nn

from dwlt.attacks import ball_around, predicts, search
from dwlt.attacks.auto import SUITE, VERSION, targets
from dwlt.data import Split, load_task
from dwlt.models.files import find_model, read_model
from dwlt.results.files import environment, to_json
from dwlt.scoring import AutoAttackPart, evaluate
from dwlt.scoring.threats import shard_seed
from dwlt.spec import AttackSpec, TaskSpec
from dwlt.training.device import describe
from dwlt.units import Eps, derive_seed

TARGET = Path(__file__).parent / "results" / "attacks.json"
SEED = 0


@dataclass(frozen=True)
class Case:
    """A model with its test images.

    Attributes:
        what: the model in words.
        split: a subset for AutoAttack, which takes its time.
        whole: the test images, for PGD.
        eps: of both comparisons, L-infinity.
    """

    what: str
    model: nn.Module
    split: Split
    whole: Split
    classes: int
    eps: str


def plain_pgd(model: nn.Module, images: Tensor, labels: Tensor, attack: AttackSpec) -> Tensor:
    """(B,) bool: who stands after PGD as it is usually written, judged at every step."""
    ball = ball_around(images, attack)
    points = ball.start(derive_seed(SEED, "restart", 0), torch.arange(len(labels)))
    with torch.no_grad():
        stands = predicts(model(images), labels)
    for _ in range(attack.steps):
        leaf = points.detach().requires_grad_(True)
        logits = model(leaf)
        stands &= predicts(logits, labels)
        (gradient,) = torch.autograd.grad(
            nn.functional.cross_entropy(logits, labels, reduction="sum"), leaf
        )
        points = ball.step(leaf.detach(), gradient, attack.step.value)
    with torch.no_grad():
        return stands & predicts(model(points), labels)


def own_pgd(model: nn.Module, images: Tensor, labels: Tensor, attack: AttackSpec) -> Tensor:
    """The same by dwlt."""
    with torch.no_grad():
        stands = predicts(model(images), labels)
    which = stands.nonzero().flatten()
    found = search(model, images[which], labels[which], attack, seed=SEED, ids=which)
    stands[which] = ~found.fooled
    return stands


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Processor seconds and outcome: with one thread, what a shared machine cannot spoil."""
    began = time.process_time()
    outcome = work()
    return time.process_time() - began, outcome


def compare_pgd(case: Case, times: int) -> dict[str, Any]:
    """Medians of a few alternating runs."""
    attack = AttackSpec(
        eps=Eps(case.eps),
        step=Eps(f"{Eps(case.eps).value / 4:.10f}"),
        steps=20,
        iterate="any",
    )
    images, labels = samples(case.whole)
    n = len(labels)
    seconds: dict[str, list[float]] = {"plain": [], "dwlt": []}
    outcomes = []
    for _ in range(times):
        for name, work in (("plain", plain_pgd), ("dwlt", own_pgd)):
            took, stands = timed(lambda w=work: w(case.model, images, labels, attack))  # type: ignore[misc]
            seconds[name].append(took)
            outcomes.append(stands.tolist())
    plain, dwlt = (statistics.median(seconds[name]) for name in ("plain", "dwlt"))
    return {
        "attack": attack.label,
        "n": n,
        "ra": sum(outcomes[0]) / n,
        "same_outcome_per_sample": all(one == outcomes[0] for one in outcomes),
        "processor_seconds": {
            name: [round(one, 3) for one in runs] for name, runs in seconds.items()
        },
        "ratio": round(plain / dwlt, 2),
    }


def compare_autoattack(case: Case, n: int) -> dict[str, Any]:
    """One run each; the reference gets the seed of dwlt's (only) shard."""
    images, labels = samples(case.split)
    ball = AttackSpec(eps=Eps(case.eps), step=Eps(f"{Eps(case.eps).value / 4:.10f}"))
    took, own = timed(lambda: own_autoattack(case, ball, n))
    suite = AutoAttack(
        case.model, norm="Linf", eps=ball.eps.value, seed=shard_seed(SEED, 0), version="standard"
    )
    suite.apgd_targeted.n_target_classes = suite.fab.n_target_classes = targets(case.classes)

    def reference() -> Tensor:
        points, _ = suite.run_standard_evaluation(images, labels, batch_size=n)
        with torch.no_grad():
            return predicts(case.model(points), labels)

    longer, theirs = timed(reference)
    with torch.no_grad():
        clean = predicts(case.model(images), labels)
    return {
        "attack": f"autoattack linf {case.eps}",
        "n": n,
        "sa": int(clean.sum()) / n,
        "ra": int(own.sum()) / n,
        "same_outcome_per_sample": own.tolist() == theirs.tolist(),
        "samples_that_differ": int((own != theirs).sum()),
        "processor_seconds": {"reference": round(longer, 2), "dwlt": round(took, 2)},
        "ratio": round(longer / took, 2),
    }


def own_autoattack(case: Case, ball: AttackSpec, n: int) -> Tensor:
    """Who stands, by dwlt's evaluation door."""
    assert len(case.split) == n
    parts = [AutoAttackPart(name, ball, SEED, 256) for name in SUITE]
    found = evaluate(case.model, case.split, parts, label="autoattack", device="cpu")
    return torch.from_numpy(found.score.robust)


def samples(split: Split) -> tuple[Tensor, Tensor]:
    """The split's images and labels; ids do not matter here, positions stand for them."""
    (batch,) = split.batches(batch_size=len(split))
    return batch.images, batch.labels


def checkpoint_net(num_classes: int = 10) -> nn.Module:
    """The network of pyautoattack's example, empty."""
    import importlib.util

    import pyautoattack

    path = Path(pyautoattack.__file__).parent / "examples" / "resnet.py"
    spec = importlib.util.spec_from_file_location("pyautoattack_resnet", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net: nn.Module = module.ResNet18()
    return net


def checkpoint(data: Path, n: int) -> Case:
    """The undefended ResNet-18 on CIFAR-10."""
    import pyautoattack

    path = Path(pyautoattack.__file__).parent / "examples" / "model_test.pt"
    net = checkpoint_net()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    task = load_task(TaskSpec(task="parquet:cifar10", test=n), data_dir=data)
    what = "ResNet-18 of pyautoattack's examples, undefended, CIFAR-10 (JPEG)"
    return Case(what, net.eval(), task.test, task.test, 10, "8/255")


def digits(regime: str, n: int, runs: Path) -> Case:
    """The digits preset, pre-trained in about a minute where ``runs`` has it not yet."""
    command = [sys.executable, "-m", "dwlt", "pretrain", "--runs", str(runs), "--json", "--quiet"]
    done = subprocess.run(
        [*command, "--regime", regime], capture_output=True, text=True, check=True
    )
    model, _ = read_model(find_model(Path(json.loads(done.stdout)["folder"])))
    few, whole = (
        load_task(TaskSpec(task="digits:0-4", test=count), data_dir=Path()).test
        for count in (n, None)
    )
    what = f"ResNet-8 of the digits preset, {regime} training, digits 0-4 (8x8)"
    return Case(what, model.eval(), few, whole, 5, "3/16")


def main() -> None:
    """Run the parts and write their sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=["checkpoint", "standard", "adversarial"])
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--n", type=int, default=64, help="images for AutoAttack; at most one shard of 128"
    )
    parser.add_argument("--times", type=int, default=3, help="runs of PGD; medians are compared")
    parser.add_argument("--runs", type=Path, default=None, help="where digits are pre-trained")
    arguments = parser.parse_args()
    runs = arguments.runs or Path(tempfile.mkdtemp())
    torch.set_num_threads(arguments.threads)
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    written = json.loads(TARGET.read_bytes()) if TARGET.exists() else {}
    for part in arguments.parts:
        case = (
            checkpoint(arguments.data_dir, arguments.n)
            if part == "checkpoint"
            else digits(part, arguments.n, runs)
        )
        written[part] = {
            "model": case.what,
            "pgd": compare_pgd(case, arguments.times),
            "autoattack": compare_autoattack(case, arguments.n),
            "seed": SEED,
            "environment": environment(describe(torch.device("cpu"))),
            "pyautoattack": VERSION,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        TARGET.write_bytes(to_json(written))
        print(json.dumps(written[part], indent=1))


if __name__ == "__main__":
    main()
