"""MoleculeFacts: questions about molecules whose exact answers RDKit computes.

    biomedgpt data molecule-facts CID-SMILES.gz --output DIR
    biomedgpt data molecule-facts molecules.smi library.sdf.gz --facts formula,charge --output DIR

From any list of molecules: SMILES lines, tables with a SMILES column, SDF, or a set built here.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rdkit import Chem

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set, read_each
from biomedgpt_hf.chemistry.facts import FACT_NAMES, GROUP_QUESTIONS, NEUTRAL_ASKED, ask_fact
from biomedgpt_hf.chemistry.functional_groups import groups_in
from biomedgpt_hf.chemistry.sampling import Dice
from biomedgpt_hf.files.items import column_notes
from biomedgpt_hf.files.items.items import NO_COLUMNS, Columns
from biomedgpt_hf.files.items.molecule_lists import molecule_text, read_molecule_records
from biomedgpt_hf.files.records import Record, UnwantedRecord
from biomedgpt_hf.modalities import MOLECULE
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.molecules import FEATURES, checked_features, checked_molecule
from biomedgpt_hf.similarity.structure_key import read_molecule

logger = logging.getLogger(__name__)

TASK = "molecule_fact"
# Computed facts are nobody's work. The structures stay under the terms of the list that they come from.
LICENSE = "CC0-1.0"
ABOUT = About(
    "MoleculeFacts",
    "Questions about molecules whose exact answers RDKit computes from the structure. Salts are counted with all "
    "their parts; hydrogen bond donors and acceptors are RDKit's (CalcNumHBD, CalcNumHBA), not Lipinski's; rotatable "
    "bonds are the strict ones (CalcNumRotatableBonds); rings are RDKit's (CalcNumRings: the "
    "symmetrised set of smallest rings, by which a cage such as quinuclidine has three); stereocentres "
    "are tetrahedral atoms (CalcNumAtomStereoCenters); functional groups are SMARTS patterns of "
    "`biomedgpt_hf.chemistry.functional_groups`, asked for about as often where they are as where they are "
    f"not. All charged molecules are asked for their charge, but only one neutral one in {NEUTRAL_ASKED}. The features "
    '"graphmvp" show a model neither charges nor hydrogens: it can guess charge, formula, weight, mass and hydrogen '
    'bond donors of an uncharged molecule, but cannot tell an acid from its anion; "ogb" shows both. The facts are '
    "free of rights (CC0); the structures stay under the terms of the list that they come from.",
    "RDKit: Open-source cheminformatics, https://www.rdkit.org.",
    language="en",
    tags=("chemistry", "molecules"),
)


def build_molecule_facts(
    sources: Sequence[Path],
    output: Path,
    *,
    facts: Sequence[str] = FACT_NAMES,
    questions_per_molecule: int | None = None,
    columns: Columns = NO_COLUMNS,
    features: str = FEATURES,
    settings: BuildSettings = DEFAULTS,
) -> dict[str, Any]:
    """Build a set of computed facts about molecules in `output`.

    Args:
        sources: lists of molecules, as `molecule_lists.read_molecule_records` reads them.
        output: folder to make.
        facts: what to ask for, of `FACT_NAMES`.
        questions_per_molecule: ask each molecule for so many of the facts, chosen by a hash; None, for all.
        columns: the columns of molecules and ids in tables, and the format, where they are not to be recognised.
        features: "graphmvp" or "ogb": molecules without a place in it are left out.
        settings: seed (also of the phrasing), exclusions, processes and so on.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: as `pipeline.build_set`; or a fact or the feature set is unknown, or the number not
            positive.
    """
    facts = tuple(dict.fromkeys(facts))
    if unknown := [fact for fact in facts if fact not in FACT_NAMES]:
        raise ValueError(f"There is no fact {', '.join(map(repr, unknown))}: choose from {', '.join(FACT_NAMES)}.")
    if not facts:
        raise ValueError(f"facts is empty: choose from {', '.join(FACT_NAMES)}.")
    if questions_per_molecule is not None and questions_per_molecule < 1:
        raise ValueError(
            f"questions_per_molecule is {questions_per_molecule}: ask at least 1, or leave it out for all."
        )
    sources = [Path(source) for source in sources]
    told = column_notes(sources, columns, MOLECULE.name)
    for note in told:
        logger.warning(note)
    return build_set(
        output,
        about=ABOUT,
        sources=sources,
        read=lambda scratch: read_each(partial(read_molecule_records, columns=columns), sources),
        parse=partial(
            parse_molecule,
            facts=facts,
            questions_per_molecule=questions_per_molecule,
            seed=settings.seed,
            features=checked_features(features),
        ),
        settings=settings,
        options={
            "facts": ", ".join(facts),
            "questions_per_molecule": questions_per_molecule or "all",
            **({"columns": ", ".join(columns.names)} if columns.names else {}),
            **({"format": columns.format} if columns.format else {}),
            **({"columns_passed_over": " ".join(told)} if told else {}),
            "features": features,
        },
        compare_rows=False,  # each structure is asked once, and what is computed contradicts nothing
    )


def parse_molecule(
    record: Record,
    facts: Sequence[str] = FACT_NAMES,
    questions_per_molecule: int | None = None,
    seed: int = 0,
    features: str = FEATURES,
) -> Example:
    """Return the example of a record of `read_molecule_records`: its questions are about one molecule.

    Args:
        record: what was read.
        facts: see `build`.
        questions_per_molecule: see `build`.
        seed: decides the phrasing, and what is asked where not everything is.
        features: the feature set in which the molecule must have a place.

    Raises:
        RejectedRecord: RDKit cannot read the molecule.
        UnwantedRecord: it has no place in the features, or wildcard atoms, so that its facts are not known; or nothing
            is asked about it.
    """
    text = molecule_text(record.content)
    key = checked_molecule(text, features)
    molecule = read_molecule(text)
    canonical = Chem.MolToSmiles(molecule)
    if "*" in canonical:
        raise UnwantedRecord("wildcard atom", f"{text[:100]} stands for many molecules")
    # Names may come twice in a list, structures not: duplicates are told by them.
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
    name = f"{record.id or f'{record.file}:{record.line}'}:{digest}"
    dice = Dice(seed, canonical)
    if questions_per_molecule:
        chosen = dice.draw(dict.fromkeys(facts, 1.0), questions_per_molecule, "facts")
        facts = [fact for fact in facts if fact in chosen]
    rows = _rows(text, molecule, facts, dice, name)
    if not rows:
        raise UnwantedRecord("not asked", "a neutral molecule that is not among those asked for their charge")
    return Example(rows, (key,), None, (canonical,))


def _rows(text: str, molecule: Chem.Mol, facts: Sequence[str], dice: Dice, name: str) -> list[dict[str, Any]]:
    groups = groups_in(molecule) if set(facts) & set(GROUP_QUESTIONS) else []
    return [
        question_row(
            asked.question,
            asked.answer,
            molecules=[text],
            task=f"{TASK}_{fact}",
            source="RDKit",
            id=f"{name}:{fact}",
            license=LICENSE,
        )
        for fact in facts
        if (asked := ask_fact(fact, molecule, dice, groups))
    ]
