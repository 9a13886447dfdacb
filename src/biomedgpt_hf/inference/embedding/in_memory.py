"""Embeddings of items of one modality as arrays, by a checkpoint's encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from biomedgpt_hf.batches.lengths import SMILES
from biomedgpt_hf.inference.decoding import whole_number
from biomedgpt_hf.inference.embedding.embedder import FEATURES, LEVELS, Embedder, EmbeddingError, ItemPreparer
from biomedgpt_hf.inference.item_arguments import check_names, given_column, table_modalities
from biomedgpt_hf.inference.loading import LONG_PROTEINS, check_choice, load, open_checkpoint
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN
from biomedgpt_hf.processors.molecule_input import arrays_of
from biomedgpt_hf.processors.protein_tokenizer import (
    InvalidProteinError,
    ResidueTable,
    encode_protein,
    read_residue_table,
)

if TYPE_CHECKING:
    from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor


@dataclass(frozen=True)
class EmbeddingSettings:
    """How items are embedded.

    Attributes:
        level: "pooled" for one vector per item, which is the mean over its units, such as atoms or residues; "tokens"
            for one vector per unit.
        features: "encoder" for the encoder's output, "projected" for what the language model reads.
        checkpoint: folder or Hub id; None is the embedded demonstration.
        revision: branch, tag or commit of a checkpoint on the Hub.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: the precision in which the encoder computes: "float32", "bfloat16", "float16", or "auto" for the
            checkpoint's own. Means are computed in float32, and embeddings are float16.
        batch_tokens: largest number of atoms or residues in a batch, padding included. A longer item is a batch of its
            own.
        long_proteins: "report" refuses proteins beyond the encoder's limit; "crop" cuts their ends off.
        progress: show a progress bar; None shows it on a terminal.

    Raises:
        ValueError: a value is not allowed.
    """

    level: str = "pooled"
    features: str = "encoder"
    checkpoint: str | PathLike | None = None
    revision: str | None = None
    device: str | torch.device | None = None
    dtype: str = "auto"
    batch_tokens: int = 8192
    long_proteins: str = "report"
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_choice("level", self.level, LEVELS)
        check_choice("features", self.features, FEATURES)
        check_choice("long_proteins", self.long_proteins, LONG_PROTEINS)
        object.__setattr__(self, "batch_tokens", whole_number("batch_tokens", self.batch_tokens))

    def load(
        self, device: str | torch.device | None = None
    ) -> tuple[BioMedGPTForConditionalGeneration, BioMedGPTProcessor]:
        """Load the checkpoint's model and processor."""
        return load(self.checkpoint, device or self.device, self.dtype, self.revision)

    def embedder(
        self, model: BioMedGPTForConditionalGeneration, processor: BioMedGPTProcessor, modality: str
    ) -> Embedder:
        """Return what embeds items of one modality."""
        return Embedder(
            model,
            processor,
            modality,
            level=self.level,
            features=self.features,
            batch_tokens=self.batch_tokens,
            crop=self.long_proteins == "crop",
        )


def embed(items: Iterable[Any], *, modality: str | None = None, **settings: Any) -> np.ndarray | list[np.ndarray]:
    """Embeds items of one modality by the encoder of a checkpoint. The batches do not change the result.

    The tokens that a tokenizer puts around a protein's residues do not count. All fragments of a molecule count.

    Args:
        items: molecules (SMILES, InChI, RDKit `Mol`, PyG `Data`), proteins (amino-acid sequences), or those of a
            further modality: a list, a Series, an array, or a table with a column of them.
        modality: its name. With None, the items decide where they can: "CCO" could be a molecule or a protein.
        settings: see `EmbeddingSettings`; `level`, `features`, `checkpoint`, `long_proteins`, …

    Returns:
        With the level "pooled" float16 [N, D]; with "tokens" N arrays, float16 [atoms or residues, D]. D is the width
        of the encoder, or of the language model where `features` is "projected".

    Raises:
        InvalidMoleculeError, InvalidProteinError, ValueError: an item cannot be read, or is too long. The error names
            the item.
        EmbeddingError: an embedding is beyond the range of float16, or an item is too large for the memory.
        ValueError: a setting is not allowed, or the items do not tell their modality.
        OSError: there is no such checkpoint.

    Example:
        >>> embed(["CC(=O)O", "c1ccccc1"]).shape
        (2, 128)
    """
    check_names(settings, [*(field.name for field in fields(EmbeddingSettings)), "items", "modality"], "embed")
    chosen = EmbeddingSettings(**settings)
    if isinstance(items, str | bytes) or not isinstance(items, Iterable) or arrays_of(items):
        raise ValueError(f"items is a value of type {type(items).__name__}. Pass a list, or [item] for one item.")
    if modality is not None:
        check_choice("modality", modality, tuple(MODALITIES))
    elif len(there := table_modalities(items) or ()) > 1:
        raise ValueError(f"items is a table with a {' and a '.join(there)} column. Choose one of them as modality=….")
    else:
        modality = next(iter(there), None)
    items = given_column(items, modality or MOLECULE.name)
    if (empty := next((place for place, item in enumerate(items) if item is None), None)) is not None:
        raise ValueError(f"Item {empty} is an empty cell, or None. Leave such rows out first.")
    processor = open_checkpoint(chosen.checkpoint, chosen.device, chosen.dtype, chosen.revision).processor
    modality = modality or modality_of(items, processor)
    prepare = ItemPreparer(processor, modality, chosen.long_proteins == "crop")
    prepared = [prepare(item, position) for position, item in enumerate(items)]
    embedder = chosen.embedder(*chosen.load(), modality)
    embeddings: list[Any] = [None] * len(prepared)
    hidden = None if chosen.progress is None else not chosen.progress
    with tqdm(desc="embeddings", total=len(prepared), unit="", disable=hidden) as bar:
        for batch in embedder.batches([one.length for one in prepared]):
            for place, embedding in zip(batch, embedder.embed([prepared[place] for place in batch]), strict=True):
                if isinstance(embedding, EmbeddingError):
                    raise EmbeddingError(embedding.reason, f"Cannot embed {embedder.modality} {place}. {embedding}")
                embeddings[place] = embedding
            bar.update(len(batch))
    if chosen.level == "tokens":
        return embeddings
    return np.stack(embeddings) if embeddings else np.zeros((0, embedder.width), np.float16)


def modality_of(items: Sequence[Any], processor: BioMedGPTProcessor) -> str:
    """Return the modality of items, if at least one of them can be nothing else.

    A value that is not text is a molecule. Text that looks like a SMILES or an InChI can be a molecule. Text in which
    every letter is a residue can be a protein. Items of other modalities do not tell what they are.

    Raises:
        ValueError: every item could be of several modalities, or the items are of different modalities.
    """
    table = read_residue_table(processor.protein_tokenizer)
    can_be: dict[str, Callable[[Any], bool]] = {
        MOLECULE.name: _can_be_molecule,
        PROTEIN.name: lambda item: _can_be_protein(item, table),
    }
    first: dict[str, int] = {}
    for position, item in enumerate(items):
        fitting = [modality for modality, fits in can_be.items() if fits(item)]
        if len(fitting) == 1:
            first.setdefault(fitting[0], position)
    if len(first) == 1:
        return next(iter(first))
    if first:
        found = ", ".join(f"item {first[modality]} is a {modality}" for modality in can_be if modality in first)
        told = f"{found}. Embed them in separate calls"
    else:
        told = "the items do not tell what they are"
    raise ValueError(f"Pass {' or '.join(f'modality={modality!r}' for modality in MODALITIES)}: {told}.")


def _can_be_molecule(item: object) -> bool:
    if not isinstance(item, str):
        return True
    return item.strip().startswith("InChI=") or bool(SMILES.fullmatch(item.strip()))


def _can_be_protein(item: Any, table: ResidueTable) -> bool:
    try:
        encode_protein(item, table)
    except InvalidProteinError:
        return False
    return True
