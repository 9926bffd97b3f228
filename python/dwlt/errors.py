"""Every error that dwlt raises on purpose, and the exit code that each one means.

The Rust core raises these same classes (the one map is ``crates/dwlt-python/src/errors.rs``), so
callers never meet two hierarchies. A message names the culprit; ``hint`` is the next step.
"""

from __future__ import annotations

from collections.abc import Iterable


class DwltError(Exception):
    """Something failed that is not the user's mistake. Exit code 1.

    Args:
        message: what went wrong, naming the file, tensor, key or value.
        hint: what to do next, or None where the message says it all.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UserError(DwltError):
    """The input was wrong and the user can mend it. Exit code 2."""

    exit_code = 2


class SpecError(UserError):
    """A setting is unknown, missing, out of range or at odds with another."""


class DataError(UserError):
    """A data set cannot be read as asked; the message names file and row where there is one."""


class ModelError(UserError):
    """A model name, a head or a state dict does not fit; the message names the first bad key."""


class MaskError(UserError):
    """Masks and weights do not belong together, or a count cannot be met."""


class FormatError(UserError):
    """A file is damaged or of another kind; the message names file, tensor and offset."""


class BusyError(DwltError):
    """Another process holds the run; the message says who and since when."""


class LedgerError(DwltError):
    """A run folder contradicts itself: its journal is damaged or belongs to another spec."""


class TrainingError(DwltError):
    """Training cannot go on: a loss that is not finite, or a masked weight that is not zero."""


class InterruptError(DwltError):
    """The user stopped the work; everything up to there is saved. Exit code 130.

    Of work that a scheduler stopped it is another one, see ``cli/session.py``.
    """

    exit_code = 130


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that a misspelt one was probably meant to be, for a hint; None if none is near."""
    import difflib  # only where something is wrong already

    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The question for a hint, with a blank behind it: "did you mean 'digits'? "; "" if none."""
    near = nearest(name, names)
    return "" if near is None else f"did you mean {near!r}? "
