"""``timm:NAME``: the networks of timm (PyTorch Image Models), where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from dwlt.errors import ModelError, did_you_mean
from dwlt.models.factory import TIMM
from dwlt.models.seeded import seeded
from dwlt.spec import ModelSpec
from dwlt.units import derive_seed


def build(
    spec: ModelSpec, num_classes: int, image_size: int, seed: int
) -> tuple[nn.Module, tuple[Sequence[float], Sequence[float]] | None]:
    """A network of three channels; with published weights the (mean, std) of their config too.

    Published weights come with the head that they have; others get ``num_classes`` outputs.

    Args:
        spec: its ``weights`` are "default" or a tag of timm's, such as "a1_in1k".

    Raises:
        ModelError: timm is not installed, has no such network or weights, or cannot build the
            network for such images.
    """
    # Not under the seed: an import happens once in a process, whatever it draws.
    timm = _timm()
    name = spec.name.removeprefix(TIMM)
    if not name or not timm.is_model(name):
        meant = did_you_mean(name, timm.list_models())
        raise ModelError(
            f"timm {timm.__version__} has no network {name!r}",
            hint=f"{meant}timm.list_models() has them all",
        )
    options = options_for(name, image_size)
    published = spec.weights is not None
    if not published:
        options["num_classes"] = num_classes
    elif spec.weights != "default":
        name = f"{name.partition('.')[0]}.{spec.weights}"
    try:
        with seeded(derive_seed(seed, "model")):
            network = timm.create_model(name, pretrained=published, **options)
    except Exception as error:  # timm's own, those of the network, and those of the hub's library
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if published:
            raise ModelError(
                f"the weights {spec.weights!r} of {spec.name} cannot be had ({reason})",
                hint="timm.list_pretrained() names the tags; a file that you have comes in by "
                "`dwlt import FILE`",
            ) from error
        raise ModelError(
            f"{spec.name} cannot be built for {image_size}x{image_size} images ({reason})",
            hint="set the task's `size`, e.g. size = 224",
        ) from error
    if not published:
        return network, None
    config = network.pretrained_cfg
    return network, (config["mean"], config["std"])


def options_for(name: str, image_size: int) -> dict[str, Any]:
    """What else a network has to be told of its images: their size, where it is built for one."""
    config = _timm().get_pretrained_cfg(name, allow_unregistered=True)
    return {"img_size": image_size} if config is not None and config.fixed_input_size else {}


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ModelError(
            f"timm cannot be imported ({error})", hint="pip install 'dwlt[timm]'"
        ) from error
    return timm
