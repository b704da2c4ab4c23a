"""Engine against reference: a prefill and eight cached steps, logits within 1e-9."""

import torch
from full_precision import full_float64
from reference import Reference
from tiny_models import left_padded, tiny_dense, tokens_of

from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.communication_ledger import (
    CommunicationLedger,
    MessageSizes,
    predict_communication,
)
from cqil.engine.parallel.layout import ONE_DEVICE
from cqil.modeling import PlannedLlamaForCausalLM

STEPS = 8


def check_equal(case, layout=ONE_DEVICE, rank=0):
    """One device, or one rank of several; returns the engine.

    Logits are compared after the last step: a rank that stops early would leave others waiting.
    """
    dense = tiny_dense(case.plan.num_layers, case.shape, case.seed)
    engine = Engine.from_dense(dense, case.plan, rank=rank, options=EngineOptions(layout=layout))
    batch = len(case.padding)
    ids_BT, mask_BT = left_padded(tokens_of(batch, case.prompt_length, case.seed), case.padding)
    fed_BT = tokens_of(batch, STEPS, case.seed + 1)
    max_tokens = case.prompt_length + STEPS
    logits = [copied(engine.prefill(ids_BT, mask_BT, max_tokens=max_tokens))]
    logits += [copied(engine.decode_step(token_B)) for token_B in fed_BT.T]
    expected = reference_logits(dense, case, ids_BT, mask_BT, fed_BT)
    for logits_BV, expected_BV in zip(logits, expected, strict=True):
        if logits_BV is not None:
            torch.testing.assert_close(logits_BV, expected_BV, rtol=0, atol=1e-9)
    return engine


def copied(logits_BV):
    """None stays None; logits of a replayed step are overwritten by the next."""
    return None if logits_BV is None else logits_BV.clone()


@torch.inference_mode()
def reference_logits(dense, case, ids_BT, mask_BT, fed_BT):
    """Logits of the first new token, then those after each token fed."""
    reference = PlannedLlamaForCausalLM.from_dense(dense, case.plan)
    positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
    out = reference(ids_BT, attention_mask=mask_BT, position_ids=positions_BT, use_cache=True)
    logits = [out.logits[:, -1]]
    for token_B in fed_BT.T:
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(ids_BT), 1)], dim=1)
        out = reference(
            token_B[:, None],
            attention_mask=mask_BT,
            position_ids=mask_BT.sum(-1, keepdim=True) - 1,
            past_key_values=out.past_key_values,
        )
        logits.append(out.logits[:, -1])
    return logits


def fault_of(rank, case, layout):
    """What is wrong on this rank, logits or messages; None if nothing.

    A rank that raised would end its worker group, and with it the search for a smaller example.
    """
    try:
        with full_float64():
            engine = check_equal(case, layout=layout, rank=rank)
        config, batch = engine.config, len(case.padding)
        sizes = MessageSizes(hidden=config.hidden_size, vocabulary=config.vocab_size, itemsize=8)
        prefill, decode = predict_communication(
            case.plan, layout, rank, sizes, batch=batch, prompt=case.prompt_length
        )
        expected = CommunicationLedger(prefill.entries + decode.times(STEPS).entries)
        assert engine.communicator.ledger == expected, (
            f"{engine.communicator.ledger} is not {expected}"
        )
    except AssertionError as error:
        return f"rank {rank}: {error}"
    return None


@torch.no_grad()
def assert_reference(logits, case, schedule):
    """[1 + steps, B, V] against the naive maths, row by row."""
    batch, prompt = len(case.padding), case.prompt_length
    reference = Reference(tiny_dense(case.plan.num_layers, case.shape, case.seed), schedule)
    ids_BT, _ = left_padded(tokens_of(batch, prompt, case.seed), case.padding)
    ids_BT = torch.cat([ids_BT, tokens_of(batch, STEPS, case.seed + 1)], dim=1)
    for row, pads in enumerate(case.padding):
        expected_TV = reference.logits(ids_BT[row, pads:].tolist(), prompt - pads)
        torch.testing.assert_close(
            torch.from_numpy(logits[:, row]), expected_TV[-1 - STEPS :], rtol=0, atol=1e-9
        )
