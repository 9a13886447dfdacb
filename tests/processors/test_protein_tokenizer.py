"""One token per residue, and every decision on unusual characters."""

import json
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizer, EsmcTokenizer, EsmTokenizer

from biomedgpt_hf.processors.protein_tokenizer import (
    ESM2_VOCABULARY,
    STANDARD_RESIDUES,
    InvalidProteinError,
    build_protein_tokenizer,
    collate_proteins,
    encode_protein,
    read_residue_table,
)

TABLE = read_residue_table(build_protein_tokenizer())
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PROTBERT = "[PAD] [UNK] [CLS] [SEP] [MASK] L A G V E S I K R D T P N Q F Y M H C W X U B Z O"


@pytest.fixture(scope="module")
def esm(tmp_path_factory) -> EsmTokenizer:
    file = tmp_path_factory.mktemp("esm") / "vocab.txt"
    file.write_text("\n".join(ESM2_VOCABULARY))
    return EsmTokenizer(str(file))


@pytest.fixture(scope="module")
def protbert(tmp_path_factory) -> BertTokenizer:
    file = tmp_path_factory.mktemp("protbert") / "vocab.txt"
    file.write_text("\n".join(PROTBERT.split()))
    return BertTokenizer(str(file), do_lower_case=False)


def ids(value, **arguments):
    return encode_protein(value, TABLE, **arguments).tolist()


def test_the_original_tokens_come_out(shared):
    expected = json.loads((shared / "reference/biomedgpt_tiny_original/expected.json").read_text())
    proteins = [sample["protein"] for sample in expected["samples"] if "protein" in sample]
    assert proteins
    for protein in proteins:
        assert ids(protein["sequence"]) == protein["esm_input_ids"]


@given(st.text(STANDARD_RESIDUES + "XBUZO.-", min_size=1))
def test_known_letters_get_the_ids_of_the_esm_tokenizer(sequence):
    vocabulary = {token: index for index, token in enumerate(ESM2_VOCABULARY)}
    assert ids(sequence) == [0, *(vocabulary[letter] for letter in sequence), 2]


def test_the_esm_tokenizer_agrees(esm):
    for sequence in ("MKTAYIAKQR", STANDARD_RESIDUES, "XBUZO", "M-K.T", "MJK"):
        assert ids(sequence) == esm(sequence)["input_ids"]


@given(st.text(LETTERS + LETTERS.lower(), min_size=1))
def test_every_letter_is_one_token_in_either_case(sequence):
    assert len(ids(sequence)) == len(sequence) + 2
    assert ids(sequence) == ids(sequence.upper())


@given(st.text(LETTERS, min_size=1), st.data())
def test_white_space_and_a_last_stop_change_nothing(sequence, data):
    cut = data.draw(st.integers(0, len(sequence)))
    assert ids(f" {sequence[:cut]}\n\t{sequence[cut:]}* \n") == ids(sequence)


@given(st.text(LETTERS + "-.", min_size=1))
def test_the_saved_tokenizer_and_the_table_agree(sequence):
    assert TOKENIZER(sequence)["input_ids"] == ids(sequence)


TOKENIZER = build_protein_tokenizer()


def test_letters_outside_the_vocabulary_are_unknown_one_by_one():
    assert ids("JMJJ") == [0, 3, 20, 3, 3, 2]


@given(st.text())
def test_any_text_is_read_or_refused_with_its_reason(text):
    try:
        assert len(ids(text)) >= 3
    except InvalidProteinError as error:
        assert error.value == text and error.reason


BAD = {
    "": "it is empty",
    " \n": "it is empty",
    "*": "it is empty",
    None: "expected a string of amino-acid letters, got None",
    42: "got a value of type int",
    ("MKT",): "got a value of type tuple",
    ">sp|P69905|HBA_HUMAN Hemoglobin\nMVLSPADKTN": "FASTA header",
    "MKT1": "'1' at index 3",
    "MK TAé": "'é' at index 5",
    "MßK": "'ß' at index 1",
    "MK*T": "'*' at index 2: a stop inside the sequence",
    "MK<mask>T": "'<mask>' at index 2: special tokens",
    "<cls>MKT": "'<cls>' at index 0: special tokens",
    "CC(=O)Oc1ccccc1": "It looks like a molecule",
    "[Na+].[Cl-]": "It looks like a molecule",
    "InChI=1S/CH4/h1H4": "It looks like a molecule",
    "1 mkvlt 60": "'1' at index 0 is not a residue",
    "MK|T": "'|' at index 2 is not a residue",
}


@pytest.mark.parametrize(("value", "reason"), BAD.items(), ids=repr)
def test_what_is_no_protein_is_refused_with_its_position_and_reason(value, reason):
    with pytest.raises(InvalidProteinError) as caught:
        encode_protein(value, TABLE, position=3)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("Cannot read protein 3, ")
    assert (caught.value.value, caught.value.position) == (value, 3)


def test_the_error_survives_pickling_as_worker_processes_need():
    error = pickle.loads(pickle.dumps(InvalidProteinError("M1", 7, "no")))
    assert (error.value, error.position, error.reason) == ("M1", 7, "no")
    assert str(error) == "Cannot read protein 7, 'M1': no"


def test_a_long_bad_sequence_is_shortened_in_the_error():
    with pytest.raises(InvalidProteinError, match=r"\(1,001 characters\)"):
        ids("M" * 1000 + "1")


def test_too_long_raises_with_both_numbers():
    assert len(ids("M" * 8, max_length=10)) == 10
    with pytest.raises(InvalidProteinError, match="its 9 residues make 11 tokens, more than the limit of 10 tokens"):
        ids("M" * 9, max_length=10)


def test_truncation_cuts_residues_keeps_the_end_token_and_warns():
    with pytest.warns(UserWarning, match="Protein 4 was cut: its 9 residues make 11 tokens"):
        cut = ids("MKTAYIAKQ", position=4, max_length=10, truncation=True)
    assert cut == ids("MKTAYIAK")


def test_a_nucleotide_sequence_is_read_with_a_warning():
    with pytest.warns(UserWarning, match="looks like a nucleotide sequence"):
        assert len(ids("ACGT" * 20)) == 82
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids("GATTACA")


def test_a_bert_type_that_wants_spaces_gives_one_token_per_residue(protbert):
    built = build_protein_tokenizer(protbert)
    assert built("LAGV")["input_ids"] == protbert("L A G V")["input_ids"]
    table = read_residue_table(built)
    assert encode_protein("lagjv", table).tolist() == [2, 5, 6, 7, 1, 8, 3]
    with pytest.raises(InvalidProteinError, match="vocabulary has no gaps"):
        encode_protein("LA-GV", table)
    assert built.pad_token_id == protbert.pad_token_id


def test_a_tokenizer_that_reads_residues_already_stays_as_it_is():
    esmc = EsmcTokenizer()
    assert build_protein_tokenizer(esmc) is esmc
    assert encode_protein("LA|GV", read_residue_table(esmc)).tolist() == esmc("LA|GV")["input_ids"]


def test_the_built_tokenizer_is_fast_and_survives_saving(esm, tmp_path):
    built = build_protein_tokenizer(esm)
    assert built.is_fast and not esm.is_fast
    built.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert build_protein_tokenizer(loaded) is loaded
    assert loaded("LAGJJV")["input_ids"] == [0, 4, 5, 6, 3, 3, 7, 2]
    assert loaded.get_vocab() == esm.get_vocab()


def test_a_language_models_tokenizer_is_no_protein_tokenizer(protbert, tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nL\nA\nG")
    with pytest.raises(ValueError, match="is no protein tokenizer: it has 8 tokens, none for C, D, E"):
        build_protein_tokenizer(BertTokenizer(str(tmp_path / "vocab.txt")))
    words = [*PROTBERT.split(), *(f"word{i}" for i in range(2000))]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    with pytest.raises(ValueError, match="is no protein tokenizer: it has 2,030 tokens"):
        build_protein_tokenizer(BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=False))


def test_batches_pad_residues_and_absent_proteins():
    batch = collate_proteins([[np.array([0, 4, 2])], [], [np.array([0, 2]), np.array([0, 5, 6, 2])]], pad_id=1)
    assert batch["protein_input_ids"].tolist() == [
        [[0, 4, 2, 1], [1, 1, 1, 1]],
        [[1, 1, 1, 1], [1, 1, 1, 1]],
        [[0, 2, 1, 1], [0, 5, 6, 2]],
    ]
    assert (batch["protein_attention_mask"] == (batch["protein_input_ids"] != 1)).all()
    assert all(tensor.dtype == np.int64 for tensor in batch.values())
