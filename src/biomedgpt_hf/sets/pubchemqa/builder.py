"""PubChemQA, the paper's alignment set for molecules: PubChem's descriptions of compounds.

    biomedgpt data pubchemqa SOURCE… --output DIR

Sources are, in any order, plain or .gz, and told apart by their content:

- annotation pages: https://pubchem.ncbi.nlm.nih.gov/rest/pug_view/annotations/heading/JSON?heading=Record+Description&heading_type=Compound&page=N
  for every page N; also the annotations of several pages as one list
- full records: https://pubchem.ncbi.nlm.nih.gov/rest/pug_view/data/compound/CID/JSON
  singly, as one list, or as JSON Lines
- structures, which annotation pages lack: CID-SMILES.gz from https://ftp.ncbi.nlm.nih.gov/pubchem/Compound/Extras,
  SDF, or PC_Compounds JSON

The rules are the paper's (§3.2). RDKit must read the molecule, and our features must cover it. Texts of fewer than 4
words are left out, longer ones than 256 words cropped. All texts of a molecule are kept, each with its depositor and
licence; the same text about the same structure is kept once, whatever the CID. PubChem's "See also" lists are no
descriptions. Beyond HTML and white space nothing is rewritten: compounds keep their names. Rows are called
CID:4:ANID:759568, after the compound and PubChem's number of the annotation; another text of the same annotation, as
from another release, ends in :v2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rdkit import Chem, rdBase

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set
from biomedgpt_hf.files.items.molblock import parse_block
from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.molecules import FEATURES, checked_features, checked_molecule
from biomedgpt_hf.sets.pubchemqa.findings import Form, PubChemStructure
from biomedgpt_hf.sets.pubchemqa.join import read_joined
from biomedgpt_hf.sets.pubchemqa.licenses import INFERRED, license_of
from biomedgpt_hf.sets.pubchemqa.texts import CROPPED, keep_length
from biomedgpt_hf.similarity.structure_key import canonical_smiles

QUESTION = "please describe the molecule"  # paper, §3.2: the set's only question
TASK = "molecule_description"
STEREO_DROPPED = "stereo of 3D coordinates dropped, PubChem knows it in part only"
ABOUT = About(
    "PubChemQA",
    "What PubChem's depositors say about compounds, as answers to one question about the molecule; rebuilt from "
    "PubChem's own files by the rules of the paper (Luo et al. 2023, arXiv:2308.09442, §3.2).",
    "Kim et al.: PubChem 2023 update (Nucleic Acids Research 51, D1373); Luo et al.: BioMedGPT (arXiv:2308.09442).",
    task_categories=("question-answering", "text-generation"),
    language="en",
    tags=("chemistry", "biology", "molecules"),
    inferred_licenses=INFERRED,
)


def build_pubchemqa(
    sources: Sequence[Path], output: Path, *, features: str = FEATURES, settings: BuildSettings = DEFAULTS
) -> dict[str, Any]:
    """Build PubChemQA in the folder `output`.

    Args:
        sources: annotation pages, full records and structures, in any order.
        output: folder to make.
        features: "graphmvp" or "ogb": molecules without a place in it are left out.
        settings: seed, exclusions and so on.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: as `build_set`; or `features` is unknown.
    """
    return build_set(
        output,
        about=ABOUT,
        sources=sources,
        read=partial(read_pubchem, sources, progress=settings.progress),
        parse=partial(parse_compound, features=checked_features(features)),
        settings=settings,
        options={"features": features},
    )


def read_pubchem(sources: Sequence[Path], scratch: Path, progress: bool = False) -> Iterator[Record]:
    """Yield a record for each description and compound; see `join.read_joined`."""
    return read_joined(sources, scratch, progress)


def parse_compound(record: Record, features: str = FEATURES) -> Example:
    """Turn a description of a compound into a row.

    Raises:
        UnwantedRecord: the text is too short, or the features have no place for the molecule.
        RejectedRecord: there is no structure, or RDKit cannot read it.
    """
    cid, description, structure = record.content
    text, cropped = keep_length(require_utf8(plain_text(description.text)))
    if structure is None:
        raise RejectedRecord(
            "no structure", f"CID {cid} is in none of the sources: add CID-SMILES.gz or an SDF with it"
        )
    molecule, dropped = read_structure(structure)
    key = checked_molecule(molecule, features)
    row = question_row(
        QUESTION,
        text,
        molecules=[molecule],
        task=TASK,
        source=description.source,
        id=record.id,
        license=license_of(description.license_note, description.license_url),
    )
    notes = [note for note, made in ((CROPPED, cropped), (STEREO_DROPPED, dropped)) if made]
    return Example([row], keys=(key,), marks=(f"{canonical_smiles(molecule)} {text}",), notes=tuple(notes))


def read_structure(structure: PubChemStructure) -> tuple[str, bool]:
    """Return a structure as SMILES (or InChI), and whether stereo had to be dropped.

    Three-dimensional coordinates have a configuration at every centre, also where PubChem knows none.

    Raises:
        RejectedRecord: RDKit cannot read the molblock.
    """
    if structure.form is Form.LINE:
        return structure.text, False
    with rdBase.BlockLogs():
        molecule = parse_block(structure.text)
    if molecule is None:
        raise RejectedRecord("unreadable molecule", f"RDKit cannot read the molblock {structure.text[:60]!r}")
    dropped = structure.form is Form.MOLBLOCK_PARTLY_UNDEFINED and any(c.Is3D() for c in molecule.GetConformers())
    if dropped:
        Chem.RemoveStereochemistry(molecule)
    return Chem.MolToSmiles(molecule), dropped
