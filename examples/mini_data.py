"""What the embedded checkpoint learns from, and what is known beside it, from a folder of raw public files.

    python examples/mini_data.py RAW DIR

Reads   RAW/captions (ChEBI-20's validation file, modules of the ChEBI ontology, its classes, IUPAC names of PubChem)
        and RAW/proteins (Swiss-Prot entries, yeast, DeepLoc, Prokka's files): only what may be redistributed
        (CC BY 4.0, CC0, public domain)
Leaves  out every molecule of RAW/captions/chebi20/test.txt, stereo and salts ignored, so that the benchmark's
        molecules stay unknown; of each cluster of similar proteins, more than 20; ontologies of other formats
Writes  four sets, DIR/molecules (captions, definitions, classes, roles, origins, names), DIR/facts (computed by RDKit),
        DIR/names (IUPAC names) and DIR/proteins; DIR/names.tsv, the proteins' names; and DIR/known, the index, which is
        src/biomedgpt_hf/mini/known here
Takes   a quarter of an hour on two cores; what is there already stays
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
from biomedgpt_hf.sets.molecule_facts.builder import build_molecule_facts
from biomedgpt_hf.sets.table.builder import build_table
from biomedgpt_hf.sets.uniprotqa.builder import build_uniprotqa

CAPTIONS, TEST_CAPTIONS = "captions/chebi20/validation.txt", "captions/chebi20/test.txt"
ONTOLOGIES = (*(f"captions/chebi_ontology/*.{kind}" for kind in ("obo", "json", "owl")),)
TERMS = "captions/chebi_ontology/merged_chebi_terms.tsv.gz"
CLASSES = ("captions/chebi_classes/chebi_roberta_9384.tsv.gz", "captions/chebi_classes/class_names.tsv")
STRUCTURES = "captions/chebi20_all_cid_smiles.tsv.gz"  # all of ChEBI-20, without words
IUPAC_NAMES = "captions/pubchem_iupac/train.txt"
PROTEINS = (
    *("proteins/uniprot_flat/*", "proteins/uniprot_xml/*", "proteins/uniprot_json/*", "proteins/uniprot_tsv/*"),
    *("proteins/small_files/*.txt", "proteins/small_files/*.dat", "proteins/small_files/*.xml"),
    *("proteins/small_files/uniprot_core/*", "proteins/yeast/sgd_joined.tsv.gz"),
    *("proteins/localization/deeploc_val.fasta", "proteins/prokka/*.faa"),
)
QUESTIONS_OF_A_MOLECULE = 3  # on its facts
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


def build_facts(raw: Path, output: Path) -> None:
    """Build the set of questions that RDKit answers, about every structure."""
    ontologies = [path for path in readable(present(raw, ONTOLOGIES)) if path.suffix != ".obo"]
    sources = [*present(raw, [STRUCTURES, TERMS, CLASSES[0]]), *ontologies]
    settings = BuildSettings(exclude=(raw / TEST_CAPTIONS,))
    build_molecule_facts(sources, output, questions_per_molecule=QUESTIONS_OF_A_MOLECULE, settings=settings)


def build_names(raw: Path, output: Path) -> None:
    """Build the set of IUPAC names."""
    build_table(
        present(raw, [IUPAC_NAMES]),
        output,
        answer_column="description",
        molecule_columns=["SMILES"],
        id_column="cid",
        question="What is the IUPAC name of this molecule?",
        task="molecule_iupac_name",
        source="PubChem",
        license="CC0-1.0",
        settings=BuildSettings(exclude=(raw / TEST_CAPTIONS,)),
    )


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


BUILDERS = {"molecules": build_molecules, "facts": build_facts, "names": build_names, "proteins": build_proteins}
KNOWN = ("molecules", "proteins")  # the sets of the index


def main() -> None:
    """Build the sets and the index."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, help="folder with captions/ and proteins/")
    parser.add_argument("output", type=Path, help="folder to make")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    sets = {name: arguments.output / name for name in BUILDERS}
    for name, build in BUILDERS.items():
        if not sets[name].exists():
            build(arguments.raw, sets[name])
    names, index = arguments.output / "names.tsv", arguments.output / "known"
    write_names(sets["proteins"], names)
    if not index.exists():
        named_by = [*present(arguments.raw, [TERMS]), names]
        of_sets = [sets[name] for name in KNOWN]
        print(build_index(of_sets, index, splits=SPLITS, names=named_by, compact=True)["counts"])


if __name__ == "__main__":
    main()
