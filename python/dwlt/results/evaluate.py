"""The result of ``dwlt evaluate``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from dwlt.errors import SpecError
from dwlt.results.accuracy import Accuracy, Score
from dwlt.results.base import NARROW, Amount, Bit, Count, Integer, Text, fault, out_of_range
from dwlt.results.run import RunResult
from dwlt.units import parse_fraction


@dataclass(frozen=True, slots=True, config=NARROW)
class AttackOutcome:
    """One attack of an evaluation; ``after`` (in files ``ra``) is RA against it and all before."""

    name: Text
    tried: Count
    fooled: Count
    after: Annotated[Accuracy, Field(alias="ra")]

    @model_validator(mode="after")
    def _not_more_than_tried(self) -> Self:
        if self.fooled > self.tried:
            raise out_of_range("fooled", self.fooled)
        return self


@dataclass(frozen=True, slots=True, config=NARROW)
class SweepPoint:
    """RA at one eps (as text); at eps 0 it is SA."""

    eps: Text
    ra: Accuracy

    @model_validator(mode="after")
    def _eps_is_a_number(self) -> Self:
        try:
            parse_fraction(self.eps)
        except SpecError:
            raise fault(f"an eps of the sweep is no number: {self.eps!r}") from None
        return self

    @property
    def low(self) -> float:
        """Lower end of RA's 95% interval."""
        return self.ra.low

    @property
    def high(self) -> float:
        """Upper end of RA's 95% interval."""
        return self.ra.high


@dataclass(frozen=True, slots=True, config=NARROW)
class Corrupted:
    """SA on images with one corruption at one severity."""

    name: Text
    severity: Annotated[Integer, Field(ge=1, le=5)]
    sa: Accuracy


@dataclass(frozen=True, slots=True, config=NARROW)
class Corruptions:
    """SA on corrupted images; ``source`` is "builtin" or the folder that holds them."""

    rows: tuple[Corrupted, ...]
    source: Text | None = None
    fingerprint: Text | None = None
    mean: Amount | None = None


@dataclass(frozen=True, slots=True, config=NARROW)
class Samples:
    """Outcomes image by image: 1 where the network was right on it, or held.

    Attributes:
        ids: numbers of the images.
        broken_by: the attack that fooled each image; None where it stands or was wrong.
    """

    ids: tuple[Integer, ...]
    clean: tuple[Bit, ...]
    robust: tuple[Bit, ...] | None = None
    broken_by: tuple[Text | None, ...] | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for key in ("clean", "robust", "broken_by"):
            outcomes = getattr(self, key)
            if outcomes is not None and len(outcomes) != len(self.ids):
                raise fault(f"ids and {key} are not equally long")
        return self


class EvaluateResult(RunResult):
    """A finished evaluation of one model file; parts that were not asked for are empty.

    Attributes:
        weights: digest of the weights.
        mask: the mask file that was laid on the weights, or None.
        source: (in files ``from``) the model that the attack was made on, where it was another.
        images: digest of the test images; None in results that do not say.
        outcomes: digest of the file of outcomes image by image; None in older results.
        curve: (in files ``sweep``) RA by eps.
        corrupted: (in files ``corruptions``) SA on corrupted images.
    """

    STAGE: ClassVar[str] = "evaluate"

    model: Text
    weights: Text | None = None
    mask: Text | None = None
    source: Annotated[Text | None, Field(alias="from")] = None
    images: Text | None = None
    test: Score
    attacks: tuple[AttackOutcome, ...] = ()
    samples: Samples | None = None
    outcomes: Text | None = None
    curve: Annotated[tuple[SweepPoint, ...] | None, Field(alias="sweep")] = None
    corrupted: Annotated[Corruptions | None, Field(alias="corruptions")] = None

    @property
    def place(self) -> str:
        """The last parts of the model file's path: stage, run folder, file."""
        return "/".join(PurePosixPath(self.model.replace("\\", "/")).parts[-3:])

    @property
    def laid_on(self) -> str | None:
        """Digest of the masks that were laid on the weights, or None."""
        return self.starts.get("mask")

    @property
    def robust(self) -> dict[int, bool]:
        """Of each image, by its number, whether it held; empty where the file does not say."""
        if self.samples is None or not self.samples.robust:
            return {}
        return {
            number: bool(held)
            for number, held in zip(self.samples.ids, self.samples.robust, strict=True)
        }

    @property
    def sweep(self) -> tuple[SweepPoint, ...]:
        """The points of the curve of RA over eps; none where it was not asked for."""
        return self.curve or ()

    @property
    def corruptions(self) -> tuple[Corrupted, ...]:
        """SA by corruption and severity; none where it was not asked for."""
        return () if self.corrupted is None else self.corrupted.rows
