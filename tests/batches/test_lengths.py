"""A row's length, computed cheaply, is the number of tokens that the collator gives it."""

import gzip
import sys

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.batches.collator import add_lengths
from biomedgpt_hf.batches.lengths import count_atoms, row_lengths
from biomedgpt_hf.processors.item_readers import MoleculeReader
from biomedgpt_hf.processors.molecular_graph import smiles_to_graph
from biomedgpt_hf.rows.schema import InvalidRowError, features, question_row

MOLECULES = [
    "CCO",
    "C",
    "[Na+].[Cl-]",  # a salt
    "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3",
    "InChI=1S/ClH.Na/h1H;/q;+1/p-1",
    "[H]O[H]",  # hydrogens that RDKit takes in
    "[2H]C([2H])([2H])O",  # and that it keeps
    "[H][H]",
    "[H]/C(C)=C/[H]",
    "C[C@@H](O)c1ccc[nH]1",
    "C%10CCCCC%10",
    "[13CH3]Br",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "[Hg+2]",
    "*CC[*:1]",
    "[#6]C[#1]",
    "  OCC\n",
    "F/C=C\\Cl",
    "O=[Os](=O)(=O)=O",
    "[Ho].[He].[Hf].[Hs]",
]
PROTEINS = ["MKTAYIAK", "m k t a\nY", "MKTA*", "MXBZJUO", "MKLVSWQE" * 40]
TEXTS = ["What is it?", "β-D-glucose, 50 % – “quoted”", "a\n\nb", "<s>", "### Human: no", "   x   ", "猫🙂", "-" * 200]


def row(question="Name it.", answer="Ethanol", id="r1", **items):
    return question_row(question, answer, task="names", source="test", id=id, license="CC0-1.0", **items)


def mixed_rows(count=120, seed=0):
    random = np.random.default_rng(seed)

    def some(of, most):
        return [of[i] for i in random.integers(len(of), size=random.integers(most + 1))]

    rows = []
    for number in range(count):
        question, answer = (TEXTS[i] for i in random.integers(len(TEXTS), size=2))
        one = row(question, answer, f"r{number}", molecules=some(MOLECULES, 2), proteins=some(PROTEINS, 2))
        if number % 5 == 0:
            one["messages"] += [
                {"role": "user", "content": [{"type": "text", "text": "Sure?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": answer}]},
            ]
        if number % 7 == 0:
            one["messages"].insert(0, {"role": "system", "content": [{"type": "text", "text": " Be brief. "}]})
        if number % 11 == 0:
            one["messages"][-1]["content"] = answer  # a plain string
        rows.append(one)
    return rows


def collated_lengths(collator, rows, batch_size=7):
    batches = [collator(rows[at : at + batch_size]) for at in range(0, len(rows), batch_size)]
    return np.concatenate([batch["attention_mask"].sum(dim=1).numpy() for batch in batches])


@pytest.fixture(scope="module")
def processor():
    return BioMedGPTProcessor.from_pretrained(mini_checkpoint())


@pytest.mark.parametrize("protein_feature_select", ["full", "residues"])
def test_a_length_is_the_number_of_tokens_that_the_collator_makes(processor, protein_feature_select):
    processor = BioMedGPTProcessor.from_parts(
        processor.tokenizer, processor.protein_tokenizer, protein_feature_select=protein_feature_select
    )
    rows, collator = mixed_rows(), BioMedGPTDataCollator(processor)
    lengths = row_lengths(rows, processor)
    assert lengths.dtype == np.int64
    assert lengths.tolist() == collated_lengths(collator, rows).tolist() == collator.row_lengths(rows).tolist()


OTHER_TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{% for b in m.content %}{% if b.type == 'molecule' %}<moleculeHere>"
    "{% elif b.type == 'protein' %}<proteinHere>{% else %}{% if m.role == 'assistant' %}"
    "{% generation %}{{ b.text | trim }}{{ eos_token }}{% endgeneration %}{% else %}{{ b.text }}{% endif %}"
    "{% endif %}{% endfor %}{% endfor %}"
)


@pytest.mark.parametrize(
    "arguments",
    [
        {"chat_template": OTHER_TEMPLATE},
        {"chat_template": "{{ bos_token }}" + OTHER_TEMPLATE},
        {"processor_kwargs": {"add_special_tokens": False}},
        {"processor_kwargs": {"text_kwargs": {"add_special_tokens": False}, "pad_to_multiple_of": 64}},
        {"padding_side": "left"},
    ],
    ids=["template", "template with a start token", "no start token", "nested", "left"],
)
def test_it_is_so_with_the_collators_other_arguments_too(processor, arguments):
    rows = [one for one in mixed_rows(seed=1) if not isinstance(one["messages"][-1]["content"], str)]
    collator = BioMedGPTDataCollator(processor, **arguments)
    assert collator.row_lengths(rows).tolist() == collated_lengths(collator, rows).tolist()


def test_proteins_are_cut_for_counting_where_they_are_cut_for_training(processor):
    rows = [row(proteins=["MKTA" * 300]), row(proteins=["MKTA"])]
    collator = BioMedGPTDataCollator(processor, processor_kwargs={"truncation": True})
    with pytest.warns(UserWarning, match="was cut"):
        expected = collated_lengths(collator, rows)
    assert collator.row_lengths(rows).tolist() == expected.tolist()
    with pytest.raises(ValueError, match="Row 'r1'.*1,?024"):
        row_lengths(rows, processor)


def test_a_row_beyond_the_context_has_the_length_it_would_have(processor):
    long = row(answer="word " * 3000)
    assert row_lengths([long], processor)[0] > processor.max_context_length
    with pytest.raises(ValueError, match="more than the limit"):
        BioMedGPTDataCollator(processor)([long])


def test_no_graph_is_made(processor, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a graph was made")

    monkeypatch.setattr(sys.modules[MoleculeReader.__module__], "smiles_to_graph", refuse)
    with pytest.raises(AssertionError):
        BioMedGPTDataCollator(processor)([row(molecules=["CCO"])])
    monkeypatch.undo()
    expected = row_lengths([row(molecules=["CCO", "[H]O[H]"])], processor)
    monkeypatch.setattr("biomedgpt_hf.processors.molecular_graph._graph", refuse)
    assert row_lengths([row(molecules=["CCO", "[H]O[H]"])], processor) == expected


@pytest.mark.parametrize("molecule", MOLECULES)
def test_atoms_are_counted_as_the_graph_has_them(molecule):
    assert count_atoms(molecule) == len(smiles_to_graph(molecule, "ogb").atom_features)


FRAGMENTS = [one for one in MOLECULES if not one.startswith("InChI") and one.strip() == one] + ["N#N", "[OH-]", "C~C"]


@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map(".".join))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_atoms_of_mixtures_are_counted_as_the_graph_has_them(smiles):
    assert count_atoms(smiles) == len(smiles_to_graph(smiles, "ogb").atom_features)


def test_atoms_of_real_molecules_are_counted_as_the_graph_has_them(shared):
    with gzip.open(shared / "data/captions/chebi20_all_cid_smiles.tsv.gz", "rt") as lines:
        molecules = [line.split("\t")[1].strip().replace("\\\\", "\\") for line in lines][1::40]
    assert len(molecules) > 800
    for smiles in molecules:
        assert count_atoms(smiles) == len(smiles_to_graph(smiles, "ogb").atom_features)


@pytest.mark.parametrize("molecule", ["", "not a molecule", "InChI=1S/nonsense", "-", "C C", "<moleculeHere>"])
def test_what_is_no_molecule_is_an_error(molecule):
    with pytest.raises(ValueError, match="Cannot count the atoms"):
        count_atoms(molecule)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"molecules": ["aspirin"]}, "Row 'bad': Cannot count the atoms of 'aspirin'"),
        ({"proteins": ["MK1"]}, "Row 'bad': Cannot read protein.*'1' at index 2"),
    ],
    ids=["molecule", "protein"],
)
def test_a_row_that_cannot_be_read_is_named(processor, wrong, reason):
    with pytest.raises(ValueError, match=reason):
        row_lengths([row(), row(id="bad", **wrong)], processor)
    broken = {**row(id="bad", molecules=["C"]), "molecules": []}
    with pytest.raises(InvalidRowError, match="'bad'"):
        row_lengths([broken], processor)


def test_rows_are_read_once_and_some_at_a_time(processor, monkeypatch):
    monkeypatch.setattr("biomedgpt_hf.batches.lengths.ROWS_AT_ONCE", 3)
    rows = mixed_rows(10)
    assert row_lengths(iter(rows), processor).tolist() == [row_lengths([one], processor)[0] for one in rows]
    assert row_lengths([], processor).shape == (0,)


def test_a_data_set_keeps_its_lengths_as_a_column(processor, tmp_path):
    rows = [one for one in mixed_rows(24) if not isinstance(one["messages"][-1]["content"], str)]
    Dataset.from_list(rows, features=features()).to_parquet(tmp_path / "rows.parquet")
    stored = Dataset.from_parquet(str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path))
    collator = BioMedGPTDataCollator(processor)
    first = add_lengths(stored, collator)
    assert list(first["length"]) == collator.row_lengths(rows).tolist()
    assert first.remove_columns("length").features == stored.features
    again = add_lengths(stored, BioMedGPTDataCollator(BioMedGPTProcessor.from_pretrained(mini_checkpoint())))
    assert again.cache_files == first.cache_files  # read from the cache, not computed anew
    other = add_lengths(stored, BioMedGPTDataCollator(processor, processor_kwargs={"add_special_tokens": False}))
    assert list(other["length"]) == [length - 1 for length in first["length"]]
    assert list(add_lengths(stored, collator, "tokens", num_proc=2)["tokens"]) == list(first["length"])
