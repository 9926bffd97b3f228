"""Networks for 32x32 images by name, each in a file of its own that needs PyTorch alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from dwlt.plugins import load_target


@dataclass(frozen=True)
class Architecture:
    """A class of networks and what makes one of them.

    Attributes:
        file: module below ``dwlt.models``; an export copies it, so it imports nothing of dwlt.
        kind: the class in it. It takes ``channels`` and ``num_classes`` besides the options.
        options: further keywords.
    """

    file: str
    kind: str
    options: Mapping[str, int] = field(default_factory=dict)

    def build(self, channels: int, num_classes: int) -> nn.Module:
        """A fresh network: (B, channels, H, W) to logits (B, num_classes)."""
        kind = load_target(f"dwlt.models.{self.file}:{self.kind}")
        return kind(**self._keywords(channels, num_classes))  # type: ignore[no-any-return]

    def line(self, channels: int, num_classes: int) -> str:
        """The call that builds it, as a line of Python."""
        values = self._keywords(channels, num_classes).items()
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in values)})"

    def _keywords(self, channels: int, num_classes: int) -> dict[str, int]:
        return {**self.options, "channels": channels, "num_classes": num_classes}


def _wide(depth: int, widen: int) -> Architecture:
    return Architecture("wide", "WideResNet", {"depth": depth, "widen": widen})


COMPACT: dict[str, Architecture] = {
    "wrn28-4-32": _wide(28, 4),
    "wrn28-10-32": _wide(28, 10),
    "wrn34-10-32": _wide(34, 10),
    "preactresnet18-32": Architecture("preact", "PreActResNet18"),
    "preactresnet18-raw-32": Architecture("preact", "PreActResNet18", {"raw": True}),
    "vgg16_bn-32": Architecture("vgg", "VGG16"),
}
"""By the name that users write."""
