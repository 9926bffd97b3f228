"""The processes of one command, and the few things that they have to do together.

Rank 0 runs the command; it alone looks into the runs folder, takes locks and writes. The others
wait to be called and then compute their part of one training or one evaluation (``call``). Which
launcher started them does not matter, as long as it sets the variables that PyTorch's does.

Gradients are averaged by PyTorch's DistributedDataParallel. What is left for this file are sums of
statistics and losses, the wish to stop, and small objects.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dwlt.errors import DwltError, TrainingError
from dwlt.ranks.lost import AGAIN, RankError, Whereabouts, is_loss, loss

T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """What rank 0 calls the others for: the name of a task and what it needs."""

    task: str
    values: Mapping[str, Any]


class Group:
    """The ranks. This class itself is the group of one process, where everything is trivial."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the rank that holds the run."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> None:
        """Add a tensor up over all ranks, in place."""

    def first(self, work: Callable[[], T]) -> T:
        """What ``work`` returns on rank 0, on every rank.

        Raises:
            What ``work`` raises, on rank 0; ``RankError`` on the others.
        """
        return work()

    def all(self, value: T) -> list[T]:
        """Every rank's value, in the order of ranks."""
        return [value]

    def agree(self, wish: int) -> int:
        """The greatest wish of all ranks, one call later: nobody waits for it."""
        return wish

    def settle(self) -> None:
        """Called when nothing is to be agreed on any more."""

    def averaging(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over all ranks in the backward pass."""
        return module

    def require_same(self, what: Mapping[str, Any]) -> None:
        """Make sure that all ranks begin with the same.

        Raises:
            RankError: one does not; the message names it and what differs.
        """

    def ready(self, prepare: Callable[[], T]) -> T:
        """What ``prepare`` returns on this rank, once it has succeeded on all of them.

        Raises:
            RankError: it has not; the message names the rank and why.
        """
        return prepare()

    def close(self, *, failed: bool) -> None:
        """Let the other ranks go, and leave.

        Args:
            failed: whether this rank leaves because of an error. In the middle of common work the
                others then learn of it by losing the connection.
        """

    @contextmanager
    def call(self, task: str, values: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
        """Have the other ranks compute their part of what is computed inside.

        Args:
            values: makes what the task needs; not called where there are no others.

        Raises:
            RankError: one of them is gone.
        """
        yield


ALONE = Group()
"""One process."""


@dataclass
class _Pending:
    work: Any
    wish: Tensor


class Ranks(Group):
    """The group of several processes, as ``joined`` makes it.

    Args:
        device: of this rank.
        data: PyTorch's process group for tensors on it.
        control: the same for small tensors on the CPU.
        everyone: where the ranks are, in their order.
    """

    def __init__(
        self, device: torch.device, data: Any, control: Any, everyone: list[Whereabouts]
    ) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.device = device
        self.data = data
        self.control = control
        self.everyone = everyone
        self._pending: _Pending | None = None
        self._inside = False
        self._agreed = False
        """Whether the exception on its way out is one that all ranks know of."""

    def total(self, tensor: Tensor) -> None:
        dist.all_reduce(tensor, group=self.data)

    def first(self, work: Callable[[], T]) -> T:
        found: list[Any] = [None]
        raised: BaseException | None = None
        if self.leads:
            try:
                found = [(True, work())]
            except Exception as error:
                raised, found = error, [(False, str(error))]
        dist.broadcast_object_list(found, src=0)
        if raised is not None:
            self._agreed = True
            raise raised
        good, value = found[0]
        if not good:
            raise RecalledError(value)
        return value  # type: ignore[no-any-return]

    def all(self, value: T) -> list[T]:
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def agree(self, wish: int) -> int:
        before = self._pending
        tensor = torch.tensor([wish])
        work = dist.all_reduce(tensor, dist.ReduceOp.MAX, group=self.control, async_op=True)
        self._pending = _Pending(work, tensor)
        if before is None:
            return 0
        before.work.wait()
        return int(before.wish)

    def settle(self) -> None:
        if self._pending is not None:
            self._pending.work.wait()
            self._pending = None

    def averaging(self, module: nn.Module) -> nn.Module:
        ddp: Any = nn.parallel.DistributedDataParallel
        # Statistics are averaged per step (``training.statistics``), not taken from rank 0. The
        # argument's name has changed between versions of PyTorch.
        known = inspect.signature(ddp.__init__).parameters
        buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        wrapped: nn.Module = ddp(
            module,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            process_group=self.data,
            **{buffers: False},
        )
        return wrapped

    def require_same(self, what: Mapping[str, Any]) -> None:
        found = self.all(dict(what))
        for other, values in enumerate(found):
            for name in sorted(values.keys() | found[0].keys()):
                if values.get(name) != found[0].get(name):
                    raise DisagreeError(
                        f"{self.everyone[other]} begins with {name} {values.get(name)}, and rank 0 "
                        f"with {found[0].get(name)}",
                        hint="give every rank the same version of dwlt and the same data",
                    )

    def ready(self, prepare: Callable[[], T]) -> T:
        why: str | None = None
        value: T | None = None
        try:
            value = prepare()
        except Exception as error:
            why = str(error).strip() or type(error).__name__
        for other, problem in enumerate(self.all(why)):
            if problem is not None:
                raise DisagreeError(f"{self.everyone[other]}: {problem}")
        return value  # type: ignore[return-value]

    @contextmanager
    def call(self, task: str, values: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
        if self._inside:
            raise RankError("the ranks are still in the middle of what failed before", hint=AGAIN)
        with self._watched():
            self._send(Order(task, values()))
            self._inside, self._agreed = True, False
            self.ready(lambda: None)
            yield
            self._inside = False

    def serve(self, work: Callable[[Order], None]) -> None:
        """Do what rank 0 calls for until it has nothing more. On the other ranks.

        Raises:
            RankError: rank 0 is gone.
        """
        while True:
            with self._watched():
                order = self._receive()
            if order is None:
                return
            self._inside = True
            # Of what all ranks raise alike, rank 0 tells the user, and may go on with other work.
            with suppress(TrainingError, DisagreeError, RecalledError), self._watched():
                work(order)

    def close(self, *, failed: bool) -> None:
        if self._inside:
            return
        if self.leads:
            try:
                self._send(None)
            except RuntimeError:  # they are gone already
                failed = True
        if not failed:
            dist.destroy_process_group()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except (TrainingError, DisagreeError, RecalledError):
            self._pending, self._inside = None, False
            raise
        except RuntimeError as error:
            if not is_loss(error):
                raise
            raise loss(self.everyone, self.everyone[self.rank]) from error
        except BaseException:
            if self._agreed:
                self._pending, self._inside = None, False
            raise

    def _send(self, order: Order | None) -> None:
        dist.broadcast_object_list([order], src=0)

    def _receive(self) -> Order | None:
        found: list[Any] = [None]
        dist.broadcast_object_list(found, src=0)
        return found[0]  # type: ignore[no-any-return]


class DisagreeError(RankError):
    """The ranks cannot begin together. All of them raise it."""


class RecalledError(DwltError):
    """Rank 0 has ended what it called for, by an error of its own that it reports itself."""
