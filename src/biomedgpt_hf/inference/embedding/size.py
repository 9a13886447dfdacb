"""How much space embeddings will take on the disk, computed before the encoder runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.batches.lengths import count_atoms
from biomedgpt_hf.disk.space import free_space, in_words, missing_space
from biomedgpt_hf.files.items.cells import item_text
from biomedgpt_hf.files.items.items import Columns
from biomedgpt_hf.files.items.reading import count_items, read_items
from biomedgpt_hf.inference.embedding.embedded import BYTES
from biomedgpt_hf.inference.embedding.embedder import Embedder
from biomedgpt_hf.inference.embedding.parts import parts_of
from biomedgpt_hf.inference.embedding.writing import HEADER_FRAME, LARGEST_HEADER, header_bytes
from biomedgpt_hf.inference.long_runs.run import running_folder
from biomedgpt_hf.modalities import MOLECULE, PROTEIN

logger = logging.getLogger(__name__)

TEXT_BYTES = 512  # what an item takes on the disk beside its vectors
DIGITS = 11  # bytes of a number in CSV, at most, with its comma
PAGE_BYTES = 4_096  # what a larger item may waste in the journal


class Survey(NamedTuple):
    """How much there will be: rows, and upper bounds of items, vectors and bytes in a safetensors file's header."""

    rows: int
    items: int
    vectors: int
    header: int = 0

    def bytes_needed(self, width: int) -> int:
        """Return how many bytes the journal and the output take together."""
        of_vectors = BYTES * width * self.vectors
        wasted = PAGE_BYTES if of_vectors > TEXT_BYTES * self.items else 0
        return 2 * (of_vectors + TEXT_BYTES * self.items) + wasted * self.items + self.header


NOT_TAKEN = Survey(0, 0, 0)


def take_survey(paths: Sequence[str | PathLike], columns: Columns, embedder: Embedder, output: Path) -> Survey:
    """Return how much there will be, before the encoder runs.

    Raises:
        ValueError: the ids and items are too long for a safetensors file.
        OSError: the disk has not enough space.
    """
    if embedder.level == "pooled" and output.suffix != ".safetensors":
        rows = count_items([Path(path) for path in paths], columns)
        survey = Survey(rows, rows, rows)
    else:
        survey = _survey(paths, columns, embedder)
    if output.suffix == ".safetensors" and survey.header + HEADER_FRAME > LARGEST_HEADER:
        raise ValueError(
            f"The ids and items would take {survey.header:,} bytes in the header of {output}, but readers of "
            f"safetensors accept at most {LARGEST_HEADER:,}. Write a .parquet file, or split the input."
        )
    needed = survey.bytes_needed(embedder.width)
    if output.suffix == ".csv":
        needed += (DIGITS - BYTES) * embedder.width * survey.vectors
    there = sum(file.stat().st_size for file in running_folder(output).glob("*"))  # the files of an unfinished run
    size = in_words(BYTES * embedder.width * survey.vectors)
    told = f"{survey.vectors:,} vectors of {embedder.width:,} numbers take {size}"
    if missing := missing_space(output, needed - there):
        raise OSError(
            f"{told}. While they are made, {missing}. Make space, choose an --output on another disk, or split the "
            "input."
        )
    if embedder.level == "tokens":
        free = in_words(free_space(output)[0])
        logger.warning("%s; %s are needed while they are made, and %s are free.", told, in_words(needed), free)
    return survey


def _survey(paths: Sequence[str | PathLike], columns: Columns, embedder: Embedder) -> Survey:
    rows = items = vectors = header = 0
    for item in read_items([Path(path) for path in paths], columns):
        rows += 1
        for part in parts_of(item, embedder.modality):
            items += 1
            header += header_bytes(part.id, "" if part.item is None else item_text(part.item))
            if part.item is not None:
                vectors += _vectors_of(part.item, embedder)
    return Survey(rows, items, vectors, header)


def _vectors_of(item: Any, embedder: Embedder) -> int:
    """Return the largest number of vectors that an item can have; 0 for an item that is refused."""
    if embedder.level == "pooled":
        return 1
    count = COUNT.get(embedder.modality, _read_units)
    try:
        return count(item, embedder)
    except ValueError:
        return 0


def _residues(protein: str, embedder: Embedder) -> int:
    residues = len("".join(protein.split()).removesuffix("*"))
    most = embedder.processor.max_protein_length - embedder.around.before - embedder.around.after
    return residues if residues <= most else most if embedder.crop else 0


def _read_units(item: Any, embedder: Embedder) -> int:
    return embedder.prepare(item).length - embedder.around.before - embedder.around.after


# Functions that count the units of an item without reading it. Items of other modalities are read to count them.
COUNT: Mapping[str, Callable[[Any, Embedder], int]] = {
    MOLECULE.name: lambda molecule, _: count_atoms(molecule),
    PROTEIN.name: _residues,
}
