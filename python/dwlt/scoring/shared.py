"""Shards shared between devices: each computes some, the first one keeps them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from dwlt.events import ShardDone
from dwlt.ranks import Group
from dwlt.scoring.shards import Saved, Steps


class SharedSteps:
    """The finished steps of an evaluation that some devices make together.

    Args:
        steps: where the first device keeps them.
        on_shard: told on the first device; what it raises ends the evaluation on all.
        group: the devices.
    """

    def __init__(
        self, steps: Steps, on_shard: Callable[[ShardDone], None] | None, group: Group
    ) -> None:
        self._steps = steps
        self._on_shard = on_shard
        self._group = group

    def each(
        self, step: str, shards: Sequence[int], measure: Callable[[int], Saved]
    ) -> Iterator[tuple[int, Saved, float | None]]:
        """What is known of each shard, in order, measured where it is not kept yet.

        As many shards as there are devices are worked on at a time, one by each, and all are kept
        before the first of them is yielded. A shard's outcome does not depend on who measures it.

        Yields:
            The shard, what was found, and the seconds that it took; None for one that was kept.
        """
        group = self._group
        for low in range(0, len(shards), group.size):
            block = shards[low : low + group.size]
            known = group.first(lambda block=block: self._load(step, block))  # type: ignore[misc]
            missing = [shard for shard in block if shard not in known]
            began = time.monotonic()
            own = measure(missing[group.rank]) if group.rank < len(missing) else None
            found = group.all(own) if missing else []
            took = (time.monotonic() - began) / max(1, len(missing))
            for shard, saved in zip(missing, found, strict=False):
                assert saved is not None
                known[shard] = saved
                if group.leads:
                    self._steps.save(step, shard, saved)
            for shard in block:
                yield shard, known[shard], took if shard in missing else None

    def tell(self, progress: ShardDone) -> None:
        """Called after each shard of each step."""
        on_shard = self._on_shard
        if self._group.size > 1:
            self._group.first(lambda: on_shard(progress) if on_shard is not None else None)
        elif on_shard is not None:
            on_shard(progress)

    def _load(self, step: str, shards: Sequence[int]) -> dict[int, Saved]:
        found = {shard: self._steps.load(step, shard) for shard in shards}
        return {shard: saved for shard, saved in found.items() if saved is not None}
