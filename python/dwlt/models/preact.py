"""PreActResNet-18 for 32x32 images, in the two forms that the literature means by that name.

He et al. (2016), "Identity mappings in deep residual networks": norm and ReLU stand before each
convolution. Parameters are named as in RobustBench's files (``layer2.0.shortcut.0``). Published
checkpoints are of either form:

- ``raw=False``, the paper's: a shortcut that changes shape starts from the activated input, and a
  last norm and ReLU precede the classifier.
- ``raw=True``, of Wong et al. (2020): it starts from the block's raw input, and nothing stands
  between the last block and the classifier.

Of PyTorch alone: an export takes this file along.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

_BLOCKS = 2
"""In each of four stages: 18 layers with the stem and the classifier."""


class PreActBlock(nn.Module):
    """Norm, ReLU and 3x3 convolution, twice, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, raw: bool) -> None:
        super().__init__()
        self.raw = raw
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        active = F.relu(self.bn1(x))
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active))))
        if self.shortcut is None:
            return out + x
        return out + self.shortcut(x if self.raw else active)  # type: ignore[no-any-return]


class PreActResNet18(nn.Module):
    """PreActResNet-18.

    Args:
        raw: which form; see the top of this file.
        width: channels of the first stage, doubled by each of the others.
    """

    def __init__(
        self, *, channels: int, num_classes: int, raw: bool = False, width: int = 64
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.layer1 = _stage(width, width, 1, raw=raw)
        self.layer2 = _stage(width, 2 * width, 2, raw=raw)
        self.layer3 = _stage(2 * width, 4 * width, 2, raw=raw)
        self.layer4 = _stage(4 * width, 8 * width, 2, raw=raw)
        self.bn: nn.BatchNorm2d | None = None if raw else nn.BatchNorm2d(8 * width)
        self.linear = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to logits (B, num_classes)."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        if self.bn is not None:
            x = F.relu(self.bn(x))
        return self.linear(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def _stage(inputs: int, outputs: int, stride: int, *, raw: bool) -> nn.Sequential:
    first = PreActBlock(inputs, outputs, stride, raw=raw)
    rest = (PreActBlock(outputs, outputs, 1, raw=raw) for _ in range(_BLOCKS - 1))
    return nn.Sequential(first, *rest)
