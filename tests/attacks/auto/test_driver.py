"""AutoAttack's attacks through the driver: the reference's outcomes, without its side effects."""

from __future__ import annotations

import random
import sys
from collections import Counter
from importlib import metadata
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dwlt.attacks.auto import SUITE, attack_shard, package, suite_for, targets
from dwlt.errors import UserError
from tests.attacks.auto.reference import stands_after
from tests.attacks.auto.traps import EPS, KINDS, Traps, trapped
from tests.attacks.conftest import conv_net

QUERIES = 200


@pytest.fixture(autouse=True)
def few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "QUERIES", QUERIES)


def broken_by(
    model: nn.Module, images: Tensor, labels: Tensor, attacks: tuple[str, ...], **ball: Any
) -> list[str | None]:
    """Which attack fools each sample, each seeing those that stand."""
    by: list[str | None] = [None] * len(labels)
    for name in attacks:
        left = torch.tensor([i for i, broken in enumerate(by) if broken is None])
        found = attack_shard(name, model, images[left], labels[left], limit=256, **ball)
        for index in left[found.fooled].tolist():
            by[index] = name
    return by


@pytest.mark.parametrize("classes", [2, 3, 4, 8, 10, 100])
def test_each_attack_breaks_its_own_samples_and_the_reference_agrees(classes: int) -> None:
    model, (images, labels) = Traps(classes), trapped(40)
    attacks = suite_for(SUITE, classes)
    ball: dict[str, Any] = {"norm": "linf", "eps": EPS, "seed": 5}
    by = broken_by(model, images, labels, attacks, **ball)
    kinds: dict[str, Counter[str]] = {name: Counter() for name in attacks}
    for index, name in enumerate(by):
        if name is not None:
            kinds[name][KINDS[index % 5]] += 1
    assert kinds["apgd-ce"]["slope"] == 8
    if classes >= 4:
        assert kinds["apgd-t"]["decoy"] >= 4
    assert kinds["fab-t"]["needle"] >= 2
    assert kinds["square"]["stairs"] >= 1
    assert [by[index] for index in range(4, 40, 5)] == [None] * 8
    # The reference on all of it, and on each beginning of the suite that is cheap enough.
    for count in range(1, len(attacks) + 1) if classes in (3, 8) else (len(attacks),):
        stands = stands_after(
            model,
            images,
            labels,
            list(attacks[:count]),
            classes=classes,
            queries=QUERIES,
            **ball,
        )
        assert stands.tolist() == [name not in attacks[:count] for name in by]


def centred_net() -> tuple[nn.Sequential, Tensor, Tensor]:
    """A convolutional network with all classes, and images near its borders."""
    net = conv_net().eval()
    images = torch.rand(48, 1, 6, 6, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        net[9].bias -= net(images).mean(0)
        labels = net(images).argmax(1)
    return net, images, labels


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.03), ("l2", 0.15)])
def test_the_reference_agrees_on_a_convolutional_network(norm: str, eps: float) -> None:
    net, images, labels = centred_net()
    attacks = suite_for(SUITE, 3)
    assert attacks == ("apgd-ce", "fab-t", "square")
    by = broken_by(net, images, labels, attacks, norm=norm, eps=eps, seed=1)
    assert 5 < by.count("apgd-ce") < 43
    stands = stands_after(
        net,
        images,
        labels,
        list(attacks),
        norm=norm,
        eps=eps,
        seed=1,
        classes=3,
        queries=QUERIES,
    )
    assert stands.tolist() == [name is None for name in by]


@pytest.mark.parametrize("name", SUITE)
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.3)])
def test_points_are_in_the_ball_and_fool(name: str, norm: str, eps: float) -> None:
    model, (images, labels) = Traps(4), trapped(20, side=(6, 6))
    found = attack_shard(name, model, images, labels, norm=norm, eps=eps, seed=0, limit=256)
    assert found.fooled.any()
    offset = (found.points - images).flatten(1)
    length = offset.abs().amax(1) if norm == "linf" else offset.norm(dim=1)
    assert float(length.max()) <= eps * (1 + 1e-5) + 1e-6
    assert 0 <= float(found.points.min()) <= float(found.points.max()) <= 1
    with torch.no_grad():
        assert ((model(found.points).argmax(1) != labels) == found.fooled).all()


def test_square_in_l2_needs_room() -> None:
    images, labels = trapped(5)
    with pytest.raises(UserError, match="2x4 pixels"):
        attack_shard("square", Traps(4), images, labels, norm="l2", eps=0.3, seed=0, limit=9)


def traces(net: nn.Module) -> dict[str, Any]:
    """All that an attack could leave behind, to the byte."""
    return {
        "flags": [module.training for module in net.modules()],
        "trains": [param.requires_grad for param in net.parameters()],
        "grads": [None if p.grad is None else p.grad.tolist() for p in net.parameters()],
        "state": {name: value.tolist() for name, value in net.state_dict().items()},
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
        "trace": sys.gettrace(),
    }


@pytest.mark.parametrize("name", SUITE)
def test_no_trace_is_left(name: str) -> None:
    net = conv_net()  # in training mode, one BatchNorm in evaluation mode, one layer frozen
    head = net[9]
    net[9] = nn.Linear(24, 5)
    net[0].bias.grad = torch.ones(6)
    images = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        labels = net.eval()(images).argmax(1)
    net.train()
    net[5].eval()
    assert head is not net[9]

    def tracer(*_: Any) -> None:
        return None

    old = sys.gettrace()
    sys.settrace(tracer)
    try:
        before = traces(net)
        attack_shard(name, net, images, labels, norm="linf", eps=0.02, seed=0, limit=4)
        after = traces(net)
    finally:
        sys.settrace(old)
    assert after == before


def test_memory_format_and_limit_change_nothing() -> None:
    net, images, labels = centred_net()
    ball: dict[str, Any] = {"norm": "linf", "eps": 0.03, "seed": 1}
    plain = broken_by(net, images, labels, ("apgd-ce", "fab-t"), **ball)
    odd = images.repeat(1, 2, 1, 1).to(memory_format=torch.channels_last)[:, :1]
    assert not odd.is_contiguous()
    assert broken_by(net, odd, labels, ("apgd-ce", "fab-t"), **ball) == plain
    found = attack_shard("apgd-ce", net, images, labels, limit=7, **ball)
    assert found.fooled.tolist() == [name == "apgd-ce" for name in plain]


def test_fooled_samples_cost_nothing() -> None:
    seen: list[int] = []

    class Counted(Traps):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(len(images))
            return super().forward(images)

    model, (images, labels) = Counted(4), trapped(40)
    slopes = torch.arange(0, 40, 5)
    found = attack_shard(
        "apgd-ce", model, images[slopes], labels[slopes], norm="linf", eps=EPS, seed=0, limit=99
    )
    assert found.fooled.all()
    assert len(seen) < 15, "an attack that has fooled everybody goes on"
    seen.clear()
    attack_shard("apgd-ce", model, images, labels, norm="linf", eps=EPS, seed=0, limit=99)
    assert min(seen[5:-2]) < 40 - 8


def test_a_random_model_is_attacked_without_shrinking() -> None:
    class Random(Traps):
        def forward(self, images: Tensor) -> Tensor:
            logits = super().forward(images)
            return logits + 2 * torch.randn_like(logits)

    images, labels = trapped(20)
    for name in ("apgd-t", "fab-t"):
        found = attack_shard(
            name, Random(4), images, labels, norm="linf", eps=EPS, seed=0, limit=99
        )
        assert found.fooled.shape == (20,)
        assert found.points.shape == images.shape


def test_a_gradient_of_zero_is_told() -> None:
    images, labels = trapped(20)
    found = attack_shard(
        "apgd-ce", Traps(2), images, labels, norm="linf", eps=EPS, seed=0, limit=99
    )
    stairs_and_safe = [index % 5 in (3, 4) for index in range(20)]
    assert found.blind.tolist() == stairs_and_safe


def test_targets_by_classes() -> None:
    assert [targets(classes) for classes in (2, 3, 4, 8, 10, 100)] == [1, 2, 3, 7, 9, 9]
    assert suite_for(SUITE, 4) == SUITE


def test_a_missing_or_other_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    package.require_package()
    monkeypatch.setattr(metadata, "version", lambda name: "0.1.0")
    with pytest.raises(UserError, match=r"pyautoattack 0\.1\.0 is installed"):
        package.require_package()
    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(UserError, match="not installed") as caught:
        package.require_package()
    assert caught.value.hint is not None
    assert "dwlt[autoattack]" in caught.value.hint
