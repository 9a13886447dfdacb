"""Another modality from outside the package: its record, its reader of items, and its encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biomedgpt_hf.modalities import MODALITIES, Modality

if TYPE_CHECKING:
    from biomedgpt_hf.modeling.modality_encoders import ModalityEncoder
    from biomedgpt_hf.processors.item_readers import ItemReader


def register_modality(modality: Modality, reader: ItemReader, encoder: ModalityEncoder) -> None:
    """Let models and processors, rows, training and inference hold items of another modality.

    What is saved with it loads again in a process that has made the same call before. A modality takes the place of
    one with its name.

    Args:
        modality: what everything outside model and processor knows of it.
        reader: makes tensors of its items; goes into processors made with `modalities=[…, name]`.
        encoder: makes features of the tensors; models have it whose configuration has `<name>_config`, as those of
            `BioMedGPTForConditionalGeneration.from_encoders(…, <name>_encoder=…)`.

    Raises:
        ValueError: if the three do not agree on the name, the column, the placeholder or the tensors.
    """
    from biomedgpt_hf.modeling.modality_encoders import register_modality_encoder
    from biomedgpt_hf.processors.item_readers import register_item_reader

    if differences := halves_disagree(modality, reader, encoder):
        raise ValueError(f"The modality {modality.name!r} cannot be registered: {'; '.join(differences)}.")
    MODALITIES[modality.name] = modality
    register_item_reader(reader)
    register_modality_encoder(encoder)


def halves_disagree(modality: Modality, reader: ItemReader, encoder: ModalityEncoder) -> list[str]:
    """Return in words where the record of a modality, its reader and its encoder do not fit each other."""
    known = {*encoder.tensors, *encoder.optional_tensors}
    facts = (
        ("the reader's name", reader.name, modality.name),
        ("the encoder's name", encoder.name, modality.name),
        ("the reader's column", reader.column, modality.column),
        ("the reader's placeholder", reader.placeholder, modality.placeholder),
        ("whether an item is a list", reader.items_are_lists, modality.items_are_lists),
        ("the encoder's mask", encoder.tensors[0], reader.tensors[0]),
        ("the tensors that the encoder needs", sorted(encoder.tensors), sorted({*encoder.tensors} & {*reader.tensors})),
        ("the tensors that the reader makes", sorted(reader.tensors), sorted({*reader.tensors} & known)),
    )
    return [f"{what} is {found!r} and not {wanted!r}" for what, found, wanted in facts if found != wanted]
