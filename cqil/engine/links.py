"""Messages between ranks, over torch.distributed; each is entered into the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import torch
import torch.distributed as dist

from cqil.engine.layout import Layout, Ranks
from cqil.engine.ledger import Ledger

Message = tuple[torch.Tensor, int]
"""A tensor, and the rank that it goes to or comes from."""


def check_rank(layout: Layout, rank: int) -> None:
    """Raises ValueError unless `rank` is this process's own in a world of the layout's size."""
    if not 0 <= rank < layout.world:
        raise ValueError(f"rank: {rank} is not one of the layout's {layout.world} ranks")
    if layout.world > 1 and dist.is_initialized() and rank != dist.get_rank():
        raise ValueError(f"rank: {rank}, but this process is rank {dist.get_rank()}; give its own")


@cache
def _group(ranks: Ranks) -> dist.ProcessGroup:
    """Made once and kept: all ranks of the world call this in the same order."""
    world = dist.group.WORLD
    assert world is not None
    if ranks == tuple(range(world.size())):
        return world
    return dist.new_group(list(ranks), timeout=_patience(world))


def _patience(world: dist.ProcessGroup) -> timedelta:
    """How long the world waits for a rank. Without being told, other groups wait half an hour."""
    device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
    return world._get_backend(device).options._timeout


class Links:
    """Sums, broadcasts and messages in place. One device needs none, and makes none of these."""

    def __init__(self, layout: Layout) -> None:
        """Raises ValueError where the world has another size than the layout."""
        self.ledger = Ledger()
        if layout.world == 1:
            return
        found = dist.get_world_size() if dist.is_initialized() else 1
        if found != layout.world:
            raise ValueError(
                f"layout: {layout.lanes} lanes x {layout.shards} shards need {layout.world} ranks, "
                f"but {found} are running"
            )
        for ranks in layout.groups:
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

    def exchange(self, receives: Sequence[Message], sends: Sequence[Message]) -> Pending:
        """Starts all at once: receivers compute on until they need what was sent."""
        for kind, messages in (("receive", receives), ("send", sends)):
            for tensor, _ in messages:
                self.ledger.add(kind, 2, tensor.nbytes)  # type: ignore[arg-type]
        operations = [dist.P2POp(dist.irecv, tensor, peer) for tensor, peer in receives]
        operations += [dist.P2POp(dist.isend, tensor, peer) for tensor, peer in sends]
        works = dist.batch_isend_irecv(operations) if operations else []
        return Pending(works, len(receives))


class Pending:
    """Messages under way. Gloo gives a handle a message, NCCL one for all."""

    def __init__(self, works: list[dist.Work], receives: int) -> None:
        self._arriving, self._leaving = works[:receives], works[receives:]

    def wait_received(self) -> None:
        for work in self._arriving:
            work.wait()

    def wait_sent(self) -> None:
        for work in self._leaving:
            work.wait()


class StarLinks(Links):
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


class SymmetricLinks(Links):
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


class SilentLinks(Links):
    """Sends nothing: the bound that no interconnect can beat. What the engine computes is wrong."""

    def all_reduce(self, tensor: torch.Tensor, ranks: Ranks, async_op: bool = False) -> None:
        pass

    def broadcast(self, tensor: torch.Tensor, ranks: Ranks) -> None:
        pass

    def all_gather(self, tensor: torch.Tensor, ranks: Ranks) -> list[torch.Tensor]:
        return [tensor] * len(ranks)

    def exchange(self, receives: Sequence[Message], sends: Sequence[Message]) -> Pending:
        return Pending([], 0)


LINKS: dict[str, type[Links]] = {
    "library": Links,
    "star": StarLinks,
    "symmetric": SymmetricLinks,
    "silent": SilentLinks,
}
"""What an all-reduce is made of; `library` is NCCL's or gloo's own."""


def check_links(kind: str, device: torch.device) -> None:
    """Raises ValueError where the kind is unknown or the device does not offer it."""
    if kind not in LINKS:
        raise ValueError(f"links: {kind!r} is unknown; use one of {', '.join(LINKS)}")
    if kind == "symmetric" and device.type != "cuda":
        raise ValueError(f"links: 'symmetric' needs CUDA devices, not {device.type}; use library")
