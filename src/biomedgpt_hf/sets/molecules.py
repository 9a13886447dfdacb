"""Whether a molecule has a place in a set: RDKit reads it, and the features that a model will see can show it."""

from __future__ import annotations

from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.processors.molecular_graph import FEATURE_SETS, UncoveredMoleculeError, smiles_to_graph
from biomedgpt_hf.similarity.structure_key import structure_key

FEATURES = "graphmvp"  # what the published weights know


def checked_features(features: str) -> str:
    """Return the name of a feature set.

    Raises:
        ValueError: there is none of that name.
    """
    if features not in FEATURE_SETS:
        raise ValueError(f"features is {features!r}: choose one of {', '.join(FEATURE_SETS)}.")
    return features


def checked_molecule(molecule: str, features: str = FEATURES) -> str:
    """Return the structure key of a molecule that a set may hold.

    Args:
        molecule: SMILES or InChI.
        features: the feature set of the models that the set is for.

    Raises:
        RejectedRecord: RDKit cannot read it.
        UnwantedRecord: the feature set has no category for an atom or a bond, such as "graphmvp" for dative bonds. The
            molecule is sound, so it is counted apart.
    """
    try:
        smiles_to_graph(molecule, features)
        return structure_key(molecule)
    except UncoveredMoleculeError as error:
        raise UnwantedRecord(
            f"no place in the features {features}",
            f"{error} Other features are chosen by --features, and the model has to be one with these.",
        ) from error
    except ValueError as error:
        raise RejectedRecord("unreadable molecule", str(error)) from error
