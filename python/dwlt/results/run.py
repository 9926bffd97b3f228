"""What the result files of all stages have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import PrivateAttr

from dwlt.results.base import Amount, Frozen, Share, Text, Words
from dwlt.results.estimate import Estimate
from dwlt.results.flags import Flag, Notice
from dwlt.results.images import ImageIds
from dwlt.results.task import Environment, TaskInfo

FORMAT_NAME: Literal["dwlt-result"] = "dwlt-result"
VERSION: Literal[1] = 1


class RunResult(Frozen):
    """The identity, data and circumstances of a finished run.

    Attributes:
        spec: the settings as they were written; a later version may have more of them.
        starts: digests and ids of what the run starts from.
        ids: which images were used for what; None in older files.
        seconds: time that the last session spent on it.
        waiting: share of the training time, in the last session, that steps waited for images; None
            where nothing was trained, and in older files.
        estimate: what it was expected to cost; None where no dry run was made on that device.
    """

    STAGE: ClassVar[str]

    format: Literal["dwlt-result"] = FORMAT_NAME
    version: Literal[1] = VERSION
    stage: Text
    id: Text
    name: Text
    spec: Mapping[str, Any]
    ids: ImageIds | None = None
    starts: Mapping[str, Words] = {}
    task: TaskInfo
    flags: tuple[Flag, ...] = ()
    environment: Environment
    seconds: Amount
    waiting: Share | None = None
    estimate: Estimate | None = None
    finished: Text
    _folder: str = PrivateAttr("")

    @property
    def label(self) -> str:
        """Name and id, as the run folder is called."""
        return f"{self.name}-{self.id}"

    @property
    def folder(self) -> str:
        """The run folder relative to the runs folder, where it was read from one."""
        return self._folder

    @property
    def part(self) -> str:
        """The part of the run folder that this is the result of: "" for all of it."""
        return ""

    @property
    def run(self) -> RunResult:
        """The part that all stages share."""
        return self

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The flags with the place they were raised in."""
        where = f"{self.folder}{self.part}"
        return tuple(Notice(where, one.code, one.text, one.values) for one in self.flags)

    def values(self) -> dict[str, Any]:
        """What its file holds, JSON-ready: the keys that it was made with."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def placed(self, folder: str) -> Self:
        """The same result, as read from a run folder."""
        self._folder = folder
        return self
