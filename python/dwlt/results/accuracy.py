"""Shares of images with their intervals, what one scoring measured, and chosen checkpoints."""

from __future__ import annotations

from typing import Any, Self

from pydantic import computed_field, model_validator
from pydantic.dataclasses import dataclass

from dwlt.results.attack import AttackId
from dwlt.results.base import NARROW, Count, Positive, Text, fault, out_of_range
from dwlt.units import wilson


@dataclass(frozen=True, slots=True, config=NARROW)
class Accuracy:
    """``correct`` of ``n`` images; 0 <= correct <= n, n > 0.

    Shares are derived from the counts where they are shown, so that nothing is rounded twice.
    """

    correct: Count
    n: Positive

    @model_validator(mode="before")
    @classmethod
    def _value_is_the_share(cls, data: Any) -> Any:
        """A file states the share beside the counts; the two must agree."""
        if not isinstance(data, dict):
            return data
        correct, n, value = data.get("correct"), data.get("n"), data.get("value")
        if type(correct) is not int or type(n) is not int or not 0 <= correct <= n or n == 0:
            return data  # The fields themselves are refused, by name.
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        # Written so that NaN, which compares false with everything, is refused too.
        if not (known and abs(float(value or 0) - correct / n) <= 1e-6):
            raise fault(f"value is {value}, which is not correct / n = {correct} / {n}")
        return data

    @model_validator(mode="after")
    def _not_more_than_all(self) -> Self:
        if self.correct > self.n:
            raise out_of_range("correct", self.correct)
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def value(self) -> float:
        """The share in [0, 1]."""
        return self.correct / self.n

    @computed_field  # type: ignore[prop-decorator]
    @property
    def low(self) -> float:
        """Lower end of the 95% Wilson interval."""
        return wilson(self.correct, self.n)[0]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def high(self) -> float:
        """Upper end of the 95% Wilson interval."""
        return wilson(self.correct, self.n)[1]


@dataclass(frozen=True, slots=True, config=NARROW)
class Score:
    """Standard accuracy and, where an attack was run, robust accuracy under that attack.

    Attributes:
        attack: the attack's label, for people.
        attack_id: the attack's values, for comparisons; None without an attack.
        images: digest of the images that were scored; None in older files.
    """

    sa: Accuracy
    ra: Accuracy | None = None
    attack: Text | None = None
    attack_id: AttackId | None = None
    images: Text | None = None

    @model_validator(mode="after")
    def _robust_to_something(self) -> Self:
        if self.ra is not None and self.attack is None:
            raise fault("a robust accuracy without the name of its attack")
        return self


@dataclass(frozen=True, slots=True, config=NARROW)
class Best:
    """The checkpoint that validation chose, and its one visit to the test set."""

    epoch: Count
    validation: Score
    test: Score
