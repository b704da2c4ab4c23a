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
    """Raises ValueError unless this process is `rank`, and the layout has such a rank."""
    if not 0 <= rank < layout.world_size:
        raise ValueError(f"rank: {rank} is not one of the layout's {layout.world_size} ranks")
    if layout.world_size > 1 and dist.is_initialized() and rank != dist.get_rank():
        raise ValueError(f"rank: {rank}, but this process is rank {dist.get_rank()}; give that")


@cache
def _group(ranks: Ranks) -> dist.ProcessGroup:
    """The process group of some ranks. All ranks must make their groups in one order."""
    world = dist.group.WORLD
    assert world is not None
    if ranks == tuple(range(world.size())):
        return world
    return dist.new_group(list(ranks), timeout=_timeout(world))


def _timeout(world: dist.ProcessGroup) -> timedelta:
    """How long the world waits for a rank; the default of a new group is half an hour."""
    device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
    return world._get_backend(device).options._timeout


class Communicator:
    """Communicates by the library of torch.distributed, NCCL or gloo. One device needs no calls."""

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
        # The first messages of NCCL's world must not be between some of its ranks alone.
        dist.barrier()

    def all_reduce(
        self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False
    ) -> dist.Work | None:
        """Sums the tensor over `ranks`, in place.

        With `async_op` it returns what to wait for, or None where the sum is complete already.
        """
        self.ledger.add("all_reduce", len(ranks), tensor.nbytes)
        return dist.all_reduce(tensor, group=_group(ranks), async_op=async_op)

    def broadcast(self, tensor: torch.Tensor, ranks: Ranks) -> None:
        """Overwrites the tensor by that of the first of `ranks`."""
        self.ledger.add("broadcast", len(ranks), tensor.nbytes)
        dist.broadcast(tensor, src=ranks[0], group=_group(ranks))

    def all_gather(self, tensor: torch.Tensor, ranks: Ranks) -> list[torch.Tensor]:
        """The tensor of each rank, in order of `ranks`; all have one shape."""
        self.ledger.add("all_gather", len(ranks), tensor.nbytes)
        parts = [torch.empty_like(tensor) for _ in ranks]
        dist.all_gather(parts, tensor, group=_group(ranks))
        return parts

    def exchange(self, receives: Sequence[Message], sends: Sequence[Message]) -> PendingMessages:
        """Starts all messages at once; tensors to receive are filled once they have arrived."""
        for tensor, _ in receives:
            self.ledger.add("receive", 2, tensor.nbytes)
        for tensor, _ in sends:
            self.ledger.add("send", 2, tensor.nbytes)
        operations = [dist.P2POp(dist.irecv, tensor, peer) for tensor, peer in receives]
        operations += [dist.P2POp(dist.isend, tensor, peer) for tensor, peer in sends]
        works = dist.batch_isend_irecv(operations) if operations else []
        return PendingMessages(works, len(receives))


class PendingMessages:
    """Messages on their way. Gloo returns a handle for each, NCCL one for all."""

    def __init__(self, works: list[dist.Work], receives: int) -> None:
        self._receiving, self._sending = works[:receives], works[receives:]

    def wait_received(self) -> None:
        """Waits until every tensor to receive is filled."""
        for work in self._receiving:
            work.wait()

    def wait_sent(self) -> None:
        """Waits until every sent tensor may be overwritten."""
        for work in self._sending:
            work.wait()


class StarCommunicator(Communicator):
    """The first rank receives all tensors, sums them and sends the sum back.

    Gloo's all-reduce wakes more threads than a small machine has cores; this does not.
    """

    def all_reduce(self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False) -> None:
        self.ledger.add("all_reduce", len(ranks), tensor.nbytes)
        others = ranks[1:]
        if dist.get_rank() != ranks[0]:
            dist.send(tensor, ranks[0])
            dist.recv(tensor, ranks[0])
            return
        received = torch.empty_like(tensor)
        for rank in others:
            dist.recv(received, rank)
            tensor += received
        for rank in others:
            dist.send(tensor, rank)


class SymmMemCommunicator(Communicator):
    """One-shot all-reduce over symmetric memory: each rank reads the others' buffers (CUDA)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._buffers: dict[tuple[Ranks, torch.Size, torch.dtype], torch.Tensor] = {}

    def all_reduce(self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False) -> None:
        import torch.distributed._symmetric_memory as symm_mem

        self.ledger.add("all_reduce", len(ranks), tensor.nbytes)
        group = _group(ranks).group_name
        key = (ranks, tensor.shape, tensor.dtype)
        if key not in self._buffers:
            self._buffers[key] = symm_mem.empty(
                *tensor.shape, dtype=tensor.dtype, device=tensor.device
            )
            symm_mem.rendezvous(self._buffers[key], group)
        buffer = self._buffers[key].copy_(tensor)
        tensor.copy_(torch.ops.symm_mem.one_shot_all_reduce(buffer, "sum", group))


class NoOpCommunicator(Communicator):
    """Sends nothing, so the engine's output is wrong. No interconnect can make a step faster."""

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
    "none": NoOpCommunicator,
}
"""Value of `EngineOptions.communicator` -> class."""
