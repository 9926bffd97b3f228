"""The lines of plain PyTorch that build a network of dwlt's, torchvision's or the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from dwlt.models.blueprint import Blueprint
from dwlt.models.compact import COMPACT
from dwlt.models.factory import TIMM, called_with
from dwlt.models.of_timm import options_for
from dwlt.models.small import DEPTHS

NETWORK = "network.py"
"""The file beside the weights that holds the architecture where no package has it."""


@dataclass(frozen=True)
class Plain:
    """How to build a network without dwlt.

    Attributes:
        imports: lines.
        build: lines that end with a variable ``network``.
        source: content of ``network.py``; None where a package has the network, or the user.
        needs: what must be there besides PyTorch, in words; "" for nothing.
    """

    imports: tuple[str, ...]
    build: tuple[str, ...]
    source: str | None = None
    needs: str = ""


def plain_network(blueprint: Blueprint) -> Plain:
    """The lines for the network of a model file.

    Raises:
        ModelError: the module of a user's own network cannot be imported any more.
    """
    name, classes = blueprint.model.name, len(blueprint.classes)
    if name in DEPTHS:
        arguments = f"width={blueprint.model.width}, channels={blueprint.channels}"
        line = f"network = SmallResNet({DEPTHS[name]}, {arguments}, num_classes={classes})"
        return Plain(("from network import SmallResNet",), (line,), _source("small"))
    if name in COMPACT:
        found = COMPACT[name]
        line = f"network = {found.line(blueprint.channels, classes)}"
        return Plain((f"from network import {found.kind}",), (line,), _source(found.file))
    if name.startswith(TIMM):
        return _of_timm(blueprint)
    if ":" in name:
        return _own(blueprint)
    from dwlt.models.zoo import SMALL_IMAGES

    imports = ("from torchvision.models import get_model",)
    if name in SMALL_IMAGES:
        stem = f"torch.nn.Conv2d({blueprint.channels}, 64, 3, 1, 1, bias=False)"
        build = (
            f'network = get_model("{SMALL_IMAGES[name]}", num_classes={classes})',
            f"network.conv1, network.maxpool = {stem}, torch.nn.Identity()",
        )
        return Plain(imports, build)
    return Plain(imports, (f'network = get_model("{name}", {_options(blueprint)})',))


def _source(file: str) -> str:
    return resources.files("dwlt.models").joinpath(f"{file}.py").read_text(encoding="utf-8")


def _options(blueprint: Blueprint) -> str:
    """What torchvision is asked for, as ``models.zoo`` asks."""
    name, options = blueprint.model.name, [f"num_classes={len(blueprint.classes)}"]
    if name in ("googlenet", "inception_v3"):
        options += ["aux_logits=False", "init_weights=False"]
    if name.startswith("vit_"):
        options.append(f"image_size={blueprint.size}")
    if name.startswith("maxvit_"):
        options.append(f"input_size=({blueprint.size}, {blueprint.size})")
    return ", ".join(options)


def _of_timm(blueprint: Blueprint) -> Plain:
    name = blueprint.model.name.removeprefix(TIMM)
    options = {"num_classes": len(blueprint.classes), **options_for(name, blueprint.size)}
    values = ", ".join(f"{key}={value}" for key, value in options.items())
    line = f'network = timm.create_model("{name}", {values})'
    return Plain(("import timm",), (line,), needs="the package `timm`")


def _own(blueprint: Blueprint) -> Plain:
    name = blueprint.model.name
    module, _, factory = name.partition(":")
    given = called_with(
        name,
        num_classes=len(blueprint.classes),
        channels=blueprint.channels,
        image_size=blueprint.size,
    )
    values = ", ".join(f"{key}={value}" for key, value in given.items())
    return Plain(
        (f"from {module} import {factory}",),
        (f"network = {factory}({values})",),
        needs=f"the module `{module}`, which is not in this folder",
    )
