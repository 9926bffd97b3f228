"""The data of a run, and the versions and machine it ran on."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from dwlt.results.base import NARROW, Count, Frozen, Integer, Text, Words


@dataclass(frozen=True, slots=True, config=NARROW)
class SplitSizes:
    """Number of images of each split."""

    train: Count
    validation: Count
    test: Count


@dataclass(frozen=True, slots=True, config=NARROW)
class TaskInfo:
    """The data of a run: class names, image shape (C, H, W), images per split, digest.

    ``notes`` are sentences about how the data was made, such as a test part that was cut off.
    """

    name: Text
    classes: tuple[Words, ...]
    shape: tuple[Integer, ...]
    n: SplitSizes
    fingerprint: Words
    notes: tuple[Words, ...] = ()

    @property
    def train(self) -> int:
        """Training images."""
        return self.n.train

    @property
    def validation(self) -> int:
        """Validation images."""
        return self.n.validation

    @property
    def test(self) -> int:
        """Test images."""
        return self.n.test


class Environment(Frozen):
    """Versions and machine. Other versions may say more, which is kept."""

    model_config = ConfigDict(extra="allow")

    dwlt: Words | None = None
    torch: Words | None = None
    torchvision: Words | None = None
    python: Words | None = None
    platform: Words | None = None
    cpu: Words | None = None
    cpus: Annotated[Integer | None, Field(description="processors that the system has")] = None
    device: Words | None = None

    def texts(self) -> dict[str, str]:
        """What is said, as text."""
        said = self.model_dump(exclude_unset=True)
        return {key: str(value) for key, value in said.items() if value is not None}
