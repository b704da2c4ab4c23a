"""One reading of a LLaMA folder, which every path of the suite takes.

    checkpoint = open_checkpoint("llama-7b")
    model = checkpoint.load_dense(torch.bfloat16, "cuda")  # Transformers' own
    engine = Engine.load(checkpoint, plan)  # reads single tensors

The yardstick is Transformers: the folder gives the model that `from_pretrained` gives, or one line
that says why not. Headers are read when it is opened, weights when they are asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from cqil.checkpoint.config_file import read_config
from cqil.checkpoint.generation_settings import GenerationSettings, read_generation_settings
from cqil.checkpoint.locate_checkpoint import locate_checkpoint
from cqil.checkpoint.tensor_names import (
    EMBEDDING,
    LAYERS,
    LM_HEAD,
    check_shapes,
    expected_shapes,
    in_layer,
    match_names,
    name_in_dense,
)
from cqil.checkpoint.tensor_reader import check_finite, read_weight
from cqil.checkpoint.tokenizer import read_tokenizer
from cqil.checkpoint.weight_files import StoredTensor, opened, stored_tensors, weight_files
from cqil.modeling.configuration import PlannedLlamaConfig
from cqil.plan import LayerPlan


@dataclass(frozen=True)
class Checkpoint:
    """A folder that has been checked: every tensor is there, once, in its shape."""

    path: Path
    config: LlamaConfig
    """That of the dense model; its tying is what the weights say."""
    generation: GenerationSettings
    plan: LayerPlan | None
    """The plan that a planned folder was saved with; None for a dense model."""
    files: tuple[Path, ...]
    """The files of weights, in the order in which they are read."""
    tensors: Mapping[str, StoredTensor]
    """Name in the dense model -> where it lies."""
    unused: tuple[str, ...]
    """Stored tensors that the configuration has no place for, as Transformers leaves them out."""

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Raises ValueError where the folder has none."""
        return read_tokenizer(self.path)

    def reader(self, dtype: torch.dtype, device: str = "cpu") -> _Reader:
        """A `TensorReader` of the weights."""
        return _Reader(self.tensors, dtype, device)

    def load_dense(self, dtype: torch.dtype | None = None, device: str = "cpu") -> LlamaForCausalLM:
        """Transformers' model in evaluation mode; `dtype` None keeps that of the files.

        Raises ValueError for a planned folder, and for weights that are not finite in `dtype`.
        """
        self.check_dense()
        model = LlamaForCausalLM.from_pretrained(
            self.path,
            config=copy.deepcopy(self.config),
            dtype=dtype or "auto",
            use_safetensors=True,
        )
        for name, parameter in model.named_parameters():
            check_finite(name, parameter)
        torch.nn.Module.to(model, device)  # the `to` of Transformers is typed wrongly
        return model.eval()

    def check_dense(self) -> None:
        """Raises ValueError where layers may be missing, since a plan was applied."""
        if self.plan is not None:
            raise ValueError(
                f"model: {self.path} was saved with the plan {self.plan.slug}; give the dense "
                "LLaMA checkpoint"
            )

    def check_context(self, tokens: int, what: str) -> None:
        """Raises ValueError where so many tokens exceed the positions that the model was made for.

        `what` names them, with the remedy, as in `window: 4096 tokens; lower it`.
        """
        if tokens > (context := self.config.max_position_embeddings):
            raise ValueError(f"{what}; the model's context is {context} tokens")

    def check_weights(self, layers: Collection[int] | None = None) -> None:
        """Reads the weights of some layers, or of all, and those outside of layers.

        Raises ValueError for one that is missing, in a planned folder, or not finite.
        """
        numbers = range(self.config.num_hidden_layers) if layers is None else sorted(layers)
        places = {name: in_layer(name) for name in self.tensors}
        names = [name for name, place in places.items() if place is None]
        parts = sorted({place[1] for place in places.values() if place is not None})
        names += [f"{LAYERS}{layer}.{part}" for layer in numbers for part in parts]
        read = self.reader(torch.float32)
        for name in names:
            read_weight(read, name)


@dataclass(frozen=True)
class _Reader:
    tensors: Mapping[str, StoredTensor]
    dtype: torch.dtype
    device: str

    def __call__(self, name: str, *index: slice) -> torch.Tensor | None:
        if name not in self.tensors:
            return None
        tensor = self.tensors[name]
        with opened(tensor.file, self.device) as file:
            return file.get_slice(tensor.name)[index or ...].to(self.dtype)


def open_checkpoint(name: str | Path) -> Checkpoint:
    """The checkpoint of a directory or hub id, dense or saved with a plan.

    Raises ValueError with one line for whatever Transformers would not load, would load as another
    model than the folder says, or the engine does not compute.
    """
    folder = locate_checkpoint(name)
    if (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"model: {folder} holds an adapter (adapter_config.json); merge it into its model with "
            "peft's merge_and_unload, and save that"
        )
    config = read_config(folder)
    generation = read_generation_settings(folder, config)
    expected = expected_shapes(config)
    files = weight_files(folder)
    tensors, unused = match_names(stored_tensors(files), expected)
    config.tie_word_embeddings = _tie(config.tie_word_embeddings, tensors)
    check_shapes(tensors, expected)
    plan = None
    if isinstance(config, PlannedLlamaConfig):
        plan = config.layer_plan
        tensors = _original_layers(tensors, plan)
        config = config.dense_config()
    return Checkpoint(folder, config, generation, plan, files, tensors, tuple(unused))


def _tie(tied: bool, tensors: dict[str, StoredTensor]) -> bool:
    """Whether embedding and LM head are one tensor, as Transformers decides; adds the other name.

    They are not where both are stored and differ, whatever the configuration says.
    """
    if not tied:
        return False
    present = [name for name in (EMBEDDING, LM_HEAD) if name in tensors]
    if len(present) == 2:
        read = _Reader(tensors, torch.float64, "cpu")
        embedding, lm_head = read(EMBEDDING), read(LM_HEAD)
        assert embedding is not None
        assert lm_head is not None
        return torch.equal(embedding, lm_head)
    for name in present:
        tensors |= {EMBEDDING: tensors[name], LM_HEAD: tensors[name]}
    return True


def _original_layers(
    tensors: Mapping[str, StoredTensor], plan: LayerPlan
) -> dict[str, StoredTensor]:
    """The tensors of a planned folder under the names of the dense model."""
    return {name_in_dense(name, plan): tensor for name, tensor in tensors.items()}
