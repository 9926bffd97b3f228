"""VGG16 with batch normalisation for 32x32 images.

The thirteen convolutions of Simonyan & Zisserman (2015), configuration D, each with a norm, and
one linear layer in place of the three that ImageNet's 224x224 images need: the customary form for
CIFAR. The convolutions are named as torchvision's ``vgg16_bn`` names them (``features.0``). Of
PyTorch alone: an export takes this file along.
"""

from __future__ import annotations

from torch import Tensor, nn

_STAGES = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))
"""Widths of the convolutions in units of the first; max-pooling halves the image after a stage."""


class VGG16(nn.Module):
    """VGG16 with norms, for images of 32x32 pixels and more.

    Args:
        width: channels of the first convolution.
    """

    def __init__(self, *, channels: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for stage in _STAGES:
            for factor in stage:
                outputs = factor * width
                layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to logits (B, num_classes)."""
        return self.classifier(self.features(x).mean(dim=(2, 3)))  # type: ignore[no-any-return]
