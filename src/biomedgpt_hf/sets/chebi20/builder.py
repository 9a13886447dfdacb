"""Captions of molecules: ChEBI-20 (MolT5's files), and what ChEBI's ontology says beside them.

    biomedgpt data chebi20 train.txt validation.txt test.txt --output DIR
    biomedgpt data chebi20 validation.txt chebi.obo.gz --exclude test.txt --output DIR

ChEBI-20 (Edwards et al. 2021; files of Edwards et al. 2022, https://github.com/blender-nlp/MolT5):
tab-separated, header CID SMILES description, no quoting, every backslash of a SMILES doubled. The
file's name is its split. ChEBI-20-MM (https://github.com/AI-HPC-Research-Team/SLM4Mol): the same
molecules as CSV with more columns. ChEBI (Hastings et al. 2016) as an ontology: see `sets.chebi`.
All are CC BY 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set, read_each
from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.ontologies.formats import EXPECTED_ONTOLOGY, ontology_reader
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError, read_lines, require_utf8
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.chebi.builder import CAPTION, FEWEST_HEAVY_ATOMS, LICENSE, checked_forms, parse_term
from biomedgpt_hf.sets.chebi.merging import TermRecord, read_merged
from biomedgpt_hf.sets.molecules import FEATURES, checked_features, checked_molecule

COLUMNS = ("cid", "smiles", "description")
SPLIT_NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
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


def read_captions(sources: Sequence[Path], scratch: Path, progress: bool = True) -> Iterator[Record]:
    """Yield the records of ChEBI-20 and ChEBI-20-MM files, and then the terms of all ontologies, put together.

    A file that cannot be read (further) gives a record that says so. Of a table, memory holds one row; of ontologies,
    see `merging.read_merged`.

    Args:
        sources: files, plain or .gz.
        scratch: folder for what ontologies say, until it is put together.
        progress: show a progress bar (only on a terminal).

    Raises:
        OSError: see `sources.open_source`.
    """
    ontologies = [Path(source) for source in sources if _is_ontology(Path(source))]
    yield from read_each(read_table, (source for source in map(Path, sources) if source not in ontologies))
    if ontologies:
        yield from read_merged(ontologies, scratch, progress)


def read_table(path: Path) -> Iterator[Record]:
    """Yield the rows of a ChEBI-20 or ChEBI-20-MM file, plain or .gz.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is something else, or see `sources.read_lines`.
    """
    first = _first_line(path)
    if _is_table(first.split("\t")):
        return _read_tab_separated(path)
    if _is_table(first.replace('"', "").split(",")):
        return _read_csv(path)
    ontology_reader(path)  # tells which format of ontologies it is, if it is one
    expected = f"a ChEBI-20 file (CID, SMILES and description, tab- or comma-separated); {EXPECTED_ONTOLOGY}"
    raise SourceError(path, 1, "unknown format", f"{first[:60]!r} does not begin {expected}.")


def parse_caption(
    record: Record,
    forms: Sequence[str] = ("composed",),
    fewest_heavy_atoms: int = FEWEST_HEAVY_ATOMS,
    generic: bool = False,
    features: str = FEATURES,
) -> Example:
    """Return the rows of a record.

    Args:
        record: one of `read_captions`.
        forms, fewest_heavy_atoms, generic: what a term of an ontology gives, see `chebi.builder.parse_term`.
        features: the feature set in which molecules must have a place.

    Raises:
        UnwantedRecord: see `chebi.builder.parse_term`; or the molecule has no place in the features.
        RejectedRecord: something is wrong with the record.
    """
    if isinstance(record.content, TermRecord):
        return parse_term(record, forms, fewest_heavy_atoms, generic, features)
    cells = record.content.cells
    # No two backslashes follow each other in a SMILES, so that doubled and plain ones are told apart.
    molecule = re.sub(r"\\+", r"\\", cells["smiles"].strip())
    text = plain_text(cells["description"])
    if not text:
        raise RejectedRecord("no caption")
    if not cells["cid"].strip():
        raise RejectedRecord("malformed line", "it has no CID")
    key = checked_molecule(require_utf8(molecule), features)
    row = question_row(
        CAPTION.question,
        text,
        molecules=[molecule],
        task=CAPTION.task,
        source="ChEBI-20",
        id=record.id,
        license=LICENSE,
    )
    return Example([row], (key,), record.content.split, (record.id,))


def build_chebi20(
    sources: Sequence[Path],
    output: Path,
    *,
    ontology_captions: str = "composed",
    fewest_heavy_atoms: int = FEWEST_HEAVY_ATOMS,
    generic: bool = False,
    features: str = FEATURES,
    settings: BuildSettings = DEFAULTS,
) -> dict[str, Any]:
    """Build a caption set in `output`.

    A ChEBI-20 file named train, validation or test keeps that split. Everything else is split
    8:1:1 by structure key; beside such a file it goes to train, unless its molecule is in a
    validation or test file. Terms found in several ontologies are put together, and of
    stereoisomers with one text one is kept; rows of an official split stay as they are.

    Args:
        sources: ChEBI-20 files and ontologies, plain or .gz.
        output: folder to make.
        ontology_captions: what is asked about a term: names of `chebi.builder.FORMS`, with commas, or "all".
        fewest_heavy_atoms: terms of smaller molecules are left out.
        generic: keep terms whose structure stands for many molecules.
        features: "graphmvp" or "ogb": molecules without a place in it are left out.
        settings: what every builder offers.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: see `pipeline.build_set`; or `ontology_captions` or `features` is unknown, or
            `fewest_heavy_atoms` is negative.
    """
    forms = checked_forms(ontology_captions)
    if fewest_heavy_atoms < 0:
        raise ValueError(f"fewest_heavy_atoms is {fewest_heavy_atoms}: give 0 to keep all molecules, or more.")
    chosen: dict[str, Any] = {
        "fewest_heavy_atoms": fewest_heavy_atoms,
        "generic": generic,
        "features": checked_features(features),
    }
    return build_set(
        output,
        about=ABOUT,
        sources=sources,
        read=lambda scratch: read_captions(sources, scratch, settings.progress),
        parse=partial(parse_caption, forms=forms, **chosen),
        settings=settings,
        options={"ontology_captions": ",".join(forms), **chosen},
    )


def _is_ontology(path: Path) -> bool:
    """Tell whether a file is an ontology that can be read; what cannot is told by `read_table`."""
    try:
        first = _first_line(path).replace('"', "")
        return not any(_is_table(first.split(mark)) for mark in "\t,") and ontology_reader(path) is not None
    except SourceError:
        return False


def _first_line(path: Path) -> str:
    return next((line for _, line in read_lines(path) if line.strip() and not line.startswith("!")), "")


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
