"""Known proteins by embeddings of a protein encoder, as `biomedgpt embed` writes them, compared by cosine.

Shape letters:  N known proteins   D width of an embedding   B proteins that are looked for
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from biomedgpt_hf.disk.paths import existing_file
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.similarity.proteins import require_sequences, sequence_digests
from biomedgpt_hf.similarity.ranking import SAME, Hit, best, to_hits

ABOUT = ("checkpoint", "commit", "digest", "level", "features", "dtype")  # facts that a file tells of its embeddings
LEVEL = "pooled"  # one embedding for each protein
ROWS = 4_096  # rows that are read and compared at a time
CELLS = 2**23  # similarities that memory holds at a time

Block = tuple[list[str], np.ndarray]  # sequences, their embeddings [rows, D]


def embedding_tensors(path: Path, proteins: Sequence[str]) -> tuple[dict[str, np.ndarray], list[int], dict[str, str]]:
    """Return the tensors and facts that an index keeps of a file of embeddings.

    Args:
        path: Parquet or safetensors, recognised by its content. Rows without an embedding are skipped, and so are
            embeddings that are zero or not finite. Of several embeddings of one sequence, the first counts.
        proteins: the known sequences.

    Returns:
        The tensors "embeddings", float16 [N, D], and "identities", uint64 [N]; the N positions of the `proteins` that
        have embeddings; and the facts of `ABOUT` that the file tells.

    Raises:
        OSError: the file is missing.
        SourceError: it is corrupt, or holds no embeddings, or none of these proteins.
    """
    places = {int(one): place for place, one in enumerate(sequence_digests(proteins))}
    found: dict[int, np.ndarray] = {}
    about, blocks = _open(existing_file(path))
    for items, embeddings in blocks:
        embeddings = embeddings.astype(np.float16)
        usable = np.isfinite(embeddings).all(axis=1) & (embeddings != 0).any(axis=1)
        for row, one in enumerate(sequence_digests(items).tolist()):
            if usable[row] and one in places:
                found.setdefault(places[one], embeddings[row])
    if not found:
        raise SourceError(path, 0, "no embeddings", "has no embedding of a protein of these sets.")
    kept = sorted(found)
    identities = sequence_digests([proteins[place] for place in kept])
    return {"embeddings": np.stack([found[place] for place in kept]), "identities": identities}, kept, about


def measure(about: Mapping[str, str]) -> str:
    """Return the meaning of similarity, in words."""
    checkpoint = about.get("checkpoint")
    return "cosine similarity of protein embeddings" + (f" ({checkpoint})" if checkpoint else "")


def _open(path: Path) -> tuple[dict[str, str], Iterator[Block]]:
    """Return the facts that a file tells of its embeddings, and the embeddings in blocks."""
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    try:
        about, blocks = _open_parquet(path) if is_parquet else _open_safetensors(path)
    except (pa.ArrowException, SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise _no_embeddings(path, f"({' '.join(str(error).split())})") from error
    if about.get("level", LEVEL) != LEVEL:
        raise _no_embeddings(path, f"(level {about['level']}, and {LEVEL} is needed)")
    return about, blocks


def _no_embeddings(path: Path, reason: str) -> SourceError:
    detail = (
        f"cannot be read as embeddings of proteins {reason}. `biomedgpt embed` writes them, Parquet or safetensors."
    )
    return SourceError(path, 0, "no embeddings", detail)


def _open_parquet(path: Path) -> tuple[dict[str, str], Iterator[Block]]:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        if not {"item", "embedding"} <= set(schema.names):
            raise KeyError(f"no columns item and embedding, but {', '.join(schema.names)}")
        if not pa.types.is_fixed_size_list(schema.field("embedding").type):
            raise TypeError(f"its column embedding is {schema.field('embedding').type}, not a list of fixed size")
    metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    return {name: metadata[name] for name in ABOUT if name in metadata}, _parquet_blocks(path)


def _parquet_blocks(path: Path) -> Iterator[Block]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=["item", "embedding"]):
            batch = batch.filter(pa.compute.and_(batch["item"].is_valid(), batch["embedding"].is_valid()))
            values = batch["embedding"].flatten().to_numpy(zero_copy_only=False)
            yield batch["item"].to_pylist(), values.reshape(batch.num_rows, -1)


def _open_safetensors(path: Path) -> tuple[dict[str, str], Iterator[Block]]:
    with safe_open(path, "numpy") as file:
        metadata = file.metadata() or {}
        shape = file.get_slice("embeddings").get_shape()
    items = json.loads(metadata["items"])
    if not isinstance(items, list) or len(shape) != 2 or len(items) != shape[0]:
        raise TypeError(f"embeddings {shape} for {len(items)} items")
    return {name: metadata[name] for name in ABOUT if name in metadata}, _safetensors_blocks(path, items)


def _safetensors_blocks(path: Path, items: list[str]) -> Iterator[Block]:
    with safe_open(path, "numpy") as file:
        embeddings = file.get_slice("embeddings")
        for start in range(0, len(items), ROWS):
            stop = min(start + ROWS, len(items))  # safetensors raises an error for rows after the last one
            yield items[start:stop], embeddings[start:stop]


class EmbeddingSearch:
    """Finds the nearest known proteins. The embeddings stay on the disk and are read block by block.

    Args:
        path: safetensors file of `embedding_tensors`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with safe_open(path, "numpy") as file:
            self._identities = file.get_tensor("identities")
            self._width = file.get_slice("embeddings").get_shape()[1]
        self._hidden = np.zeros(len(self._identities), bool)

    def forget(self, proteins: Sequence[str]) -> int:
        """Find these sequences no more. Return how many known ones that are."""
        before = int(self._hidden.sum())
        self._hidden |= np.isin(self._identities, sequence_digests(proteins))
        return int(self._hidden.sum()) - before

    def search(self, proteins: Sequence[str], embeddings: np.ndarray, k: int, exclude_same: bool) -> list[list[Hit]]:
        """Return up to k hits for each sequence with its embedding, the same one first.

        Args:
            embeddings: embeddings of the sequences by the encoder of the index, any floating type [B, D].

        Raises:
            ValueError: a sequence is blank, an embedding is zero or not finite, or the shape is wrong.
        """
        require_sequences(proteins)
        wanted = self._require_embeddings(proteins, embeddings)
        identities = sequence_digests(proteins)
        hits: list[list[Hit]] = []
        rows = max(1, CELLS // len(self._identities))
        for start in range(0, len(proteins), rows):
            for scores in self._cosines(wanted[start : start + rows]):
                scores[self._identities == identities[len(hits)]] = 0 if exclude_same else SAME
                scores[self._hidden] = 0
                hits.append(to_hits(best(scores, k), scores))
        return hits

    def _require_embeddings(self, proteins: Sequence[str], embeddings: np.ndarray) -> np.ndarray:
        wanted = np.asarray(embeddings, dtype=np.float32)
        if wanted.shape != (len(proteins), self._width):
            expected = f"({len(proteins)}, {self._width})"
            raise ValueError(f"The embeddings have shape {wanted.shape}, and these proteins and this index {expected}.")
        lengths = np.linalg.norm(wanted, axis=1, keepdims=True)
        unusable = np.flatnonzero(~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0))
        if len(unusable):
            raise ValueError(f"The embedding of protein {unusable[0]} is zero or not finite: nothing is near to it.")
        return wanted / lengths

    def _cosines(self, wanted: np.ndarray) -> np.ndarray:
        """Return the cosine of each embedding (of length 1) and each known one, at most 1, float32 [B, N]."""
        cosines = np.empty((len(wanted), len(self._identities)), np.float32)
        with safe_open(self._path, "numpy") as file:
            known = file.get_slice("embeddings")
            for start in range(0, len(self._identities), ROWS):
                stop = min(start + ROWS, len(self._identities))
                block = known[start:stop].astype(np.float32)
                block /= np.linalg.norm(block, axis=1, keepdims=True)
                cosines[:, start:stop] = wanted @ block.T
        return cosines.clip(max=1)
