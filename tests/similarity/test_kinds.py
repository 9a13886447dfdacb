"""When molecules, proteins and questions are the same or alike."""

import re

import pytest

from biomedgpt_hf.similarity.kinds import COMPARED_KINDS, Molecules, Proteins, Questions


@pytest.mark.parametrize("molecule", ["", "aspirin", "C(C", "InChI=1S/nonsense"])
def test_an_unreadable_molecule_is_none_and_raises_nothing(molecule, capfd):
    assert Molecules().read(molecule) is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", COMPARED_KINDS, ids=lambda kind: kind.name)
def test_the_same_value_has_one_outline_one_key_and_some_features(kind):
    value = "CCO"
    assert kind.outline(kind.read(value)) == kind.outline(kind.read(value))
    assert kind.key(value) == kind.key(value)
    assert len(kind.features(kind.read(value))) >= 1
    assert list(kind.thresholds) == sorted(kind.thresholds, reverse=True)
    assert re.search(r"\w", kind.measure)


def test_proteins_are_the_same_whatever_their_case():
    assert Proteins().key("mkv") == Proteins().key("MKV")
    assert Questions().key("A, b!") == Questions().key("a B")
