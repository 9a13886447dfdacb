"""The index of known items beside the embedded checkpoint, from a folder of raw public files.

    python examples/mini_known.py RAW DIR

Reads   RAW/captions (ChEBI-20's validation file, modules of the ChEBI ontology, its classes) and RAW/proteins
        (Swiss-Prot entries, yeast, DeepLoc, Prokka's files): only what may be redistributed (CC BY 4.0, public domain)
Leaves  out every molecule of RAW/captions/chebi20/test.txt, stereo and salts ignored, so that the benchmark's
        molecules stay unknown; of each cluster of similar proteins, more than 20; ontologies of other formats
Writes  DIR/molecules and DIR/proteins, two sets, DIR/names.tsv, the proteins' names, and DIR/known, the index, which
        is src/biomedgpt_hf/mini/known here
Takes   a few minutes on two cores
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Iterable
from pathlib import Path

from datasets import load_dataset

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.building.repetitions import DROP
from biomedgpt_hf.files.ontologies.formats import ontology_reader
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.rows.schema import SPLITS
from biomedgpt_hf.sets.chebi20.builder import build_chebi20
from biomedgpt_hf.sets.uniprotqa.builder import build_uniprotqa

CAPTIONS, TEST_CAPTIONS = "captions/chebi20/validation.txt", "captions/chebi20/test.txt"
ONTOLOGIES = (*(f"captions/chebi_ontology/*.{kind}" for kind in ("obo", "json", "owl")),)
TERMS = "captions/chebi_ontology/merged_chebi_terms.tsv.gz"
CLASSES = ("captions/chebi_classes/chebi_roberta_9384.tsv.gz", "captions/chebi_classes/class_names.tsv")
PROTEINS = (
    *("proteins/uniprot_flat/*", "proteins/uniprot_xml/*", "proteins/uniprot_json/*", "proteins/uniprot_tsv/*"),
    *("proteins/small_files/*.txt", "proteins/small_files/*.dat", "proteins/small_files/*.xml"),
    *("proteins/small_files/uniprot_core/*", "proteins/yeast/sgd_joined.tsv.gz"),
    *("proteins/localization/deeploc_val.fasta", "proteins/prokka/*.faa"),
)
OF_A_CLUSTER = 20  # one family of beta-lactamases would fill a fifth of the index


def present(raw: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files under `raw` that match, in a fixed order, and tell of patterns that none does."""
    found: list[Path] = []
    for pattern in patterns:
        paths = sorted(path for path in raw.glob(pattern) if path.is_file())
        if not paths:
            print(f"Passed over: {raw / pattern}, no such file")
        found += paths
    return found


def readable(paths: Iterable[Path]) -> list[Path]:
    """Return the ontologies among the files whose format is read, and tell of the others."""
    found = []
    for path in paths:
        try:
            if ontology_reader(path) is not None:
                found.append(path)
        except SourceError as error:
            print(f"Passed over: {error}")
    return found


def build_molecules(raw: Path, output: Path) -> None:
    """Build the set of captions, definitions, classes, roles, origins and names."""
    # Under another name, since a file of that name would be a split, and terms of its molecules left out.
    captions = output.with_name("captions.txt")
    shutil.copyfile(raw / CAPTIONS, captions)
    sources = [captions, *readable(present(raw, ONTOLOGIES)), *present(raw, [TERMS, *CLASSES])]
    settings = BuildSettings(exclude=(raw / TEST_CAPTIONS,))
    build_chebi20(sources, output, ontology_captions="all", features="ogb", settings=settings)


def build_proteins(raw: Path, output: Path) -> None:
    """Build the set of questions about proteins."""
    settings = BuildSettings(duplicates=DROP, by_similarity=True, max_per_cluster=OF_A_CLUSTER)
    build_uniprotqa(present(raw, PROTEINS), output, settings=settings)


def write_names(proteins: Path, output: Path) -> None:
    """Write a table of the names that a set of proteins tells, by accession."""
    told: dict[str, str] = {}
    for split in load_dataset(str(proteins)).values():
        for row in split.filter(lambda task: task == "protein_names", input_columns="task"):
            name = row["messages"][-1]["content"][0]["text"].partition(". Also known as")[0]
            told.setdefault(row["id"].partition(":")[0], name.removesuffix("."))
    with output.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("id", "name"), *told.items()])


def main() -> None:
    """Build both sets and the index; what is there already stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, help="folder with captions/ and proteins/")
    parser.add_argument("output", type=Path, help="folder to make")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    sets = {name: arguments.output / name for name in ("molecules", "proteins")}
    for name, build in (("molecules", build_molecules), ("proteins", build_proteins)):
        if not sets[name].exists():
            build(arguments.raw, sets[name])
    names = [*present(arguments.raw, [TERMS]), arguments.output / "names.tsv"]
    write_names(sets["proteins"], names[-1])
    manifest = build_index(list(sets.values()), arguments.output / "known", splits=SPLITS, names=names, compact=True)
    print(manifest["counts"])


if __name__ == "__main__":
    main()
