"""Whether a processor and a model, which are loaded apart, belong together."""

from collections.abc import Iterator, Sequence
from typing import Any


def disagreements(processor: Any, config: Any) -> list[str]:
    """Return a line for each way in which a processor's batches do not fit a model.

    Args:
        processor: a `BioMedGPTProcessor`.
        config: the model's configuration. Fields that its encoders' types do not have are not compared.
    """
    lines = list(compare("modalities", list(processor.readers), config.modalities))
    for placeholder in processor.placeholders:
        if placeholder.modality in config.modalities:
            lines += processor.readers[placeholder.modality].disagreements(processor, config)
            name = f"{placeholder.modality}_token_id"
            lines += compare(name, placeholder.token_id, getattr(config, name))
    lines += vocabulary_disagreement("language model's vocabulary", processor.tokenizer, config.text_config)
    ours, theirs = processor.max_context_length, getattr(config.text_config, "max_position_embeddings", None)
    if ours is not None and theirs is not None and ours > theirs:
        lines.append(f"max_context_length: processor {ours}, model {theirs}")
    return lines


def compare(name: str, ours: Any, theirs: Any) -> Iterator[str]:
    """Yield a line where the processor's value is not the model's; a model that has none agrees."""
    if theirs is not None and ours != theirs:
        yield f"{name}: processor {ours!r}, model {theirs!r}"


def vocabulary_disagreement(name: str, tokenizer: Any, encoder: Any) -> Iterator[str]:
    """Yield a line where a tokenizer has ids beyond the rows of the part that reads them."""
    needed, rows = max(tokenizer.get_vocab().values()) + 1, getattr(encoder, "vocab_size", None)
    if rows is not None and needed > rows:  # rows beyond the tokenizer's ids are common and harmless
        yield f"{name}: processor {needed} ids, model {rows} rows"


def covers(model: Sequence[int], processor: Sequence[int]) -> bool:
    """Whether tables of the one size hold all features of the other."""
    return len(model) == len(processor) and all(rows >= used for rows, used in zip(model, processor, strict=True))


def protein_positions(config: Any) -> int | None:
    """Return how many tokens a protein encoder has positions for; None for rotary ones, which have no limit."""
    rotary = any(getattr(config, name, None) is not None for name in ("rope_parameters", "rope_theta"))
    kind = getattr(config, "position_embedding_type", None) or ("rotary" if rotary else "absolute")
    positions = getattr(config, "max_position_embeddings", None)
    if kind != "absolute" or positions is None:
        return None
    # ESM-1b counts its positions from the padding id on, as RoBERTa does.
    return positions - (config.pad_token_id + 1 if config.model_type == "esm" else 0)
