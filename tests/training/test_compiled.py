"""A compiled forward pass: taken in steps alone, and nothing else of the network is touched.

No compiler runs here: it takes longer than all of these tests. A stand-in takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dwlt.errors import TrainingError
from dwlt.ranks import ALONE, Group
from dwlt.scoring import Scored, score
from dwlt.spec import AttackSpec, ScoreSpec, TrainSpec
from dwlt.training import CheckpointSlot, TrainJob, train
from dwlt.training.precision import Precision
from dwlt.units import Eps
from tests.training.memory import blobs, small_net

PGD = AttackSpec(eps=Eps("0.1"), step=Eps("0.05"), steps=2)
ONE = AttackSpec(eps=Eps("0.1"), step=Eps("0.125"), steps=1)
ADVERSARIAL: dict[str, Any] = {"regime": "adversarial", "attack": PGD}
Forward = Callable[[Tensor], Tensor]


class Compiler:
    """In place of ``torch.compile``: counts the passes, by whether the network trains."""

    def __init__(self) -> None:
        self.asked = 0
        self.passes: list[int] = []

    def __call__(self, forward: Forward) -> Forward:
        self.asked += 1

        def compiled(images: Tensor) -> Tensor:
            self.passes.append(len(images))
            return forward(images)

        return compiled


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    found = Compiler()
    monkeypatch.setattr(torch, "compile", found)
    return found


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training on the CPU decides on compiling as on a GPU, and computes as ever."""

    def precision(spec: TrainSpec, device: torch.device) -> Precision:
        found = Precision(spec, device)
        found.compiles = Precision(spec, torch.device("cuda")).compiles
        return found

    monkeypatch.setattr("dwlt.training.loop.Precision", precision)


def run(folder: Path, *, group: Group = ALONE, **spec: Any) -> tuple[nn.Module, bytes]:
    folder.mkdir(exist_ok=True)
    net = small_net()
    weight = net[0].weight
    assert isinstance(weight, nn.Parameter)
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(2)) < 0.6
    settings = TrainSpec(**{"epochs": 1, "batch_size": 8, "lr": 0.05, **spec})
    job = TrainJob(
        model=net,
        split=blobs(16),
        spec=settings,
        seed=1,
        device="cpu",
        slot=CheckpointSlot(folder / "state.safetensors", {"run": "test"}),
        prunable={"0.weight": weight},
        masks={"0.weight": mask},
    )

    def scored(epoch: int) -> Scored:
        return score(net, blobs(13, seed=7), ScoreSpec(attack=ONE), device="cpu")

    train(job, score_epoch=scored, group=group)
    assert not bool(weight[~mask].any())
    return net, b"".join(value.numpy().tobytes() for value in net.state_dict().values())


def test_where_it_is_on() -> None:
    def on(setting: str, device: str) -> bool:
        spec = TrainSpec.model_validate(
            {"epochs": 1, "batch_size": 8, "lr": 0.1, "compile": setting}
        )
        return Precision(spec, torch.device(device)).compiles

    places = [on("auto", "cuda"), on("auto", "cpu"), on("off", "cuda"), on("off", "cpu")]
    assert places == [True, False, False, False]


def test_on_the_cpu_auto_changes_nothing(tmp_path: Path, compiler: Compiler) -> None:
    _, off = run(tmp_path / "off", **ADVERSARIAL)
    _, auto = run(tmp_path / "auto", compile="auto", **ADVERSARIAL)
    assert auto == off
    assert compiler.asked == 0


@pytest.mark.usefixtures("pretended")
def test_steps_pass_through_it_and_scores_do_not(tmp_path: Path, compiler: Compiler) -> None:
    plain, off = run(tmp_path / "off", **ADVERSARIAL)
    net, auto = run(tmp_path / "auto", compile="auto", **ADVERSARIAL)
    assert compiler.asked == 1
    # Two steps on 8 images: two passes of the attack and one of the loss in each.
    assert compiler.passes == [8] * 6
    assert auto == off
    assert list(net.state_dict()) == list(plain.state_dict())
    assert "forward" not in vars(net)


@pytest.mark.usefixtures("pretended")
def test_what_is_differentiated_twice_is_not_compiled(tmp_path: Path, compiler: Compiler) -> None:
    options = {"grad_align": 0.2, "awp_warmup": 0}
    for regime in ("fast", "fast-awp"):
        kept = {key: options[key] for key in options if key == "grad_align" or "awp" in regime}
        run(tmp_path / regime, compile="auto", regime=regime, attack=ONE, options=kept)
    assert compiler.asked == 0


@pytest.mark.usefixtures("pretended")
def test_a_compiler_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class BackendError(RuntimeError):
        pass

    def broken(forward: Forward) -> Forward:
        def compiled(images: Tensor) -> Tensor:
            raise BackendError("no working C compiler\nand more")

        return compiled

    monkeypatch.setattr(torch, "compile", broken)
    monkeypatch.setattr(
        "dwlt.training.compiled._is_of_compiler", lambda error: isinstance(error, BackendError)
    )
    with pytest.raises(TrainingError, match="cannot be compiled here: no working C") as caught:
        run(tmp_path, compile="auto")
    assert "compile = 'off'" in str(caught.value.hint)


class Wrapping(Group):
    """One process that has its gradients averaged by DDP all the same."""

    def averaging(self, module: nn.Module) -> nn.Module:
        return DistributedDataParallel(module)


@pytest.fixture
def wrapping(tmp_path: Path) -> Iterator[Group]:
    meeting = (tmp_path / "meeting").as_uri()
    dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    yield Wrapping()
    dist.destroy_process_group()


@pytest.mark.usefixtures("pretended")
def test_under_ddp(tmp_path: Path, compiler: Compiler, wrapping: Group) -> None:
    settings: dict[str, Any] = {"micro_batch": 4, **ADVERSARIAL}
    _, off = run(tmp_path / "off", group=wrapping, **settings)
    _, auto = run(tmp_path / "auto", group=wrapping, compile="auto", **settings)
    assert compiler.passes == [4] * 12
    assert auto == off
