"""Folders of tiny LLaMAs as people save, cut, merge and move them, each with what is wrong with it.

A folder is drawn in three steps: a model, how it is stored, and up to two changes. `refused` is
True where a change must be refused; everything else must give the model that Transformers gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 24
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
ROPES: list[dict[str, Any] | None] = [
    None,
    {"rope_type": "default", "rope_theta": 500.0},
    {"rope_type": "linear", "rope_theta": 100.0, "factor": 2.0},
    {"rope_type": "dynamic", "rope_theta": 100.0, "factor": 2.0},
    {
        "rope_type": "yarn",
        "rope_theta": 100.0,
        "factor": 2.0,
        "original_max_position_embeddings": 16,
    },
    {
        "rope_type": "llama3",
        "rope_theta": 100.0,
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
]
EMBEDDING, LM_HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
UP, Q_BIAS = "model.layers.0.mlp.up_proj.weight", "model.layers.0.self_attn.q_proj.bias"


@dataclass
class Folder:
    """A folder before it is written: files as data, and the changes that were made."""

    config: dict[str, Any]
    tensors: dict[str, torch.Tensor] = field(repr=False)
    generation: dict[str, Any] | None
    shards: int = 1
    stale: bool = False
    """Another model's files of the other layout lie beside the right ones."""
    changes: list[str] = field(default_factory=list)
    refused: bool = False
    after: list[Callable[[Path], object]] = field(default_factory=list)
    """What happens to the folder once it is written."""

    def write(self, path: Path) -> None:
        """Writes all files."""
        path.mkdir()
        (path / "config.json").write_text(json.dumps(self.config))
        if self.generation is not None:
            (path / "generation_config.json").write_text(json.dumps(self.generation))
        # An index beside a whole file is read by nobody; stale shards are named by no index.
        if self.stale:
            other = {name: tensor + 1 for name, tensor in self.tensors.items()}
            _write_shards(path, other, "old-", 2, index=self.shards == 1)
        if self.shards == 1:
            _save(self.tensors, path / "model.safetensors")
        else:
            _write_shards(path, self.tensors, "model-", self.shards, index=True)
        for happen in self.after:
            happen(path)


def _save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    save_file({name: t.contiguous() for name, t in tensors.items()}, file, {"format": "pt"})


def _write_shards(
    path: Path, tensors: dict[str, torch.Tensor], prefix: str, count: int, *, index: bool
) -> None:
    names, weight_map = sorted(tensors), {}
    for number in range(count):
        part, file = names[number::count], f"{prefix}{number + 1:05}.safetensors"
        _save({name: tensors[name] for name in part}, path / file)
        weight_map |= dict.fromkeys(part, file)
    if index:
        text = json.dumps({"metadata": {}, "weight_map": weight_map})
        (path / "model.safetensors.index.json").write_text(text)


Change = Callable[[Folder], None]


def _set(refused: bool, **config: Any) -> Change:
    def change(folder: Folder) -> None:
        folder.config |= config
        folder.refused |= refused

    return change


def _drop(name: str) -> Change:
    def change(folder: Folder) -> None:
        # A tied model has no head of its own to lose.
        folder.refused |= folder.tensors.pop(name, None) is not None

    return change


def _cut(name: str) -> Change:
    def change(folder: Folder) -> None:
        if name in folder.tensors:
            folder.tensors[name] = folder.tensors[name][:-1].clone()
            folder.refused = True

    return change


def _rename(rename: Callable[[str], str]) -> Change:
    def change(folder: Folder) -> None:
        folder.tensors = {rename(name): tensor for name, tensor in folder.tensors.items()}

    return change


def _add(name: str, shape: tuple[int, ...]) -> Change:
    def change(folder: Folder) -> None:
        folder.tensors.setdefault(name, torch.ones(shape, dtype=folder.tensors[NORM].dtype))

    return change


def _not_finite(value: float) -> Change:
    def change(folder: Folder) -> None:
        name = UP if UP in folder.tensors else next(iter(folder.tensors))
        folder.tensors[name] = folder.tensors[name].clone()
        folder.tensors[name].view(-1)[-1] = value
        folder.refused = True

    return change


def _other_head(folder: Folder) -> None:
    """A head in the file of a tied model: the embedding again, or another one."""
    if folder.config["tie_word_embeddings"]:
        folder.tensors[LM_HEAD] = folder.tensors[EMBEDDING].flip(0)


def _same_head(folder: Folder) -> None:
    if folder.config["tie_word_embeddings"]:
        folder.tensors[LM_HEAD] = folder.tensors[EMBEDDING].clone()


def _head_alone(folder: Folder) -> None:
    if folder.config["tie_word_embeddings"]:
        folder.tensors[LM_HEAD] = folder.tensors.pop(EMBEDDING)


def _more_layers(folder: Folder) -> None:
    folder.config["num_hidden_layers"] += 1
    folder.refused = True


def _fewer_layers(folder: Folder) -> None:
    """Transformers takes the first layers, which is a model of fewer layers."""
    if folder.config["num_hidden_layers"] > 1:
        folder.config["num_hidden_layers"] -= 1


def _after(refused: bool, happen: Callable[[Path], object]) -> Change:
    def change(folder: Folder) -> None:
        folder.after.append(happen)
        folder.refused |= refused

    return change


def _first_file(path: Path) -> list[Path]:
    """The first file of weights; none where another change took it."""
    return sorted(path.glob("model*.safetensors"))[:1]


def _halve(path: Path) -> None:
    for file in _first_file(path):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _point(path: Path) -> None:
    for file in _first_file(path):
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def _lose(path: Path) -> None:
    for file in _first_file(path):
        file.unlink()
    if (path / "model.safetensors.index.json").exists() and list(path.glob("old-*")):
        (path / "model.safetensors.index.json").unlink()


CHANGES: dict[str, Change] = {
    "norm is missing": _drop(NORM),
    "head is missing": _drop(LM_HEAD),
    "projection is missing": _drop(UP),
    "bias is missing": _drop(Q_BIAS),
    "projection is narrower": _cut(UP),
    "embedding is smaller": _cut(EMBEDDING),
    "NaN": _not_finite(torch.nan),
    "infinity": _not_finite(torch.inf),
    "names without prefix": _rename(lambda name: name.removeprefix("model.")),
    "names with another prefix": _rename(lambda name: f"model.{name.removeprefix('model.')}"),
    "buffers of 2023": _add("model.layers.0.self_attn.rotary_emb.inv_freq", (2,)),
    "tensors of something else": _add("value_head.weight", (1, 2)),
    "bias that config.json denies": _add("model.layers.0.mlp.down_proj.bias", (8,)),
    "tied, other head": _other_head,
    "tied, same head": _same_head,
    "tied, head alone": _head_alone,
    "more layers in config.json": _more_layers,
    "fewer layers in config.json": _fewer_layers,
    "wider in config.json": _set(True, intermediate_size=20),
    "another vocabulary in config.json": _set(True, vocab_size=VOCABULARY + 2),
    "sliding window": _set(True, sliding_window=8),
    "chunked attention": _set(True, attention_chunk_size=8),
    "layer types, sliding": _set(True, layer_types=["sliding_attention"]),
    "quantised": _set(True, quantization_config={"quant_method": "gptq", "bits": 4}),
    "own code": _set(True, auto_map={"AutoModelForCausalLM": "modeling.Model"}),
    "activation": _set(True, hidden_act="gelu"),
    "epsilon is an integer": _set(True, rms_norm_eps=1),
    "no cache setting": _set(True, use_cache=None),
    "unknown rope": _set(True, rope_parameters={"rope_type": "su", "rope_theta": 100.0}),
    "rope without its factor": _set(True, rope_parameters={"rope_type": "llama3"}),
    "heads that do not divide": _set(True, num_attention_heads=3),
    "another kind": _set(True, model_type="mistral"),
    "stored half": _after(True, _halve),
    "stored as a pointer": _after(True, _point),
    "stored without its first file": _after(True, _lose),
    "adapter beside it": _after(True, lambda path: (path / "adapter_config.json").write_text("{}")),
    "torch file beside it": _after(
        False, lambda path: (path / "pytorch_model.bin").write_bytes(b"old")
    ),
}


@st.composite
def folders(draw: st.DrawFn, changes: st.SearchStrategy[list[str]] | None = None) -> Folder:
    """A folder with these changes; by default up to two, and none in about half of the folders."""
    if changes is None:
        changes = st.just([]) | st.lists(st.sampled_from(list(CHANGES)), max_size=2)
    heads, kv_heads, head_dim = draw(st.sampled_from([(2, 1, 4), (2, 2, 4), (4, 2, 6), (4, 4, 4)]))
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=draw(st.integers(1, 2)),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        tie_word_embeddings=draw(st.booleans()),
        attention_bias=draw(st.booleans()),
        mlp_bias=draw(st.booleans()),
        rope_parameters=draw(st.sampled_from(ROPES)),
        max_position_embeddings=32,
        bos_token_id=None,
        eos_token_id=draw(end_tokens),
        pad_token_id=draw(st.sampled_from([None, 0, 3])),
    )
    folder = Folder(
        config=config.to_dict() | {"architectures": ["LlamaForCausalLM"]},
        tensors=_random_tensors(config, draw(st.sampled_from(DTYPES)), draw(st.integers(0, 99))),
        generation=draw(st.none() | generation_settings),
        shards=draw(st.sampled_from([1, 1, 2, 3])),
        stale=draw(st.booleans()),
    )
    for name in draw(changes):
        CHANGES[name](folder)
        folder.changes.append(name)
    return folder


end_tokens = st.sampled_from([None, 5, [5], [5, 7]])
generation_settings = st.fixed_dictionaries(
    {},
    optional={
        "eos_token_id": end_tokens,
        "pad_token_id": st.sampled_from([None, 0, 9]),
        "do_sample": st.booleans(),
        "temperature": st.just(0.6),
        "top_p": st.just(0.9),
        "repetition_penalty": st.sampled_from([1.0, 1.3]),
    },
)


def _random_tensors(config: LlamaConfig, dtype: torch.dtype, seed: int) -> dict[str, torch.Tensor]:
    """Weights of the model, whose every parameter matters."""
    with torch.device("meta"):
        parameters = dict(LlamaForCausalLM(config).named_parameters())
    source = torch.Generator().manual_seed(seed)
    return {
        name: torch.empty(parameter.shape).normal_(std=0.6, generator=source).to(dtype)
        for name, parameter in parameters.items()
    }
