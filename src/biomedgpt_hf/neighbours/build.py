"""Building an index of known items from the folders of sets.

    biomedgpt data index pubchemqa uniprotqa --output INDEX

Each distinct molecule and protein is one item. Molecules with the same canonical SMILES are the same, and so are
sequences that differ only in case. Memory holds the items and their texts.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save
from tqdm.auto import tqdm

from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.disk.manifests import describe_source, versions
from biomedgpt_hf.disk.paths import require_free
from biomedgpt_hf.disk.workers import map_in_order
from biomedgpt_hf.neighbours.folder import ITEMS, TENSORS, write_items, write_manifest
from biomedgpt_hf.neighbours.item_names import read_names
from biomedgpt_hf.neighbours.known_items import KnownItem, gather, read_set_rows, set_files
from biomedgpt_hf.similarity import molecules, proteins
from biomedgpt_hf.similarity.embeddings import embedding_tensors, measure

CHUNK = 200  # molecules that a worker describes at a time
TOOLS = ("biomedgpt-hf", "numpy", "pyarrow", "rdkit", "safetensors", "scipy")
COUNTS = ("rows", "rows_without_items", "molecules", "proteins", "texts")
LEFT_OUT = ("unreadable_molecules", "proteins_without_embedding")


class IndexedItems(NamedTuple):
    """One modality of an index.

    Attributes:
        items: the items that can be compared.
        tensors: what they are compared by; nothing if there is no item.
        measure: the meaning of similarity, in words.
        settings: settings that must be the same for both sides of a comparison.
    """

    items: list[KnownItem]
    tensors: Mapping[str, np.ndarray]
    measure: str
    settings: Mapping[str, Any]


def build_index(
    sources: Sequence[Path],
    output: Path,
    *,
    splits: Sequence[str] = ("train",),
    protein_embeddings: Path | None = None,
    names: Sequence[Path] = (),
    compact: bool = False,
    processes: int = 1,
    progress: bool = False,
) -> dict[str, Any]:
    """Build an index of the molecules and proteins of sets in the folder `output`.

    Args:
        sources: folders of sets that `biomedgpt data` built.
        output: folder to make.
        splits: which splits are indexed. For a baseline, leave out the splits that are held out.
        protein_embeddings: file that `biomedgpt embed` wrote for these proteins. They are compared by their
            embeddings instead of their 5-mers, and those without an embedding are left out.
        names: tables with the columns id and name, or ontologies in OBO format, by which items are named after the
            ids of their rows. Of several names of an id, the first counts.
        compact: keep sequences instead of lists of 5-mers, in a tenth of the room. The same proteins are found; the
            first questions take some hundredths of a second for each million residues.
        processes: worker processes.
        progress: show progress bars.

    Returns:
        The manifest. Its "counts" are "rows", "rows_without_items", "molecules", "proteins", "texts",
        "unreadable_molecules" (that RDKit cannot read) and "proteins_without_embedding", of distinct items.

    Raises:
        FileExistsError: `output` already holds something.
        OSError: a source is missing, or a worker died.
        ValueError: there is no source, a source is corrupt, is not a data set, or has none of the splits, or
            there is no item.
    """
    output, sources = Path(output), [Path(source) for source in sources]
    require_free(output)
    if not sources:
        raise ValueError("An index needs the folder of at least one data set. Name one.")
    files = [file for source in sources for file in set_files(source, splits)]
    described = [describe_source(source) for source in sources]
    if protein_embeddings:
        described.append(describe_source(protein_embeddings, "protein embeddings"))
    named = dict(ChainMap({}, *(read_names(Path(file)) for file in names)))
    described += [describe_source(Path(file), "names") for file in names]
    if compact and protein_embeddings:
        raise ValueError("A compact index compares sequences, and not embeddings. Leave one out.")
    quiet = None if progress else True
    counts: Counter[str] = Counter()
    rows = tqdm(chain.from_iterable(map(read_set_rows, files)), desc="rows", unit="", unit_scale=True, disable=quiet)
    known = gather(rows, counts)
    of = {modality: [one for one in known if one.modality == modality] for modality in TENSORS}
    bar = tqdm(desc="molecules", total=len(of["molecule"]), unit="", unit_scale=True, disable=quiet)
    with bar:
        parts = {
            "molecule": _molecule_part(of["molecule"], counts, processes, bar.update),
            "protein": _protein_part(of["protein"], counts, protein_embeddings, compact),
        }
    if not any(part.items for part in parts.values()):
        found = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
        raise ValueError(f"No molecule or protein can be indexed, so nothing was written to {output}: {found}.")
    counts["texts"] = sum(len(one.texts) for part in parts.values() for one in part.items)
    facts = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tools": versions(*TOOLS),
        "sources": described,
        "splits": list(splits),
        "measures": {modality: part.measure for modality, part in parts.items()},
        "settings": {modality: part.settings for modality, part in parts.items()},
        "counts": {name: counts[name] for name in (*COUNTS, *LEFT_OUT)},
    }
    return _write(output, parts, named, facts)


def _write(
    output: Path, parts: Mapping[str, IndexedItems], names: Mapping[str, str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write an index and return its manifest."""
    with staged_folder(output) as folder:
        write_items(folder / ITEMS, [one for part in parts.values() for one in part.items], names)
        for modality, part in parts.items():
            if part.items:
                # safetensors' `save_file` would make a file that only its owner can read.
                (folder / TENSORS[modality]).write_bytes(save(dict(part.tensors)))
        return write_manifest(folder, facts)


def _molecule_part(
    known: Sequence[KnownItem], counts: Counter[str], processes: int, tell: Callable[[int], object]
) -> IndexedItems:
    """Describe molecules, and merge those that differ only in their notation."""
    chunks = [[one.item for one in known[start : start + CHUNK]] for start in range(0, len(known), CHUNK)]
    first: dict[int, tuple[KnownItem, molecules.MoleculeFacts]] = {}
    ordered = iter(known)
    for described in map_in_order(molecules.describe_molecules, chunks, processes):
        tell(len(described))
        for facts in described:
            one = next(ordered)
            if facts is None:
                counts["unreadable_molecules"] += 1
            else:
                first.setdefault(facts.identity, (one, facts))[0].add(one)
    items = [one for one, _ in first.values()]
    counts["molecules"] = len(items)
    tensors = molecules.molecule_tensors([facts for _, facts in first.values()]) if items else {}
    return IndexedItems(items, tensors, molecules.MEASURE, molecules.SETTINGS)


def _protein_part(known: list[KnownItem], counts: Counter[str], embeddings: Path | None, compact: bool) -> IndexedItems:
    """Describe proteins by their 5-mers or, if there is a file of embeddings, by those."""
    sequences = [one.item for one in known]
    if embeddings is None:
        counts["proteins"] = len(known)
        tensors = proteins.protein_tensors(sequences, compact) if known else {}
        return IndexedItems(known, tensors, proteins.MEASURE, proteins.SETTINGS)
    tensors, places, about = embedding_tensors(embeddings, sequences)
    counts.update(proteins=len(places), proteins_without_embedding=len(known) - len(places))
    return IndexedItems([known[place] for place in places], tensors, measure(about), {"embeddings": about})
