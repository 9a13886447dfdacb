"""Captions of molecules: ChEBI-20 (MolT5's files) and definitions from ChEBI ontology modules.

    biomedgpt data chebi20 train.txt validation.txt test.txt --output DIR
    biomedgpt data chebi20 validation.txt chebi_import.obo --exclude test.txt --output DIR

ChEBI-20 (Edwards et al. 2021; files of Edwards et al. 2022, https://github.com/blender-nlp/MolT5):
tab-separated, header CID SMILES description, no quoting, every backslash of a SMILES doubled. The
file's name is its split. ChEBI (Hastings et al. 2016) as OBO: terms with a definition and a
structure. Both are CC BY 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from biomedgpt_hf.data.obo import read_terms
from biomedgpt_hf.data.schema import question_row
from biomedgpt_hf.data.sources import describe_source, read_lines, split_of_hash
from biomedgpt_hf.data.structure_key import structure_key
from biomedgpt_hf.data.writer import DatasetWriter, RejectedRecord
from biomedgpt_hf.processors.molecular_graph import smiles_to_graph

CAPTION_QUESTION = "Please describe this molecule."  # paper, §4.2
DEFINITION_QUESTION = "Please define this molecule."
QUESTIONS = {"molecule_caption": CAPTION_QUESTION, "molecule_definition": DEFINITION_QUESTION}
LICENSE = "CC-BY-4.0"
SPLIT_NAMES = {"train": "train", "validation": "validation", "valid": "validation", "test": "test"}
# How ChEBI-20 turned a definition into a caption: "A quinolone that …" → "The molecule is a …".
LOWERED = re.compile(r"(?:An?|The|Zwitterionic|Conjugate|(?:Di|Tri|Tetra|Penta)(?:an|cat)ion)\s")
CITATION = (
    "Edwards, Zhai, Ji: Text2Mol (EMNLP 2021) and Edwards et al.: MolT5 (EMNLP 2022); "
    "Hastings et al.: ChEBI in 2016 (Nucleic Acids Research 44, D1214)."
)


class Caption(NamedTuple):
    """One described molecule of a source file; `problem` is why it cannot be used, or ""."""

    file: str
    line: int
    id: str
    molecule: str
    text: str
    task: str
    source: str
    split: str | None
    problem: str = ""


def read_captions(path: Path) -> Iterator[Caption]:
    """Yield the captions of a MolT5 file or an OBO module, plain or .gz; the format is recognised.

    Ontology terms without a definition or a structure are no captions and are passed over.

    Raises:
        OSError: see `sources.read_lines`.
        ValueError: the first line fits neither format, or the file is empty or not UTF-8.
    """
    path = Path(path)
    lines = read_lines(path)
    number, first = next(lines)
    columns = [column.lower() for column in first.split("\t")]
    if columns == ["cid", "smiles", "description"]:
        yield from _read_table(path, lines)
    elif first.startswith("format-version:"):
        yield from _read_ontology(path, chain([(number, first)], lines))
    else:
        raise ValueError(
            f"{path}, line 1: {first[:60]!r} is neither the header of a ChEBI-20 file (CID, "
            "SMILES, description, tab-separated) nor the first line of an OBO file (format-version: …)."
        )


def _read_table(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Caption]:
    split = _own_split(path)
    for number, line in lines:
        cells = line.split("\t")
        problem = "" if len(cells) == 3 else f"{len(cells)} columns instead of 3"
        cid, smiles, text = (*cells, "", "")[:3]
        yield Caption(
            path.name,
            number,
            f"CID:{cid}",
            smiles.strip().replace("\\\\", "\\"),
            " ".join(text.split()),
            "molecule_caption",
            "ChEBI-20",
            split,
            problem,
        )


def _read_ontology(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Caption]:
    for term in read_terms(lines):
        structure = term.structure()
        if structure and term.definition and not term.obsolete:
            yield Caption(
                path.name,
                term.line,
                term.id,
                structure,
                definition_as_caption(term.definition),
                "molecule_definition",
                "ChEBI",
                None,
            )


def definition_as_caption(definition: str) -> str:
    """Return a ChEBI definition in ChEBI-20's wording, "The molecule is a …", where it has a place.

    Definitions that open with a name or with "Any" stay as they are.
    """
    text = " ".join(definition.split())
    if LOWERED.match(text):
        text = f"The molecule is {text[0].lower()}{text[1:]}"
    return text if text.endswith((".", "!", "?")) else text + "."


def caption_row(caption: Caption, question: str | None = None) -> dict[str, Any]:
    """Return the row of a caption; `question` defaults to its task's entry in `QUESTIONS`."""
    return question_row(
        question or QUESTIONS[caption.task],
        caption.text,
        molecules=[caption.molecule],
        task=caption.task,
        source=caption.source,
        id=caption.id,
        license=LICENSE,
    )


def check_caption(caption: Caption, excluded: set[str], seen: set[str]) -> str:
    """Return the structure key of a usable caption.

    Args:
        caption: what was read.
        excluded: structure keys that must not occur.
        seen: identifiers and structures with their text met so far; a usable caption's are added.

    Raises:
        RejectedRecord: the caption cannot be used.
    """
    if caption.problem:
        raise RejectedRecord("malformed line", caption.problem)
    if not caption.text:
        raise RejectedRecord("no caption")
    try:
        smiles_to_graph(caption.molecule)
        key = structure_key(caption.molecule)
    except ValueError as error:
        raise RejectedRecord("unreadable molecule", str(error)) from error
    if key in excluded:
        raise RejectedRecord("in an excluded file", key)
    # Stereoisomers with one text: rows of an official split stay as they are.
    marks = (caption.id,) if caption.split else (caption.id, f"{key} {caption.text}")
    for mark in marks:
        if mark in seen:
            raise RejectedRecord("duplicate", mark)
    seen.update(marks)
    return key


def structure_keys(paths: Iterable[Path]) -> set[str]:
    """Return the structure keys of the molecules in files that `read_captions` reads.

    Molecules that RDKit cannot read have none; they are never kept in a set either.
    """
    keys = set()
    for caption in chain.from_iterable(map(read_captions, paths)):
        with suppress(ValueError):
            keys.add(structure_key(caption.molecule))
    return keys


def build(
    sources: Sequence[Path],
    output: Path,
    exclude: Sequence[Path] = (),
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Build a caption set in `output`.

    A ChEBI-20 file named train, validation or test keeps that split. Everything else is split
    8:1:1 by a hash of its structure key, so all captions of a molecule stay together; beside such
    a file, captions without a split go to train, unless their molecule is in a validation or test
    file. Terms found in several modules are kept once.

    Args:
        sources: MolT5 files and OBO modules, plain or .gz.
        output: folder to make.
        exclude: files of the same formats; no molecule with a structure key of theirs is kept.
        seed: chooses another split by hash.
        progress: show a progress bar.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: as `read_captions` and `DatasetWriter`.
    """
    described = [{**describe_source(path), "role": "rows"} for path in sources]
    described += [{**describe_source(path), "role": "exclusion"} for path in exclude]
    excluded = structure_keys(exclude)
    # Files with a split of their own first: the others have to respect their molecules.
    ordered = sorted(sources, key=lambda path: _own_split(path) is None)
    choose_split = _split_chooser(ordered, seed)
    seen: set[str] = set()
    with DatasetWriter(
        output,
        name="ChEBI captions",
        description="Molecules and what ChEBI says about them, for molecule question answering.",
        sources=described,
        options={"seed": seed},
        citation=CITATION,
    ) as writer:
        captions = chain.from_iterable(map(read_captions, ordered))
        for caption in tqdm(captions, desc="captions", disable=None if progress else True):
            writer.count_read()
            try:
                key = check_caption(caption, excluded, seen)
                writer.write(choose_split(caption, key), caption_row(caption))
            except RejectedRecord as rejected:
                place = {"source": caption.file, "line": caption.line, "id": caption.id}
                writer.reject(rejected.reason, **place, detail=rejected.detail)
    return writer.manifest


def _own_split(path: Path) -> str | None:
    return SPLIT_NAMES.get(Path(path).name.split(".")[0].lower())


def _split_chooser(sources: Sequence[Path], seed: int) -> Callable[[Caption, str], str]:
    """Return the function (caption, structure key) → split; it rejects what has no place."""
    official = any(map(_own_split, sources))
    held_out: set[str] = set()

    def choose(caption: Caption, key: str) -> str:
        if caption.split is None and not official:
            return split_of_hash(seed, key)
        if caption.split is None and key in held_out:
            raise RejectedRecord("in a validation or test file", key)
        split = caption.split or "train"
        if split != "train":
            held_out.add(key)
        return split

    return choose
