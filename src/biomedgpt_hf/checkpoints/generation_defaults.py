"""The defaults of generation beside the weights, which transformers reads as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from biomedgpt_hf.checkpoints.faults import AGAIN, InvalidCheckpointError, blamed_on, read_json_object

GENERATION = "generation_config.json"
GENERATION_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        (
            *("max_length", "max_new_tokens", "min_length", "min_new_tokens", "num_beams", "num_return_sequences"),
            *("top_k", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "pad_token_id", "bos_token_id"),
            *("max_cache_len", "prompt_lookup_num_tokens", "max_matching_ngram_size", "prefill_chunk_size"),
            *("num_beam_groups", "prompt_ignore_length", "num_assistant_tokens"),
        ),
        (int,),
    ),
    **dict.fromkeys(
        (
            *("temperature", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff", "length_penalty"),
            *("repetition_penalty", "encoder_repetition_penalty", "guidance_scale", "max_time", "diversity_penalty"),
            *("assistant_confidence_threshold", "penalty_alpha"),
        ),
        (int, float),
    ),
    **dict.fromkeys(
        (
            *("do_sample", "use_cache", "renormalize_logits", "remove_invalid_values", "output_attentions"),
            *("output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate", "token_healing"),
            *("disable_compile", "low_memory", "is_assistant"),
        ),
        (bool,),
    ),
    "early_stopping": (bool, str),
    "eos_token_id": (int, list),
    "forced_eos_token_id": (int, list),
    "forced_bos_token_id": (int,),
    "decoder_start_token_id": (int, list),
    "stop_strings": (str, list),
    **dict.fromkeys(("suppress_tokens", "begin_suppress_tokens", "bad_words_ids"), (list,)),
    "sequence_bias": (list, dict),
    "exponential_decay_length_penalty": (list,),
    "cache_implementation": (str,),
}
TOKEN_ID_LISTS = ("eos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens")


def check_generation_config(file: Path) -> None:
    """Raise an InvalidCheckpointError for defaults of generation that `generate` cannot use."""
    content = read_json_object(file)
    for name, known in GENERATION_FIELDS.items():
        value = content.get(name)
        # A bool is an int for Python, and no number for anybody else.
        if value is not None and not (bool in known if isinstance(value, bool) else isinstance(value, known)):
            raise InvalidCheckpointError(f"{file} has {name} = {_short(value)}, which is of the wrong kind. {AGAIN}")
    for name in TOKEN_ID_LISTS:
        if isinstance(content.get(name), list) and not all(type(value) is int for value in content[name]):
            raise InvalidCheckpointError(f"{file} has {name} = {_short(content[name])}, not token ids. {AGAIN}")
    with blamed_on(file):
        GenerationConfig.from_dict(content)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
