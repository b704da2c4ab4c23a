"""Collectives and point-to-point messages over torch.distributed; the ledger counts each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import torch
import torch.distributed as dist

from cqil.engine.parallel.communication_ledger import CommunicationLedger
from cqil.engine.parallel.layout import Layout, Ranks

Message = tuple[torch.Tensor, int]
"""A tensor, and the rank that it goes to or comes from."""


def check_rank(layout: Layout, rank: int) -> None:
    """Raises ValueError unless `rank` is this process's own in a world of the layout's size."""
    if not 0 <= rank < layout.world_size:
        raise ValueError(f"rank: {rank} is not one of the layout's {layout.world_size} ranks")
    if layout.world_size > 1 and dist.is_initialized() and rank != dist.get_rank():
        raise ValueError(f"rank: {rank}, but this process is rank {dist.get_rank()}; give its own")


@cache
def _group(ranks: Ranks) -> dist.ProcessGroup:
    """Made once and kept: all ranks of the world call this in the same order."""
    world = dist.group.WORLD
    assert world is not None
    if ranks == tuple(range(world.size())):
        return world
    return dist.new_group(list(ranks), timeout=_timeout(world))


def _timeout(world: dist.ProcessGroup) -> timedelta:
    """How long the world waits for a rank. Without being told, other groups wait half an hour."""
    device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
    return world._get_backend(device).options._timeout


class Communicator:
    """Sums, broadcasts and messages in place. One device needs none, and makes none of these."""

    def __init__(self, layout: Layout) -> None:
        """Raises ValueError where the world has another size than the layout."""
        self.ledger = CommunicationLedger()
        if layout.world_size == 1:
            return
        running = dist.get_world_size() if dist.is_initialized() else 1
        if running != layout.world_size:
            raise ValueError(
                f"layout: group_parallel_size {layout.group_parallel_size} x tensor_parallel_size "
                f"{layout.tensor_parallel_size} needs {layout.world_size} ranks, but {running} run"
            )
        for ranks in layout.process_groups:
            _group(ranks)

    def all_reduce(
        self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False
    ) -> dist.Work | None:
        """With `async_op` what to wait for; None where the sum is there already."""
        self.ledger.add("all_reduce", len(ranks), tensor.nbytes)
        return dist.all_reduce(tensor, group=_group(ranks), async_op=async_op)

    def broadcast(self, tensor: torch.Tensor, ranks: Ranks) -> None:
        """From the first of `ranks`."""
        self.ledger.add("broadcast", len(ranks), tensor.nbytes)
        dist.broadcast(tensor, src=ranks[0], group=_group(ranks))

    def all_gather(self, tensor: torch.Tensor, ranks: Ranks) -> list[torch.Tensor]:
        """Tensors of one shape, one of each rank."""
        self.ledger.add("all_gather", len(ranks), tensor.nbytes)
        parts = [torch.empty_like(tensor) for _ in ranks]
        dist.all_gather(parts, tensor, group=_group(ranks))
        return parts

    def exchange(self, receives: Sequence[Message], sends: Sequence[Message]) -> PendingMessages:
        """Starts all at once: receivers compute on until they need what was sent."""
        for kind, messages in (("receive", receives), ("send", sends)):
            for tensor, _ in messages:
                self.ledger.add(kind, 2, tensor.nbytes)  # type: ignore[arg-type]
        operations = [dist.P2POp(dist.irecv, tensor, peer) for tensor, peer in receives]
        operations += [dist.P2POp(dist.isend, tensor, peer) for tensor, peer in sends]
        works = dist.batch_isend_irecv(operations) if operations else []
        return PendingMessages(works, len(receives))


class PendingMessages:
    """Messages under way. Gloo gives a handle a message, NCCL one for all."""

    def __init__(self, works: list[dist.Work], receives: int) -> None:
        self._arriving, self._leaving = works[:receives], works[receives:]

    def wait_received(self) -> None:
        for work in self._arriving:
            work.wait()

    def wait_sent(self) -> None:
        for work in self._leaving:
            work.wait()


class StarCommunicator(Communicator):
    """Sums are collected by the first rank and sent back, one message at a time.

    On few cores gloo's all-reduce wakes more threads than there are cores; this does not.
    """

    def all_reduce(self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False) -> None:
        self.ledger.add("all_reduce", len(ranks), tensor.nbytes)
        others = ranks[1:]
        if dist.get_rank() != ranks[0]:
            dist.send(tensor, ranks[0])
            dist.recv(tensor, ranks[0])
            return
        box = torch.empty_like(tensor)
        for rank in others:
            dist.recv(box, rank)
            tensor += box
        for rank in others:
            dist.send(tensor, rank)


class SymmMemCommunicator(Communicator):
    """One-shot all-reduce over symmetric memory: each rank reads what the others hold (CUDA)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._boxes: dict[tuple[Ranks, torch.Size, torch.dtype], torch.Tensor] = {}

    def all_reduce(self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False) -> None:
        import torch.distributed._symmetric_memory as symmetric

        self.ledger.add("all_reduce", len(ranks), tensor.nbytes)
        group = _group(ranks).group_name
        key = (ranks, tensor.shape, tensor.dtype)
        if key not in self._boxes:
            self._boxes[key] = symmetric.empty(
                *tensor.shape, dtype=tensor.dtype, device=tensor.device
            )
            symmetric.rendezvous(self._boxes[key], group)
        box = self._boxes[key].copy_(tensor)
        tensor.copy_(torch.ops.symm_mem.one_shot_all_reduce(box, "sum", group))


class SilentCommunicator(Communicator):
    """Sends nothing: the bound that no interconnect can beat. What the engine computes is wrong."""

    def all_reduce(self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False) -> None:
        pass

    def broadcast(self, tensor: torch.Tensor, ranks: Ranks) -> None:
        pass

    def all_gather(self, tensor: torch.Tensor, ranks: Ranks) -> list[torch.Tensor]:
        return [tensor] * len(ranks)

    def exchange(self, receives: Sequence[Message], sends: Sequence[Message]) -> PendingMessages:
        return PendingMessages([], 0)


COMMUNICATORS: dict[str, type[Communicator]] = {
    "default": Communicator,
    "star": StarCommunicator,
    "symm_mem": SymmMemCommunicator,
    "none": SilentCommunicator,
}
"""By the name that `EngineOptions.communicator` takes."""
