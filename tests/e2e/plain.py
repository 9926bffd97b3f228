"""The protocol a second time, in plain NumPy and PyTorch: what a result says, and nothing of dwlt.

It is written from docs/protocol.md alone and is meant to be read beside it. `test_recomputed.py`
compares it with what the stages leave on the disk; a change to one of the two is a change to the
protocol.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

Ids = NDArray[np.int64]
Spec = Mapping[str, Any]
State = dict[str, Tensor]

MOMENTS = ("mean", "std")
GOLDEN = 0x9E3779B97F4A7C15


def seed_for(seed: int, *purpose: int | str) -> int:
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, *purpose))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def key(seed: int, ids: Ids, column: int = 0) -> NDArray[np.uint64]:
    start = np.array([(seed + column * GOLDEN + GOLDEN) % 2**64], dtype=np.uint64)
    inner = mix(ids.astype(np.uint64) + np.uint64(GOLDEN)) ^ mix(start)
    return mix(inner + np.uint64(GOLDEN))


def first(ids: Ids, count: int, seed: int) -> Ids:
    """The first so many ids in the order of their keys, sorted."""
    return np.sort(ids[np.argsort(key(seed, ids), kind="stable")][:count])


@dataclass(frozen=True)
class Images:
    """Ids of a task's images for each purpose, and the pixels (in [0, 1]) and labels of all."""

    train: Ids
    validation: Ids
    test: Ids
    pixels: Tensor
    labels: Tensor


def cut(ids: Ids, labels: Ids, share: float, seed: int) -> tuple[Ids, Ids]:
    """Rest and held-out part: every class gives its share, the largest remainders one more."""
    total = round(share * len(ids))
    classes = {int(c): ids[labels[ids] == c] for c in np.unique(labels[ids])}
    exact = {c: Fraction(len(own) * total, len(ids)) for c, own in classes.items()}
    counts = {c: math.floor(value) for c, value in exact.items()}
    missing = total - sum(counts.values())
    for c in sorted(classes, key=lambda c: (counts[c] - exact[c], c))[:missing]:
        counts[c] += 1
    held = np.sort(np.concatenate([first(own, counts[c], seed) for c, own in classes.items()]))
    return np.setdiff1d(ids, held), held


def images(data: Spec) -> Images:
    """The digits of a range of classes, split three ways."""
    low, high = (int(part) for part in data["task"].removeprefix("digits:").split("-"))
    bundle = load_digits()
    labels = bundle.target.astype(np.int64)
    rest, test = cut(np.arange(len(labels)), labels, 0.25, seed_for(0, "test"))
    rest, test = (ids[(labels[ids] >= low) & (labels[ids] <= high)] for ids in (rest, test))
    rest, validation = cut(rest, labels, data["validation"], seed_for(0, "validation"))
    count = round(data.get("fraction", 1.0) * data["per_class"])
    of_class = [rest[labels[rest] == c] for c in range(low, high + 1)]
    seed = seed_for(data["subset_seed"], "subset")
    train = np.sort(np.concatenate([first(own, count, seed) for own in of_class]))
    pixels = torch.from_numpy(bundle.images).float().div(16)[:, None]
    return Images(train, validation, test, pixels, torch.from_numpy(labels - low))


def digest(ids: Ids) -> str:
    """How results name images: the part that they come from, then their numbers in it."""
    hashed = hashlib.blake2b(b"train\0" + ids.astype("<i8").tobytes(), digest_size=16)
    return f"b2:{hashed.hexdigest()}"


class Network(nn.Module):
    """ResNet-8 behind a normaliser, its weights from a seed."""

    def __init__(self, width: int, classes: int, seed: int, mean: float, std: float) -> None:
        super().__init__()
        self.normalise = nn.Module()
        for name, value in zip(MOMENTS, (mean, std), strict=True):
            self.normalise.register_buffer(name, torch.tensor([value]))
        torch.manual_seed(seed_for(seed, "model"))
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        sides = [(width, width), (width, 2 * width), (2 * width, 4 * width)]
        for number, (inputs, outputs) in enumerate(sides, 1):
            self.add_module(f"layer{number}", nn.Sequential(self.block(inputs, outputs)))
        self.fc = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def block(inputs: int, outputs: int) -> nn.Module:
        block, stride = nn.Module(), 1 if inputs == outputs else 2
        block.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        block.bn1 = nn.BatchNorm2d(outputs)
        block.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        block.bn2 = nn.BatchNorm2d(outputs)
        block.shortcut = nn.Sequential()
        if inputs != outputs:
            wider = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            block.shortcut = nn.Sequential(wider, nn.BatchNorm2d(outputs))
        return block

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (self.get_buffer(f"normalise.{name}")[:, None, None] for name in MOMENTS)
        x = F.relu(self.bn1(self.conv1((x - mean) / std)))
        for number in (1, 2, 3):
            block: Any = self.get_submodule(f"layer{number}.0")
            inner = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
            x = F.relu(inner + block.shortcut(x))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits

    def new_head(self, classes: int, seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed_for(seed_for(seed, "head"), "head"))
            self.fc = nn.Linear(self.fc.in_features, classes)

    def state(self) -> State:
        return {name: value.clone() for name, value in self.state_dict().items()}


def shifted(x: Tensor, ids: Ids, seed: int) -> Tensor:
    """Each image moved by up to an eighth of its side, zeros coming in."""
    side = x.shape[-1]
    reach = side // 8
    draws = [(key(seed, ids, c) >> np.uint64(11)) * 2.0**-53 for c in (0, 1)]
    down, right = (np.floor(d * (2 * reach + 1)).astype(int) for d in draws)
    padded = F.pad(x, (reach,) * 4)
    rows = zip(padded[:, 0], down, right, strict=True)
    moved = torch.stack([image[i : i + side, j : j + side] for image, i, j in rows])
    # Laid out channel by channel, or PyTorch takes another kernel, which rounds otherwise.
    return moved[..., None].permute(0, 3, 1, 2)


def attacked(net: Network, x: Tensor, y: Tensor, ids: Ids, attack: Spec, seed: int) -> Tensor:
    """The last point of PGD in the L-infinity ball, from a random start, in eval mode."""
    eps, size = (float(number(attack[name])) for name in ("eps", "step"))
    low, high = (x - eps).clamp(min=0), (x + eps).clamp(max=1)
    start = mix((ids.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN) + np.uint64(seed))
    place = np.arange(1, x[0].numel() + 1, dtype=np.uint64) * np.uint64(GOLDEN)
    bits = (mix(start[:, None] + place) >> np.uint64(40)).astype(np.float32)
    unit = torch.from_numpy(bits * np.float32(2.0**-24)).view_as(x)
    points = ((unit * 2 - 1) * eps + x).clamp(low, high)
    was = net.training
    net.eval()
    for _ in range(attack["steps"]):
        points.requires_grad_(True)
        loss = F.cross_entropy(net(points), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, points)
        points = (points.detach() + gradient.sign() * size).clamp(low, high)
    net.train(was)
    return points


def number(text: str) -> Fraction:
    top, _, bottom = text.partition("/")
    return Fraction(top) / Fraction(bottom or 1)


def outcomes(net: Network, data: Images, ids: Ids, score: Spec) -> tuple[Tensor, Tensor]:
    """(n,) each: right on the clean image; and right after the attack too."""
    net.eval()
    x, y = data.pixels[ids], data.labels[ids]
    with torch.no_grad():
        clean = net(x).argmax(1) == y
    robust, left, seed = clean.clone(), clean.numpy(), seed_for(score["seed"], "restart", 0)
    points = attacked(net, x[left], y[left], ids[left], score["attack"], seed)
    with torch.no_grad():
        robust[left] = net(points).argmax(1) == y[left]
    return clean, robust


@dataclass(frozen=True)
class Epoch:
    """A scored epoch: its number from 1, counts on validation, and the weights."""

    epoch: int
    sa: int
    ra: int
    state: State


def train(
    net: Network, data: Images, spec: Spec, masks: Mapping[str, Tensor] | None = None
) -> list[Epoch]:
    """Train as ``spec`` (of a stage's result) says; masked weights are zero after every step."""
    how, seed, score = spec["train"], spec["seed"], spec["score"]
    decay, momentum = how["weight_decay"], how["momentum"]
    # PyTorch's own and fused: another order of its sums would in the end turn a pixel over.
    sgd = torch.optim.SGD(net.parameters(), momentum=momentum, weight_decay=decay, fused=True)
    cut_masks(net, masks)
    steps = math.ceil(len(data.train) / how["batch_size"])
    scored = []
    for epoch in range(how["epochs"]):
        net.train()
        ids = data.train[np.argsort(key(seed_for(seed, "order", epoch), data.train))]
        for step in range(steps):
            some = ids[step * how["batch_size"] :][: how["batch_size"]]
            x = shifted(data.pixels[some], some, seed_for(seed, "augment", epoch))
            y = data.labels[some]
            if how["regime"] != "standard":
                start = seed_for(seed, "attack", epoch, step)
                x = attacked(net, x, y, some, how["attack"], start)
            net.zero_grad()
            torch.autograd.backward(F.cross_entropy(net(x), y))
            rate = how["lr"] * share_of_lr(how, epoch * steps + step, steps)
            sgd.param_groups[0]["lr"] = rate
            sgd.step()
            cut_masks(net, masks)
        if (epoch + 1) % score.get("every", 1) == 0 or epoch + 1 == how["epochs"]:
            sa, ra = (int(x.sum()) for x in outcomes(net, data, data.validation, score))
            scored.append(Epoch(epoch + 1, sa, ra, net.state()))
    return scored


def share_of_lr(how: Spec, step: int, steps: int) -> float:
    warm = int(how["warmup"]) * steps
    if step < warm:
        return (step + 1) / warm
    if how["schedule"] == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (int(how["epochs"]) * steps - warm)))


def cut_masks(net: Network, masks: Mapping[str, Tensor] | None) -> None:
    with torch.no_grad():
        for name, mask in (masks or {}).items():
            net.get_parameter(name)[~mask] = 0.0


def smaller(net: Network, before: Mapping[str, Tensor], rate: float) -> State:
    """Masks without ``round(rate * remaining)`` of the kept weights: the smallest of all layers."""
    sizes = torch.cat([net.get_parameter(name).detach().abs()[m] for name, m in before.items()])
    remove = round(rate * len(sizes))
    limit = sizes.sort().values[remove]
    masks = {n: m & (net.get_parameter(n).detach().abs() >= limit) for n, m in before.items()}
    assert sum(int(m.sum()) for m in masks.values()) == len(sizes) - remove, "a tie"
    return masks
