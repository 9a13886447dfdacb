"""Another modality is an addition: one from outside the package trains, answers, saves and loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from biomedgpt_hf.modalities import MODALITIES, MOLECULE, Modality
from biomedgpt_hf.modeling.modality_encoders import MODALITY_ENCODERS, MoleculeEncoder, ProteinEncoder
from biomedgpt_hf.processors import prompt_segments
from biomedgpt_hf.processors.item_readers import ITEM_READERS, MoleculeReader
from biomedgpt_hf.processors.processing_biomedgpt import DEFAULT_MODALITIES
from biomedgpt_hf.registration import halves_disagree, register_modality
from biomedgpt_hf.rows import schema

SCRIPT = Path(__file__).with_name("cell_model.py")


def run(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "TRANSFORMERS_VERBOSITY": "error"},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    done = run("train", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_modality_from_outside_trains_a_step_and_what_is_saved_loads_after_the_same_call(trained):
    done = run("load", trained)
    assert done.returncode == 0, done.stderr


def test_without_that_call_an_error_names_the_modality_and_the_call(trained):
    done = run("load-unregistered", trained)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "'cell'" in last and "register_modality" in last


def test_each_modality_has_a_record_and_both_halves_and_they_agree():
    assert list(MODALITIES) == list(ITEM_READERS) == list(MODALITY_ENCODERS) == list(DEFAULT_MODALITIES)
    for name, record in MODALITIES.items():
        assert halves_disagree(record, ITEM_READERS[name], MODALITY_ENCODERS[name]) == []


def test_rows_reserve_what_the_processor_writes_between_segments():
    assert schema.SEGMENT_BREAK == prompt_segments.SEGMENT_BREAK
    assert {reader.placeholder for reader in ITEM_READERS.values()} < set(schema.reserved_texts())


def test_halves_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="the encoder's name is 'protein' and not 'molecule'"):
        register_modality(MOLECULE, MoleculeReader(), ProteinEncoder())
    other = Modality("molecule", "compounds", "<here>", "atom", "SMILES")
    with pytest.raises(ValueError, match="column is 'molecules' and not 'compounds'; the reader's placeholder"):
        register_modality(other, MoleculeReader(), MoleculeEncoder())
