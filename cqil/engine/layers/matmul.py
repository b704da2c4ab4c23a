"""Products with weights that lie input by output.

CPU libraries multiply a single row on one thread. Cutting the rows of the weights into one block a
thread makes a batch of products out of it, which they spread over all threads: measured 1.4 to 1.8
times faster on two. Shape suffixes: P layers, N rows, K inputs, M outputs, S pieces.
"""

from __future__ import annotations

import torch


def matmul(x_NK: torch.Tensor, w_KM: torch.Tensor) -> torch.Tensor:
    """[N, K] x [K, M] -> [N, M]."""
    pieces = _pieces(x_NK, w_KM, batch=1)
    if pieces == 1:
        return x_NK @ w_KM
    x_S1K, w_SKM = x_NK.view(pieces, 1, -1), w_KM.unflatten(0, (pieces, -1))
    return torch.bmm(x_S1K, w_SKM).sum(0)


def batched_matmul(x_PNK: torch.Tensor, w_PKM: torch.Tensor) -> torch.Tensor:
    """[P, N, K] x [P, K, M] -> [P, N, M]."""
    layers, rows, _ = x_PNK.shape
    pieces = _pieces(x_PNK[0], w_PKM[0], batch=layers)
    if pieces == 1:
        return torch.bmm(x_PNK, w_PKM)
    x_S1K = x_PNK.reshape(layers * pieces, rows, -1)
    return (
        torch.bmm(x_S1K, w_PKM.view(layers * pieces, -1, w_PKM.shape[-1]))
        .view(layers, pieces, -1)
        .sum(1, keepdim=True)
    )


def _pieces(x_NK: torch.Tensor, w_KM: torch.Tensor, batch: int) -> int:
    """How many blocks of rows to cut the weights into."""
    threads = _threads()
    if len(x_NK) > 1 or w_KM.device.type != "cpu" or batch % threads == 0:
        return 1
    return threads if len(w_KM) % threads == 0 else 1


@torch.compiler.assume_constant_result
def _threads() -> int:
    """A compiler cannot trace this question, but its answer stays."""
    return torch.get_num_threads()
