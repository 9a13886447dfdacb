"""A set with evidence in its questions, out of a set and an index of known items: to train a model that reads it.

    biomedgpt data evidence SET --index INDEX --neighbours 3 --output DIR

What is known of an item itself would tell the answer. So evidence never comes from the row's own items, nor from what
has the structure key of one: stereoisomers, salts, ions. The words are those of `neighbours.evidence`, as when a
question is answered with evidence in its prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from biomedgpt_hf.building.writer import DatasetWriter
from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.disk.paths import require_free
from biomedgpt_hf.modalities import MOLECULE, PROTEIN
from biomedgpt_hf.neighbours import Neighbour, NeighbourIndex
from biomedgpt_hf.neighbours.evidence import WIDER, answering_first, question_about_items, with_fitting_evidence
from biomedgpt_hf.neighbours.folder import MANIFEST
from biomedgpt_hf.neighbours.known_items import read_set_rows
from biomedgpt_hf.neighbours.many import nearest_of_many
from biomedgpt_hf.rows.row_items import split_files
from biomedgpt_hf.rows.schema import to_conversation
from biomedgpt_hf.similarity.kmers import sequence_key
from biomedgpt_hf.similarity.structure_key import structure_key

KEYS: Mapping[str, Callable[[str], str]] = {MOLECULE.name: structure_key, PROTEIN.name: sequence_key}
DESCRIPTION = "The rows of another set, with what is known of similar items before each question."

Row = dict[str, Any]
Found = Mapping[tuple[str, str], Sequence[Neighbour]]  # by modality and item


def build_evidence_set(
    source: Path,
    index: Path,
    output: Path,
    *,
    neighbours: int = 1,
    fits: Callable[[Row], bool] | None = None,
    processes: int = 1,
    progress: bool = False,
) -> dict[str, Any]:
    """Build a set whose questions have evidence, with the splits and ids of another set.

    Args:
        source: folder of a set that `biomedgpt data` built.
        index: an index of known items. For validation and test rows to mean something, it holds training items only.
        output: folder to make.
        neighbours: how many known items for each item of a row, at the most.
        fits: tells whether a row is short enough; the farthest known items are left out first. None for every length.
        processes: worker processes.
        progress: show progress bars.

    Returns:
        The manifest. A row's source and licence are those of its texts, evidence included.

    Raises:
        FileExistsError: `output` already holds something.
        OSError: a folder is missing, or a worker died.
        ValueError: the source is no set or the index no index, either is damaged, the index compares embeddings,
            `neighbours` is less than 1, or RDKit cannot read a molecule.
    """
    source, index, output = Path(source), Path(index), Path(output)
    require_free(output)
    if neighbours < 1:
        raise ValueError(f"neighbours is {neighbours}. It must be at least 1.")
    opened = NeighbourIndex.open(index)
    if opened.embeddings is not None:
        raise ValueError(f"{index} compares proteins by embeddings. Rows are made with an index that needs no model.")
    files = split_files(source)
    if not files:
        raise ValueError(f"{source} is not the folder of a set. `biomedgpt data` builds one.")
    rows = (row for paths in files.values() for path in paths for row in read_set_rows(path))
    found = _find([row_items(row) for row in rows], index, neighbours, processes, progress)
    described = [describe_source(source), describe_source(index / MANIFEST, "evidence")]
    options = {"neighbours": neighbours, "limited_by_length": fits is not None}
    counts: Counter[str] = Counter()
    name = f"{source.resolve().name} with evidence"
    with DatasetWriter(output, name=name, description=DESCRIPTION, sources=described, options=options) as writer:
        for split, paths in files.items():
            for row in chain.from_iterable(map(read_set_rows, paths)):
                writer.count_read()
                writer.write(split, _with_evidence(row, found, neighbours, fits, counts))
        writer.notes = {note: number for note, number in counts.items() if number}
    return writer.manifest


def row_items(row: Row) -> list[tuple[str, str]]:
    """Return the modality and the value of each item of a row that an index can compare, each once."""
    blocks = (block for message in to_conversation(row) for block in message["content"])
    return list(dict.fromkeys((block["type"], block[block["type"]]) for block in blocks if block["type"] in KEYS))


def _find(items: Sequence[Sequence[tuple[str, str]]], index: Path, k: int, processes: int, progress: bool) -> Found:
    """Return the nearest known items of each row's items, some more than wanted where a row has several."""
    more = max(map(len, items), default=0)  # those that are the row's other items do not count
    found: dict[tuple[str, str], Sequence[Neighbour]] = {}
    for modality in KEYS:
        wanted = list(dict.fromkeys(item for of_row in items for name, item in of_row if name == modality))
        looked_at = (k + max(0, more - 1)) * WIDER
        near = nearest_of_many(index, modality, wanted, looked_at, exclude_same=True, processes=processes)
        bar = tqdm(near, desc=f"{modality}s", total=len(wanted), unit="", disable=None if progress else True)
        found |= {(modality, item): neighbours for item, neighbours in zip(wanted, bar, strict=True)}
    return found


def _with_evidence(row: Row, found: Found, k: int, fits: Callable[[Row], bool] | None, counts: Counter[str]) -> Row:
    items = row_items(row)
    known = list(_others(items, found, k, question_about_items(row["messages"])))
    messages, told = with_fitting_evidence(
        row["messages"], known, lambda messages: fits is None or fits({**row, "messages": messages})
    )
    counts["without evidence"] += not told
    counts["without some of the known items, for want of room or of words about them"] += len(told) < len(known)
    sources = dict.fromkeys([row["source"], *(one.source for one in told)])
    licenses = dict.fromkeys([row["license"], *(one.license for one in told)])
    return {**row, "messages": messages, "source": ", ".join(sources), "license": " AND ".join(licenses)}


def _others(items: Sequence[tuple[str, str]], found: Found, k: int, question: str) -> Iterator[Neighbour]:
    """Yield the k known items of each item that tell most about a question and are none of the others, each once."""
    own = {(modality, KEYS[modality](item)) for modality, item in items} if len(items) > 1 else set()
    seen: set[tuple[str, str]] = set()
    for name in items:
        others = [one for one in found[name] if not own or (one.modality, KEYS[one.modality](one.item)) not in own]
        for one in answering_first(question, others, k):
            if (one.modality, one.item) not in seen:
                seen.add((one.modality, one.item))
                yield one
