"""The options of a processor's call."""

from typing import Any, TypedDict

from transformers.processing_utils import ProcessingKwargs

# What a tokenizer can be asked for, and rows with spliced placeholders cannot give.
UNSUPPORTED = (
    "text_pair text_target text_pair_target stride is_split_into_words return_token_type_ids "
    "return_overflowing_tokens return_special_tokens_mask return_length"
).split()


class ProteinKwargs(TypedDict, total=False):
    """Options for proteins.

    Attributes:
        truncation: cut a protein longer than `max_protein_length` at its end, with a warning, instead of raising.
    """

    truncation: bool | None


class BioMedGPTProcessorKwargs(ProcessingKwargs, total=False):  # type: ignore[call-arg]  # a TypedDict
    """Options of a call: transformers' groups and `protein_kwargs`."""

    protein_kwargs: ProteinKwargs


def read_options(processor: Any, kwargs: dict[str, Any], with_answers: bool) -> dict[str, Any]:
    """Return a call's options in one flat dict.

    Args:
        processor: a `BioMedGPTProcessor`.
        kwargs: as the user gave them, flat or in groups.
        with_answers: whether rows are to be trained on; such rows are padded on the right, as the original's.

    Returns:
        The text options by their own names, `padding_side` and `return_tensors` always among them; `truncation` of
        proteins; `with_offsets`, `return_text_replacement_offsets`, `return_mm_token_type_ids`.

    Raises:
        ValueError: for options that have no meaning here.
    """
    for name in ("images", "videos", "audio"):  # transformers' templates pass all three, usually None
        if kwargs.get(name) is not None:
            raise ValueError(f"BioMedGPT reads {processor.accepts('and')}, but got {name}=.")
    merged = processor._merge_kwargs(tokenizer_init_kwargs=processor.tokenizer.init_kwargs, **kwargs)
    options = {"return_tensors": None, **merged["text_kwargs"]}
    if unsupported := [name for name in UNSUPPORTED if options.get(name)]:
        raise ValueError(f"BioMedGPTProcessor does not support {', '.join(unsupported)}.")
    truncation = merged["protein_kwargs"].get("truncation")
    truncation = options.get("truncation") if truncation is None else truncation
    options["truncation"] = truncation not in (None, False, "do_not_truncate")
    asked_side = {**(kwargs.get("text_kwargs") or {}), **kwargs}.get("padding_side")
    options["padding_side"] = asked_side or ("right" if with_answers else processor.tokenizer.padding_side)
    for name in ("return_mm_token_type_ids", "return_text_replacement_offsets"):
        options[name] = merged[name]
    options["with_offsets"] = bool(options.get("return_offsets_mapping") or options["return_text_replacement_offsets"])
    if with_answers and options["with_offsets"]:
        raise ValueError("Offsets are those of text, so they cannot be returned with suffix.")
    return options
