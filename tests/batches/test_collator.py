"""Rows become batches whose labels are the answers alone."""

import subprocess
import sys

import pytest
import torch
from datasets import Dataset

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.rows.schema import InvalidRowError, features, question_row

EOS, MOLECULE, PROTEIN = 1, 2, 3


class SpellingProcessor:
    """Tokenises by character; a placeholder per SMILES character or residue; answers end with EOS."""

    molecule_token_id, protein_token_id = MOLECULE, PROTEIN

    def __init__(self, marks_answers=True):
        self.marks_answers = marks_answers

    def apply_chat_template(self, conversations, *, processor_kwargs, **options):
        assert {"tokenize", "return_dict", "return_tensors", "return_assistant_tokens_mask"} <= set(options)
        padding_side = processor_kwargs["padding_side"]
        self.options = options | processor_kwargs
        samples = []
        for conversation in conversations:
            ids, mask = [], []
            for message in conversation:
                for block in message["content"]:
                    value = block[block["type"]]
                    ids += {"molecule": [MOLECULE] * len(value), "protein": [PROTEIN] * len(value)}.get(
                        block["type"], [ord(letter) for letter in value]
                    )
                answer = message["role"] == "assistant"
                ids += [EOS] * answer
                mask += [int(answer and self.marks_answers)] * (len(ids) - len(mask))
            samples.append((ids, mask))
        width = max(len(ids) for ids, _ in samples)

        def pad(values):
            zeros = [0] * (width - len(values))
            return zeros + values if padding_side == "left" else values + zeros

        return {
            "input_ids": torch.tensor([pad(ids) for ids, _ in samples]),
            "attention_mask": torch.tensor([pad([1] * len(ids)) for ids, _ in samples]),
            "assistant_masks": [pad(mask) for _, mask in samples],
        }


def make_row(question="Name it.", answer="Ethanol", id="r1", **items):
    items = items or {"molecules": ["CCO"]}
    return question_row(question, answer, task="names", source="test", id=id, license="CC0-1.0", **items)


def learned(batch, row):
    labels = batch["labels"][row]
    return "".join(map(chr, labels[labels != -100].tolist()))


def test_labels_are_the_answer_and_its_end_and_nothing_else():
    batch = BioMedGPTDataCollator(SpellingProcessor())([make_row(), make_row(answer="Spirit of wine")])
    assert [learned(batch, row) for row in (0, 1)] == ["Ethanol\x01", "Spirit of wine\x01"]
    assert batch["labels"].dtype == torch.int64 and batch["labels"].shape == batch["input_ids"].shape
    assert "assistant_masks" not in batch


def test_every_assistant_turn_is_learned():
    row = make_row()
    row["messages"] += [
        {"role": "user", "content": [{"type": "text", "text": "Sure?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]},
    ]
    assert learned(BioMedGPTDataCollator(SpellingProcessor())([row]), 0) == "Ethanol\x01Yes\x01"


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_padding_stands_on_the_side_asked_for_and_is_never_learned(padding_side):
    collator = BioMedGPTDataCollator(SpellingProcessor(), padding_side=padding_side)
    batch = collator([make_row(answer="x"), make_row(answer="longer")])
    padding = batch["attention_mask"][0] == 0
    assert padding[:5].all() if padding_side == "left" else padding[-5:].all()
    assert (batch["labels"][0][padding] == -100).all()


def test_a_placeholder_inside_an_answer_is_no_label():
    row = make_row(molecules=["CCO", "C"])
    row["messages"][0]["content"].pop(0)
    row["messages"][1]["content"].insert(0, {"type": "molecule"})
    batch = BioMedGPTDataCollator(SpellingProcessor())([row])
    assert learned(batch, 0) == "Ethanol\x01"


def test_rows_as_datasets_returns_them_give_the_same_batch():
    rows = [make_row(), make_row(id="r2", proteins=["MKTA"])]
    stored = Dataset.from_list(rows, features=features())
    collator = BioMedGPTDataCollator(SpellingProcessor())
    direct, loaded = collator(rows), collator([stored[0], stored[1]])
    assert all(torch.equal(direct[key], loaded[key]) for key in direct)


def test_further_arguments_reach_the_chat_template_and_the_processor():
    processor = SpellingProcessor()
    BioMedGPTDataCollator(processor, chat_template="other", processor_kwargs={"truncation": True})([make_row()])
    assert processor.options["chat_template"] == "other"
    assert processor.options["truncation"] is True and processor.options["padding"] is True


def test_proteins_are_cut_only_when_asked_for(processor):
    row = make_row(proteins=["MKTA" * 300])
    with pytest.raises(ValueError, match="1,?024"):
        BioMedGPTDataCollator(processor)([row])
    with pytest.warns(UserWarning, match="was cut"):
        batch = BioMedGPTDataCollator(processor, processor_kwargs={"truncation": True})([row])
    assert batch["protein_input_ids"].shape == (1, 1, 1024)


def test_a_row_without_an_answer_is_named():
    row = make_row(id="row-7")
    row["messages"].pop()
    with pytest.raises(ValueError, match="'row-7' has no assistant message"):
        BioMedGPTDataCollator(SpellingProcessor())([make_row(), row])


def test_a_template_that_marks_no_answer_is_an_error():
    with pytest.raises(ValueError, match="'r1' has no token to learn.*generation"):
        BioMedGPTDataCollator(SpellingProcessor(marks_answers=False))([make_row()])


def test_a_row_longer_than_the_limit_is_named_with_both_numbers():
    rows = [make_row(), make_row(id="long", answer="x" * 90)]
    with pytest.raises(ValueError, match="'long' has 102 tokens, more than max_length=50"):
        BioMedGPTDataCollator(SpellingProcessor(), max_length=50)(rows)


def test_a_row_that_breaks_the_schema_is_named():
    with pytest.raises(InvalidRowError, match="'r1', field 'molecules'"):
        BioMedGPTDataCollator(SpellingProcessor())([{**make_row(), "molecules": []}])


def test_a_row_that_the_processor_refuses_is_named_by_its_id_and_not_by_its_place(processor):
    wrong = [
        make_row(id="m", molecules=["CC(C"]),
        make_row(id="p", proteins=["MK1"]),
        make_row("<moleculeHere>", id="t"),
    ]
    for row, reason in zip(
        wrong, ["Cannot read molecule", "Cannot read protein", "The placeholder stands"], strict=True
    ):
        with pytest.raises(ValueError, match=f"Row '{row['id']}': .*{reason}"):
            BioMedGPTDataCollator(processor)([make_row(), row, make_row(id="r3")])


def test_an_unknown_padding_side_is_refused():
    with pytest.raises(ValueError, match="'left' or 'right', got 'both'"):
        BioMedGPTDataCollator(SpellingProcessor(), padding_side="both")


def test_training_needs_none_of_the_packages_that_building_needs():
    code = """
import sys
for name in ("datasets", "pyarrow", "Bio"):
    sys.modules[name] = None
from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
for builder in ("chebi20", "uniprotqa"):
    try:
        __import__(f"biomedgpt_hf.sets.{builder}.builder")
    except ImportError as error:
        assert 'pip install ".[data]" -c constraints.txt' in str(error), error
    else:
        raise SystemExit(builder + " was imported")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def processor():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from biomedgpt_hf import BioMedGPTProcessor

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate(["<unk>", "<s>", "</s>", "<pad>", *letters])}
    backend = Tokenizer(models.BPE(vocab, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return BioMedGPTProcessor.from_parts(PreTrainedTokenizerFast(tokenizer_object=backend, **special))


ROWS = [
    make_row("Please describe this molecule.", "The molecule is an alcohol."),
    make_row("What is the protein family?", "Belongs to the β family.", proteins=["MKTAYIAK"]),
    make_row("Do they react?", "No", molecules=["C", "InChI=1S/CH4/h1H4"]),
]


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_the_real_processor_gives_the_answer_and_the_end_token_as_labels(processor, padding_side):
    batch = BioMedGPTDataCollator(processor, padding_side=padding_side)(ROWS)
    for row, labels in zip(ROWS, batch["labels"], strict=True):
        answer = row["messages"][1]["content"][0]["text"]
        assert processor.tokenizer.decode(labels[labels != -100]) == answer + "</s>"
    assert {"atom_features", "bond_index", "protein_input_ids"} <= set(batch)


@pytest.mark.parametrize("row", ROWS[:2], ids=["molecule", "protein"])
def test_the_layout_is_the_originals_prompt_with_the_answer_tokenised_by_itself(processor, row):
    collated = BioMedGPTDataCollator(processor)([row])
    expert, subject, item = {
        "molecules": ("chemistry and molecule discovery", "a molecule", "molecule"),
        "proteins": ("biology", "a protein", "protein"),
    }["molecules" if row["molecules"] else "proteins"]
    question, answer = (message["content"][-1]["text"] for message in row["messages"])
    prompt = (
        f"You are working as an excellent assistant in {expert}. Below a human gives the representation of {subject}. "
        f"Answer a question about it. ### Human: <{item}><{item}Here></{item}> {question} ### Assistant: "
    )
    items = {name: row[name] for name in ("molecules", "proteins") if row[name]}
    expected = processor(text=prompt, suffix=answer, return_tensors="pt", **items)
    assert set(collated) == set(expected)
    assert all(torch.equal(collated[name], expected[name]) for name in expected)


def test_built_saved_and_loaded_rows_collate_to_identical_tensors(processor, tmp_path):
    stored = Dataset.from_list(ROWS, features=features())
    stored.to_parquet(tmp_path / "rows.parquet")
    loaded = Dataset.from_parquet(str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path))
    collator = BioMedGPTDataCollator(processor)
    first, second = collator(ROWS), collator(list(loaded))
    assert set(first) == set(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
