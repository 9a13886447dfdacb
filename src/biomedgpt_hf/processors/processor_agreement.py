"""Whether a processor and a model, which are loaded apart, belong together."""

from collections.abc import Sequence
from typing import Any


def disagreements(processor: Any, config: Any) -> list[str]:
    """Return a line for each way in which a processor's batches do not fit a model.

    Args:
        processor: a `BioMedGPTProcessor`.
        config: the model's configuration. Fields that its encoders' types do not have are not compared.
    """
    lines: list[str] = []

    def compare(name: str, ours: Any, theirs: Any) -> None:
        if theirs is not None and ours != theirs:
            lines.append(f"{name}: processor {ours!r}, model {theirs!r}")

    molecule, protein, text = config.molecule_config, config.protein_config, config.text_config
    compare("molecule features", processor.molecule_features, getattr(molecule, "feature_set", None))
    features = processor.feature_set
    for name in ("atom_vocab_sizes", "bond_vocab_sizes"):
        ours, theirs = getattr(features, name), getattr(molecule, name, None)
        if theirs is not None and not _covers(theirs, ours):
            lines.append(f"{name}: processor {list(ours)}, model {list(theirs)}")

    compare("protein_feature_select", processor.protein_feature_select, config.protein_feature_select)
    for placeholder in processor.placeholders:
        name = f"{placeholder.modality}_token_id"
        compare(name, placeholder.token_id, getattr(config, name))
    compare("protein padding id", processor.protein_tokenizer.pad_token_id, getattr(protein, "pad_token_id", None))
    for name, tokenizer, encoder in (
        ("protein vocabulary", processor.protein_tokenizer, protein),
        ("language model's vocabulary", processor.tokenizer, text),
    ):
        needed, rows = max(tokenizer.get_vocab().values()) + 1, getattr(encoder, "vocab_size", None)
        if rows is not None and needed > rows:  # rows beyond the tokenizer's ids are common and harmless
            lines.append(f"{name}: processor {needed} ids, model {rows} rows")

    for name, ours, theirs in (
        ("max_protein_length", processor.max_protein_length, protein_positions(protein)),
        ("max_context_length", processor.max_context_length, getattr(text, "max_position_embeddings", None)),
    ):
        if ours is not None and theirs is not None and ours > theirs:
            lines.append(f"{name}: processor {ours}, model {theirs}")
    return lines


def _covers(model: Sequence[int], processor: Sequence[int]) -> bool:
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
