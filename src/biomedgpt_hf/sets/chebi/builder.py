"""Questions about the molecules of ChEBI's ontology, answered by what their terms say.

    biomedgpt data chebi chebi.obo.gz --ontology-captions composed,classes,roles --output DIR
    biomedgpt data chebi --download --exclude chebi20/test.txt --output DIR

The question names the style of the answer, so that the short answers of one do not shorten those of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from rdkit import Chem

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.ontologies.terms import Term
from biomedgpt_hf.files.records import Record, UnwantedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.chebi.captions import (
    compose_caption,
    definition_as_caption,
    enumerate_names,
    is_full,
    relation_sentences,
)
from biomedgpt_hf.sets.chebi.merging import CHEBI, MEMBER_OF, TermRecord
from biomedgpt_hf.sets.molecules import FEATURES, checked_molecule
from biomedgpt_hf.similarity.structure_key import read_molecule, structure_key

LICENSE = "CC-BY-4.0"
FEWEST_HEAVY_ATOMS = 3  # leaves out atoms, ions of one or two of them, and hydrides such as methane


class Form(NamedTuple):
    """One thing to tell of a term.

    Attributes:
        task: name of the kind of question.
        question: it names what the answer is like.
        answer: gives the answer, or "" where the term does not say.
    """

    task: str
    question: str
    answer: Callable[[Term], str]


def _full_caption(term: Term) -> str:
    return compose_caption(term) if is_full(term) else ""


def _iupac_name(term: Term) -> str:
    """Return the shortest name, whatever the order in which a file has them."""
    return min(map(plain_text, term.iupac_names), key=lambda name: (len(name), name), default="")


def _broad_classes(term: Term) -> str:
    names = [link.name for link in term.links if link.relation == MEMBER_OF]
    return f"It is {enumerate_names(names)}." if names else ""


FORMS: Mapping[str, Form] = {
    "composed": Form("molecule_caption", "Please describe this molecule.", _full_caption),  # paper, §4.2
    "definition": Form(
        "molecule_definition", "Please define this molecule.", lambda term: definition_as_caption(term.definition)
    ),
    "classes": Form(
        "molecule_class",
        "Which classes does this molecule belong to?",
        lambda term: relation_sentences(term, ["is_a"]),
    ),
    "broad-classes": Form("molecule_broad_class", "Which broad classes does this molecule belong to?", _broad_classes),
    "roles": Form(
        "molecule_role", "Which roles does this molecule have?", lambda term: relation_sentences(term, ["has_role"])
    ),
    "origins": Form(
        "molecule_origin",
        "What does this molecule derive from?",
        lambda term: relation_sentences(term, ["has_functional_parent", "has_parent_hydride"]),
    ),
    "iupac-names": Form("molecule_iupac_name", "What is the IUPAC name of this molecule?", _iupac_name),
}
CAPTION = FORMS["composed"]


def checked_forms(forms: str) -> tuple[str, ...]:
    """Return the names of `FORMS` in a text, with commas between them; "all" stands for all.

    Raises:
        ValueError: there is no form of that name, or none is named.
    """
    named = tuple(dict.fromkeys(name.strip() for name in forms.split(",")))
    if named == ("all",):
        return tuple(FORMS)
    if unknown := [name for name in named if name not in FORMS]:
        raise ValueError(
            f"ontology_captions is {forms!r}: choose of {', '.join(FORMS)}, or all; {unknown[0]!r} is none."
        )
    return named


def parse_term(
    record: Record,
    forms: Sequence[str] = ("composed",),
    fewest_heavy_atoms: int = FEWEST_HEAVY_ATOMS,
    generic: bool = False,
    features: str = FEATURES,
) -> Example:
    """Return the questions about the molecule of a term.

    Args:
        record: one of `merging.read_merged`.
        forms: what is asked, names of `FORMS`. What the term does not say is not asked.
        fewest_heavy_atoms: smaller molecules are left out.
        generic: keep structures that stand for many molecules, with R groups (wildcard atoms).
        features: the feature set in which molecules must have a place.

    Raises:
        UnwantedRecord: the term is obsolete or no molecule, says nothing that is asked, or its molecule is left out or
            has no place in the features.
        RejectedRecord: RDKit cannot read the molecule.
    """
    content: TermRecord = record.content
    term = content.term
    if term.obsolete:
        raise UnwantedRecord("obsolete")
    if not term.id.startswith(CHEBI):
        raise UnwantedRecord("not a term of ChEBI")
    if not term.structure:
        raise UnwantedRecord("no structure", f"{term.name or term.id} is a class, a role, or drawn nowhere")
    # Modules have spoilt some SMILES, such as "[nH]" to "n".
    drawn = [term.structure, term.inchi, *content.structures]
    molecule = next((one for one in drawn if one and read_molecule(one)), term.structure)
    key = _checked_structure(molecule, fewest_heavy_atoms, generic, features)
    answers = {FORMS[name]: answer for name in forms if (answer := FORMS[name].answer(term))}
    if not answers:
        raise UnwantedRecord("says too little", f"{term.name or term.id}: nothing for {', '.join(forms)}")
    rows = []
    for form, answer in answers.items():
        id = term.id if len(forms) == 1 else f"{term.id}:{form.task.removeprefix('molecule_')}"
        about = {"task": form.task, "source": "ChEBI", "id": id, "license": LICENSE}
        rows.append(question_row(form.question, answer, molecules=[molecule], **about))
    # All structures count as the term's, so that none of a held-out molecule comes in under another drawing.
    others = tuple(other for other in _keys(content.structures) if other != key)
    mark = " ".join([key, *answers.values()])
    return Example(rows, (key, *others), None, (term.id, mark), _notes(content, molecule, others))


def _notes(content: TermRecord, molecule: str, other_keys: Sequence[str]) -> tuple[str, ...]:
    notes = [f"{name} differs between sources: that of the first is taken" for name in content.differing]
    notes += ["structure differs between sources: the first one that can be read is taken"] * bool(other_keys)
    notes += ["structure cannot be read: another one of the same term is taken"] * (molecule != content.term.structure)
    return (*notes, *["relation left out: its target is obsolete or has no name"] * content.nameless)


def _checked_structure(text: str, fewest_heavy_atoms: int, generic: bool, features: str) -> str:
    """Return the structure key of a term's molecule.

    Raises:
        RejectedRecord, UnwantedRecord: see `parse_term`.
    """
    key = checked_molecule(require_utf8(text), features)
    molecule = cast(Chem.Mol, read_molecule(text))  # it is readable, or had no key
    if not generic and any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()):
        raise UnwantedRecord("generic structure", f"{text[:100]} stands for many molecules")
    if (atoms := molecule.GetNumHeavyAtoms()) < fewest_heavy_atoms:
        raise UnwantedRecord("small molecule", f"{text[:100]} has {atoms} heavy atoms")
    return key


def _keys(structures: Sequence[str]) -> Iterator[str]:
    """Yield the structure keys of those that can be read."""
    for structure in structures:
        try:
            yield structure_key(structure)
        except ValueError:
            continue
