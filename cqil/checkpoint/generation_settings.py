"""What `generation_config.json` says of greedy generation, as Transformers' `generate` takes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import GenerationConfig, LlamaConfig

from cqil.errors import one_line

FILE = "generation_config.json"
NEUTRAL: dict[str, tuple[object, ...]] = {
    "bad_words_ids": (None,),
    "begin_suppress_tokens": (None,),
    "constraints": (None,),
    "encoder_no_repeat_ngram_size": (None, 0),
    "encoder_repetition_penalty": (None, 1.0),
    "exponential_decay_length_penalty": (None,),
    "force_words_ids": (None,),
    "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,),
    "guidance_scale": (None, 1.0),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "no_repeat_ngram_size": (None, 0),
    "num_beams": (None, 1),
    "penalty_alpha": (None,),
    "prompt_lookup_num_tokens": (None,),
    "repetition_penalty": (None, 1.0),
    "sequence_bias": (None,),
    "stop_strings": (None,),
    "suppress_tokens": (None,),
    "watermarking_config": (None,),
}
"""Settings that change greedy text, and their values that do not."""


@dataclass(frozen=True)
class GenerationSettings:
    """End tokens, the pad token, and what the engine does not do."""

    eos_token_ids: tuple[int, ...] = ()
    pad_token_id: int = 0
    """Follows the end token in a batch whose other sequences go on."""
    unsupported: str | None = None
    """The first setting that would change greedy text, as `name: value`."""

    @classmethod
    def of(cls, settings: GenerationConfig) -> GenerationSettings:
        """From the settings of Transformers, which pad with the first end token if not told."""
        eos = settings.eos_token_id
        eos_token_ids = tuple(eos) if isinstance(eos, list) else () if eos is None else (eos,)
        pad = settings.pad_token_id
        if pad is None:
            pad = eos_token_ids[0] if eos_token_ids else 0
        set_values = ((name, getattr(settings, name, None)) for name in NEUTRAL)
        changed = (f"{name}: {value}" for name, value in set_values if value not in NEUTRAL[name])
        return cls(eos_token_ids, pad, next(changed, None))

    def check(self) -> None:
        """Raises ValueError where greedy text would differ from that of Transformers."""
        if self.unsupported is not None:
            raise ValueError(
                f"{self.unsupported}, which the engine does not do; set it to null in {FILE}"
            )


def read_generation_settings(folder: Path, config: LlamaConfig) -> GenerationSettings:
    """Those of the folder's file, else of its configuration, as Transformers reads them.

    Raises ValueError with one line for a file that Transformers does not take.
    """
    if not (folder / FILE).is_file():
        return GenerationSettings.of(GenerationConfig.from_model_config(config))
    try:
        return GenerationSettings.of(GenerationConfig.from_pretrained(folder))
    except Exception as error:  # Transformers raises several types for a file it does not take
        reason = one_line(error)
        raise ValueError(f"{folder / FILE}: Transformers does not take it ({reason})") from None
