"""The training sets of the embedded `mini` checkpoint, from a folder of raw public files.

    python examples/mini_data.py RAW DIR

Reads   RAW/captions/chebi20/validation.txt, RAW/captions/chebi_ontology/*.obo and the Swiss-Prot
        flat files under RAW/proteins: only sources whose licence (CC BY 4.0) allows redistribution.
Leaves  out every molecule of RAW/captions/chebi20/test.txt, stereo and salts ignored.
Writes  DIR/captions and DIR/proteins, for `datasets.load_dataset`, each with the splits train and
        validation. A molecule (by structure key) and a cluster of similar proteins are on one side.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from biomedgpt_hf.building.examples import Example, Rejection
from biomedgpt_hf.building.writer import DatasetWriter
from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.sets.chebi20 import builder as chebi20
from biomedgpt_hf.sets.uniprotqa import builder as uniprotqa
from biomedgpt_hf.similarity.protein_clusters import protein_clusters

CAPTIONS = ("captions/chebi20/validation.txt", "captions/chebi_ontology/*.obo")
TEST_CAPTIONS = ("captions/chebi20/test.txt",)
PROTEINS = (
    "proteins/uniprot_flat/swissprot*.dat",
    "proteins/small_files/*.txt",
    "proteins/small_files/*.dat",
    "proteins/small_files/uniprot_core/*",
)
PROTEIN_QUESTIONS = ("function", "names", "family", "location")
VALIDATION_MOLECULES = 500
VALIDATION_PROTEINS = 0.1
# Half of the training rows ask in other words than the paper, so that the answer does not hang on
# one sentence. Validation always asks as the paper does.
PARAPHRASES = {
    "molecule_caption": (
        "Describe this molecule.",
        "What is this molecule?",
        "Tell me about this molecule.",
        "What is known about this molecule?",
    ),
    "molecule_definition": ("Define this molecule.", "How is this molecule defined?"),
    "protein_function": (
        "What does this protein do?",
        "Please describe the function of this protein.",
    ),
    "protein_names": ("What is this protein called?", "What is the name of this protein?"),
    "protein_family": (
        "Which protein family does this protein belong to?",
        "What is the family of this protein?",
    ),
    "protein_location": (
        "Where in the cell is this protein found?",
        "Where is this protein located?",
    ),
}


def find(raw: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files under `raw` that match, in a fixed order; each pattern must match one."""
    found = []
    for pattern in patterns:
        paths = sorted(path for path in raw.glob(pattern) if path.is_file())
        if not paths:
            raise FileNotFoundError(f"{raw / pattern}: there is no such file.")
        found += paths
    return found


def paraphrased(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return the row, in half of the cases with its question in other words."""
    if chance.random() < 0.5:
        row["messages"][0]["content"][-1]["text"] = chance.choice(PARAPHRASES[row["task"]])
    return row


def open_writer(
    output: Path, name: str, description: str, rows: list[Path], exclude: list[Path], seed: int
) -> DatasetWriter:
    """Return the writer of one of the two sets."""
    sources = [{**describe_source(path), "role": "rows"} for path in rows]
    sources += [{**describe_source(path), "role": "exclusion"} for path in exclude]
    return DatasetWriter(output, name=name, description=description, sources=sources, options={"seed": seed})


def read_captions(paths: Iterable[Path]) -> Iterator[Record]:
    """Yield the rows of caption files, and the terms of ontologies put together."""
    with TemporaryDirectory() as scratch:
        yield from chebi20.read_captions(list(paths), Path(scratch), progress=False)


def structure_keys(paths: Iterable[Path]) -> set[str]:
    """Return the structure keys of the molecules in caption files."""
    keys: set[str] = set()
    for record in read_captions(paths):
        with suppress(RejectedRecord):
            keys.update(parse_record(record).keys)
    return keys


def parse_record(record: Record) -> Example:
    """Return what a caption gives, of ontologies the definition; raise RejectedRecord if nothing."""
    if record.problem:
        raise record.problem
    return chebi20.parse_caption(record, ["definition"], fewest_heavy_atoms=0, generic=True)


def parse_caption(record: Record, excluded: set[str], seen: set[str]) -> Example:
    """Return what a new caption gives, and add its marks to those seen.

    Raises:
        RejectedRecord: it is faulty, excluded, or there already.
    """
    example = parse_record(record)
    if example.keys[0] in excluded:
        raise UnwantedRecord("in an excluded file", example.keys[0])
    for mark in example.marks:
        if mark in seen:
            raise UnwantedRecord("duplicate", mark)
    seen.update(example.marks)
    return example


def build_captions(raw: Path, output: Path, seed: int) -> dict[str, Any]:
    """Write the captions; one of each held-out molecule, and all of the others'."""
    sources, exclude = find(raw, CAPTIONS), find(raw, TEST_CAPTIONS)
    excluded = structure_keys(exclude)
    chance = random.Random(seed)
    captions: dict[str, list[tuple[Record, dict[str, Any]]]] = defaultdict(list)
    seen: set[str] = set()
    description = "Molecules described in ChEBI's words, the molecules of ChEBI-20's test left out."
    with open_writer(output, "mini: captions", description, sources, exclude, seed) as writer:
        for record in read_captions(sources):
            writer.count_read()
            try:
                example = parse_caption(record, excluded, seen)
                captions[example.keys[0]].append((record, example.rows[0]))
            except RejectedRecord as rejected:
                place = (record.file, record.line, record.id)
                faulty = not isinstance(rejected, UnwantedRecord)
                writer.reject(Rejection(*place, rejected.reason, rejected.detail, faulty))
        candidates = sorted(key for key, group in captions.items() if group[0][1]["task"] == "molecule_caption")
        held_out = set(chance.sample(candidates, VALIDATION_MOLECULES))
        for key, group in captions.items():
            if key in held_out:
                writer.write("validation", group[0][1])
                for record, _ in group[1:]:
                    place = (record.file, record.line, record.id)
                    writer.reject(Rejection(*place, "another caption of a held-out molecule", key, False))
            else:
                for _, row in group:
                    writer.write("train", paraphrased(row, chance))
    return writer.manifest


def build_proteins(raw: Path, output: Path, seed: int) -> dict[str, Any]:
    """Write the four questions about each reviewed protein; similar proteins share a split."""
    sources = find(raw, PROTEINS)
    chance = random.Random(seed)
    proteins: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    description = "Questions about reviewed proteins, answered from UniProtKB/Swiss-Prot."
    with open_writer(output, "mini: proteins", description, sources, [], seed) as writer:
        for record in chain.from_iterable(map(uniprotqa.read_entries, sources)):
            writer.count_read()
            try:
                if record.id in proteins:
                    raise RejectedRecord("duplicate", record.id)
                example = uniprotqa.parse_protein(record, reviewed_only=True, kinds=PROTEIN_QUESTIONS)
                proteins[record.id] = example.keys[0], example.rows
            except RejectedRecord as rejected:
                place = (record.file, record.line, record.id)
                writer.reject(Rejection(*place, rejected.reason, rejected.detail))
        sequences = {accession: sequence for accession, (sequence, _) in proteins.items()}
        held_out = hold_out(similar_proteins(sequences), VALIDATION_PROTEINS, chance)
        for accession, (_, rows) in proteins.items():
            for row in rows:
                if accession in held_out:
                    writer.write("validation", row)
                else:
                    writer.write("train", paraphrased(row, chance))
    return writer.manifest


def similar_proteins(sequences: dict[str, str]) -> list[list[str]]:
    """Return the names of the proteins in clusters."""
    groups = defaultdict(list)
    for name, number in zip(sequences, protein_clusters(list(sequences.values())).tolist(), strict=True):
        groups[number].append(name)
    return list(groups.values())


def hold_out(groups: list[list[str]], share: float, chance: random.Random) -> set[str]:
    """Return whole groups, drawn at random, that hold about this share of the names."""
    wanted = share * sum(map(len, groups))
    held_out: set[str] = set()
    for names in chance.sample(groups, len(groups)):
        if len(held_out) + len(names) <= wanted:
            held_out.update(names)
    return held_out


def main() -> None:
    """Build both sets and show their counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw", type=Path, help="folder with captions/ and proteins/")
    parser.add_argument("output", type=Path, help="folder to make")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, build in (("captions", build_captions), ("proteins", build_proteins)):
        manifest = build(arguments.raw, arguments.output / name, arguments.seed)
        print(name, manifest["counts"])


if __name__ == "__main__":
    main()
