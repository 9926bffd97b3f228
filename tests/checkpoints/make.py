"""Checkpoints as they are found in the wild, around one small network."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import resnet18

from dwlt.models.small import SmallResNet

MEAN = (0.5, 0.25, 0.125)
STD = (0.25, 0.5, 0.75)
"""Exact in every float type, so that what is lifted can be compared as it stands."""

State = dict[str, Tensor]


def network(seed: int = 0) -> nn.Module:
    """dwlt's resnet8 of width 4 with 5 classes, its BatchNorm statistics not the initial ones."""
    torch.manual_seed(seed)
    net = SmallResNet(1, width=4, channels=3, num_classes=5)
    net.train()(torch.randn(8, 3, 8, 8))
    return net


def state(seed: int = 0) -> State:
    return {name: tensor.clone() for name, tensor in network(seed).state_dict().items()}


def under(prefix: str, given: State) -> State:
    return {prefix + name: tensor for name, tensor in given.items()}


def normaliser(parent: str, mean: str, std: str, shape: tuple[int, ...] = (3, 1, 1)) -> State:
    return {
        f"{parent}{mean}": torch.tensor(MEAN).view(shape),
        f"{parent}{std}": torch.tensor(STD).view(shape),
    }


def training(net: nn.Module) -> dict[str, Any]:
    """What training leaves beside a state dict."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(4, 3, 8, 8)).sum().backward()
    optimizer.step()
    return {"optimizer": optimizer.state_dict(), "epoch": 90, "best_acc1": np.float64(63.5)}


def madry() -> State:
    """MadryLab's AttackerModel under DataParallel: the network twice, the normaliser twice."""
    return {
        **normaliser("module.normalizer.", "new_mean", "new_std"),
        **under("module.model.", state()),
        **normaliser("module.attacker.normalize.", "new_mean", "new_std"),
        **under("module.attacker.model.", state()),
    }


def _save(value: Any, path: Path, *, old: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not old)
    return path


def _bare(folder: Path) -> Path:
    return _save(OrderedDict(state()), folder / "bare.pth")


def _wrapped(key: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return _save({key: state(), **training(network())}, folder / f"{key}.pth")

    return make


def _parallel(folder: Path) -> Path:
    value = {"arch": "resnet8", "state_dict": under("module.", state()), **training(network())}
    return _save(value, folder / "parallel.pth.tar")


def _compiled(folder: Path) -> Path:
    return _save({"model": under("_orig_mod.module.", state())}, folder / "compiled.pt")


def _madry(folder: Path) -> Path:
    value = {"model": madry(), "args": argparse.Namespace(eps=4), **training(network())}
    return _save(value, folder / "madry.pt")


def _madry_old(folder: Path) -> Path:
    value = {"model": madry(), "args": argparse.Namespace(eps=4), **training(network())}
    return _save(value, folder / "madry-old.pt", old=True)


def _robustbench(folder: Path) -> Path:
    """nn.Sequential of `normalize` and `model`."""
    value = {**normaliser("normalize.", "mean", "std", (1, 3, 1, 1)), **under("model.", state())}
    return _save(value, folder / "robustbench.pt")


def _mu_sigma(folder: Path) -> Path:
    value = under("module.", {**normaliser("", "mu", "sigma", (1, 3, 1, 1)), **state()})
    return _save({"state_dict": value}, folder / "mu-sigma.pt")


def _sequential(folder: Path) -> Path:
    """nn.Sequential without names, as advertorch's users write it."""
    value = {**normaliser("0.", "mean", "std", (3,)), **under("1.", state())}
    return _save({"state_dict": value, "best_ra": 51.2}, folder / "sequential.pth.tar")


def _last_and_best(folder: Path) -> Path:
    value = {"last": {"state_dict": state()}, "best": {"state_dict": state()}}
    return _save(value, folder / "last.pth")


def _averaged(folder: Path) -> Path:
    """timm: the weights of training, and their average, which is what is published."""
    value = {
        "arch": "resnet8",
        "state_dict": state(seed=1),
        "state_dict_ema": state(),
        "args": argparse.Namespace(model="resnet8"),
        **training(network()),
    }
    return _save(value, folder / "timm.pth.tar")


def _model_ema(folder: Path) -> Path:
    value = {"model": state(seed=1), "model_ema": under("module.", state())}
    return _save(value, folder / "model-ema.pth")


def _safetensors(folder: Path) -> Path:
    save_file(under("model.", state()), folder / "plain.safetensors")
    return folder / "plain.safetensors"


def _sharded(folder: Path) -> Path:
    import json

    names = sorted(state())
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, some in parts.items():
        save_file({name: state()[name] for name in some}, folder / file)
    where = {name: file for file, some in parts.items() for name in some}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index


def _before_counters(folder: Path) -> Path:
    """From before PyTorch counted BatchNorm's batches."""
    value = {k: v for k, v in state().items() if not k.endswith("num_batches_tracked")}
    return _save(value, folder / "counters.pth")


LAYOUTS: dict[str, tuple[Callable[[Path], Path], str, str, bool]] = {
    "bare": (_bare, "", "", False),
    "state_dict": (_wrapped("state_dict"), "state_dict", "", False),
    "model": (_wrapped("model"), "model", "", False),
    "net": (_wrapped("net"), "net", "", False),
    "parallel": (_parallel, "state_dict", "module.", False),
    "compiled": (_compiled, "model", "_orig_mod.module.", False),
    "madry": (_madry, "model", "module.model.", True),
    "madry-old": (_madry_old, "model", "module.model.", True),
    "robustbench": (_robustbench, "", "model.", True),
    "mu-sigma": (_mu_sigma, "state_dict", "module.", True),
    "sequential": (_sequential, "state_dict", "1.", True),
    "last": (_last_and_best, "last.state_dict", "", False),
    "timm": (_averaged, "state_dict_ema", "", False),
    "model-ema": (_model_ema, "model_ema", "module.", False),
    "safetensors": (_safetensors, "", "model.", False),
    "sharded": (_sharded, "", "", False),
    "counters": (_before_counters, "", "", False),
}
"""By name: how the file is made, the entry and prefix that must be found, and whether it says how
pixels are normalised."""


def cache_torchvision(home: Path) -> nn.Module:
    """Put a resnet18 where torchvision looks for the published one, and return it."""
    from torchvision.models import ResNet18_Weights

    torch.manual_seed(0)
    net: nn.Module = resnet18()
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(net.state_dict(), folder / Path(ResNet18_Weights.IMAGENET1K_V1.url).name)
    return net
