"""Shares of samples with their intervals, and what has to be said about them."""

from __future__ import annotations

from dataclasses import dataclass

from dwlt.units import wilson

__all__ = ["Accuracy", "Flag", "wilson"]


@dataclass(frozen=True)
class Flag:
    """Something about a number that its reader must know. ``code`` is stable, ``text`` is prose."""

    code: str
    text: str

    def values(self) -> dict[str, str]:
        """JSON-ready."""
        return {"code": self.code, "text": self.text}


@dataclass(frozen=True)
class Accuracy:
    """A share of samples, in [0, 1], with its 95% Wilson interval."""

    correct: int
    n: int
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, correct: int, n: int) -> Accuracy:
        """``correct`` of ``n`` samples.

        Raises:
            ValueError: n is 0, or correct is not in 0..n: there is no accuracy of nothing.
        """
        if not 0 <= correct <= n or n == 0:
            raise ValueError(f"{correct} of {n} samples is no accuracy")
        return cls(correct, n, correct / n, *wilson(correct, n))

    def values(self) -> dict[str, float | int]:
        """JSON-ready."""
        return {
            "value": self.value,
            "correct": self.correct,
            "n": self.n,
            "low": self.low,
            "high": self.high,
        }
