"""Captions of molecules: ChEBI-20 (MolT5's files), and captions from ChEBI ontology modules.

    biomedgpt data chebi20 train.txt validation.txt test.txt --output DIR
    biomedgpt data chebi20 validation.txt chebi.obo.gz --exclude test.txt --output DIR

ChEBI-20 (Edwards et al. 2021; files of Edwards et al. 2022, https://github.com/blender-nlp/MolT5):
tab-separated, header CID SMILES description, no quoting, every backslash of a SMILES doubled. The
file's name is its split. ChEBI-20-MM (https://github.com/AI-HPC-Research-Team/SLM4Mol): the same
molecules as CSV with more columns. ChEBI (Hastings et al. 2016) as OBO: the full release or a module
of it. All are CC BY 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set, read_each
from biomedgpt_hf.files import obo
from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError, read_lines, require_utf8
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.chebi.builder import TermRecord, compose_caption, definition_as_caption, read_ontology
from biomedgpt_hf.sets.molecules import FEATURES, checked_features, checked_molecule

CAPTION_QUESTION = "Please describe this molecule."  # paper, §4.2
DEFINITION_QUESTION = "Please define this molecule."
QUESTIONS = {"molecule_caption": CAPTION_QUESTION, "molecule_definition": DEFINITION_QUESTION}
LICENSE = "CC-BY-4.0"
COLUMNS = ("cid", "smiles", "description")
SPLIT_NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
ONTOLOGY_CAPTIONS = ("composed", "definition")
FEWEST_WORDS = 20  # of a caption without a definition; the limit that gave ChEBI-20 its name (Edwards et al. 2021)
ABOUT = About(
    "ChEBI captions",
    "Molecules and what ChEBI says about them, for molecule question answering.",
    "Edwards, Zhai, Ji: Text2Mol (EMNLP 2021) and Edwards et al.: MolT5 (EMNLP 2022); "
    "Hastings et al.: ChEBI in 2016 (Nucleic Acids Research 44, D1214).",
    task_categories=("question-answering", "text-generation"),
    language="en",
    tags=("chemistry", "biology", "molecules"),
)


class CaptionLine(NamedTuple):
    """A row of a ChEBI-20 file: its cells by column, and the file's own split."""

    cells: dict[str, str]
    split: str | None


def read_captions(path: Path) -> Iterator[Record]:
    """Yield the records of a ChEBI-20 or ChEBI-20-MM file or an OBO file, plain or .gz.

    The format is recognised by its first line. Of a table, memory holds one row; of an ontology,
    see `chebi.builder.read_ontology`.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the first line fits no format, or see `sources.read_lines`.
    """
    path = Path(path)
    lines = read_lines(path)
    first = next((line for _, line in lines if line.strip() and not line.startswith("!")), "")
    if _is_table(first.split("\t")):
        return _read_tab_separated(path)
    if _is_table(first.replace('"', "").split(",")):
        return _read_csv(path)
    if obo.is_header(first):
        return read_ontology(path)
    expected = (
        "a ChEBI-20 file (CID, SMILES and description, tab- or comma-separated) or an OBO file (format-version: …)"
    )
    raise SourceError(path, 1, "unknown format", f"{first[:60]!r} does not begin {expected}.")


def parse_caption(record: Record, ontology_captions: str = "composed", features: str = FEATURES) -> Example:
    """Return the row of a record.

    Args:
        record: one of `read_captions`.
        ontology_captions: what a term of an ontology gives, "composed" (the definition and the
            relations, as ChEBI-20 writes them) or "definition" (the definition alone).
        features: the feature set in which molecules must have a place.

    Raises:
        UnwantedRecord: the term is obsolete or no molecule, says too little about it, or has no place in the features.
        RejectedRecord: something is wrong with the record.
    """
    content = record.content
    if isinstance(content, TermRecord):
        return _term_example(record.id, content, ontology_captions, features)
    cells = content.cells
    # No two backslashes follow each other in a SMILES, so that doubled and plain ones are told apart.
    molecule = re.sub(r"\\+", r"\\", cells["smiles"].strip())
    text = plain_text(cells["description"])
    if not text:
        raise RejectedRecord("no caption")
    if not cells["cid"].strip():
        raise RejectedRecord("malformed line", "it has no CID")
    row, key = _checked_row(record.id, molecule, text, "molecule_caption", "ChEBI-20", features)
    return Example([row], (key,), content.split, (record.id,))


def build_chebi20(
    sources: Sequence[Path],
    output: Path,
    *,
    ontology_captions: str = "composed",
    features: str = FEATURES,
    settings: BuildSettings = DEFAULTS,
) -> dict[str, Any]:
    """Build a caption set in `output`.

    A ChEBI-20 file named train, validation or test keeps that split. Everything else is split
    8:1:1 by structure key; beside such a file it goes to train, unless its molecule is in a
    validation or test file. Terms found in several modules are kept once, and so are stereoisomers
    with one text; rows of an official split stay as they are.

    Args:
        sources: ChEBI-20 files and ontologies, plain or .gz.
        output: folder to make.
        ontology_captions: see `parse_caption`.
        features: "graphmvp" or "ogb": molecules without a place in it are left out.
        settings: what every builder offers.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: see `pipeline.build_set`; or `ontology_captions` or `features` is unknown.
    """
    if ontology_captions not in ONTOLOGY_CAPTIONS:
        raise ValueError(f"ontology_captions is {ontology_captions!r}: choose one of {', '.join(ONTOLOGY_CAPTIONS)}.")
    return build_set(
        output,
        about=ABOUT,
        sources=sources,
        read=lambda scratch: read_each(read_captions, sources),
        parse=partial(parse_caption, ontology_captions=ontology_captions, features=checked_features(features)),
        settings=settings,
        options={"ontology_captions": ontology_captions, "features": features},
    )


def _is_table(columns: Sequence[str]) -> bool:
    return set(COLUMNS) <= {column.strip().lower() for column in columns}


def _own_split(path: Path) -> str | None:
    """Return the split that a file's name begins with: "test.txt", "validation_rows1-500.csv"."""
    return SPLIT_NAMES.get(re.split(r"[^a-z]", path.name.lower(), maxsplit=1)[0])


def _read_tab_separated(path: Path) -> Iterator[Record]:
    split = _own_split(path)
    columns: list[str] = []
    for number, line in read_lines(path):
        cells = line.split("\t")
        if not line.strip():
            continue
        if not columns:
            columns = [column.strip().lower() for column in cells]
        elif len(cells) != len(columns):
            problem = RejectedRecord("malformed line", f"{len(cells)} columns instead of {len(columns)}")
            yield Record(path.name, number, f"CID:{cells[0].strip()}", problem=problem)
        else:
            yield _table_record(path, number, dict(zip(columns, cells, strict=True)), split)


def _read_csv(path: Path) -> Iterator[Record]:
    split = _own_split(path)
    named = {column.lower(): column for column in open_table(path, []).columns}
    for row in open_table(path, [named[column] for column in COLUMNS]).rows:
        if row.problem:
            yield Record(path.name, row.line, problem=row.problem)
        else:
            yield _table_record(path, row.line, {name: row.cells[named[name]] for name in COLUMNS}, split)


def _table_record(path: Path, line: int, cells: dict[str, str], split: str | None) -> Record:
    content = CaptionLine({name: cells[name] for name in COLUMNS}, split)
    return Record(path.name, line, f"CID:{cells['cid'].strip()}", content)


def _term_example(identifier: str, content: TermRecord, ontology_captions: str, features: str) -> Example:
    term = obo.parse_term(content.lines)
    structure = term.structure()
    if term.obsolete:
        raise UnwantedRecord("obsolete")
    if not identifier.startswith("CHEBI:"):
        raise UnwantedRecord("not a term of ChEBI")
    if not structure:
        raise UnwantedRecord("no structure", f"{term.name or identifier} is a class, a role, or drawn nowhere")
    text, task, notes = definition_as_caption(term.definition), "molecule_definition", list[str]()
    if ontology_captions == "composed":
        text, nameless = compose_caption(term, content.names)
        task = "molecule_caption"
        notes = ["relation left out: its target is obsolete or has no name"] * len(nameless)
    if not term.definition and len(text.split()) < FEWEST_WORDS:
        raise UnwantedRecord("no definition", text)
    row, key = _checked_row(identifier, structure, text, task, "ChEBI", features)
    return Example([row], (key,), None, (identifier, f"{key} {text}"), tuple(notes))


def _checked_row(
    id: str, molecule: str, text: str, task: str, source: str, features: str
) -> tuple[dict[str, Any], str]:
    """Return a row and its molecule's structure key.

    Raises:
        RejectedRecord, UnwantedRecord: see `checked_molecule`.
    """
    key = checked_molecule(require_utf8(molecule), features)
    row = question_row(
        QUESTIONS[task], text, molecules=[molecule], task=task, source=source, id=id, license=LICENSE
    )  # fmt: skip
    return row, key
