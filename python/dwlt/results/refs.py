"""What results say of other runs, and of a network's layers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticKnownError

from dwlt.results.base import NARROW, Count, Text


def _rewind(value: Any) -> Any:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise PydanticKnownError("int_type")
    if value < 0:
        raise PydanticKnownError("greater_than_equal", {"ge": 0})
    return value


Rewound = Annotated[str | int, BeforeValidator(_rewind)]
"""What rounds start from: "pretrained", "none", or a number of epochs."""


PRETRAINING = ("standard", "fast", "adversarial")
"""The pre-training regimes, in the order of rows; any others come after them."""


@dataclass(frozen=True, slots=True, config=NARROW)
class RunRef:
    """Another run that a result came from."""

    id: Text
    name: Text
    regime: Text

    @property
    def rank(self) -> tuple[int, str]:
        """Its place by regime, in the order in which tables list them; any others come last."""
        known = self.regime in PRETRAINING
        return (PRETRAINING.index(self.regime) if known else len(PRETRAINING), self.regime)

    @property
    def label(self) -> str:
        """Name and id, as the run folder is called."""
        return f"{self.name}-{self.id}"


@dataclass(frozen=True, slots=True, config=NARROW)
class Origin:
    """The search that a control was made from."""

    id: Text
    name: Text


@dataclass(frozen=True, slots=True, config=NARROW)
class SearchRef(RunRef):
    """How tickets were found.

    ``rewind`` is what each round starts from: "pretrained", "none", or the number of epochs after
    which the weights were taken. ``of`` is the search whose masks a control re-uses. ``task`` is
    what the search trained on, None where an older file does not say.
    """

    method: Text
    rewind: Rewound = "pretrained"
    of: Origin | None = None
    task: Text | None = None
    criterion: Text = "magnitude"
    scope: Text = "global"

    @property
    def how(self) -> str:
        """Method, criterion and scope in a word, as far as they are not the usual ones."""
        usual = ("magnitude", "global")
        more = [one for one in (self.criterion, self.scope) if one not in usual]
        return "/".join([self.method, *more])

    @property
    def control(self) -> bool:
        """Whether it is anything but iterative magnitude pruning, which controls are held to."""
        return self.how != "imp"


@dataclass(frozen=True, slots=True, config=NARROW)
class Layer:
    """One prunable tensor: how many of its weights are kept."""

    name: Text
    kept: Count
    total: Annotated[Count, Field(description="weights of the tensor")]

    @property
    def density(self) -> float:
        """The kept share in [0, 1]; an empty tensor counts as whole."""
        return self.kept / self.total if self.total else 1.0
