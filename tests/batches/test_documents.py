"""Documents alone and among conversations: every token learned, nothing else changed."""

import pytest
import torch

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.rows.schema import question_row

FACTS = {"source": "test", "license": "CC0-1.0"}


def document(text, id="d"):
    return {"text": text, "id": id, **FACTS}


def conversation(id="c", **items):
    return question_row("Name it.", "Ethanol", task="names", id=id, **FACTS, **items)


@pytest.fixture(scope="module")
def processor():
    return BioMedGPTProcessor.from_pretrained(mini_checkpoint())


@pytest.mark.parametrize("side", ["left", "right"])
def test_every_token_of_a_document_is_learned_from_start_to_end(processor, side):
    batch = BioMedGPTDataCollator(processor, padding_side=side)([document("Aspirin is an acid."), document("So?")])
    tokenizer = processor.tokenizer
    for text, ids, mask, labels in zip(
        ["Aspirin is an acid.", "So?"], batch["input_ids"], batch["attention_mask"].bool(), batch["labels"], strict=True
    ):
        whole = tokenizer(text)["input_ids"]
        assert ids[mask].tolist() == [
            *whole,
            *([] if whole[-1] == tokenizer.eos_token_id else [tokenizer.eos_token_id]),
        ]
        assert torch.equal(labels[mask], ids[mask]) and (labels[~mask] == -100).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_documents_among_conversations_leave_each_row_as_it_is_alone(processor, side):
    rows = [
        document("Water boils. " * 9, "d1"),
        conversation("c1", molecules=["CCO"]),
        document("Ice melts.", "d2"),
        conversation("c2", molecules=["C", "CC"], proteins=["MKT"]),
    ]
    collator = BioMedGPTDataCollator(processor, padding_side=side)
    mixed = collator(rows)
    assert mixed["input_ids"].shape[0] == 4 and mixed["atom_mask"].bool().any(1).tolist() == [False, True, False, True]
    for row, ids, mask, labels in zip(
        rows, mixed["input_ids"], mixed["attention_mask"].bool(), mixed["labels"], strict=True
    ):
        alone = collator([row])
        assert ids[mask].tolist() == alone["input_ids"][0].tolist()
        assert labels[mask].tolist() == alone["labels"][0].tolist() and (labels[~mask] == -100).all()
    assert collator.row_lengths(rows).tolist() == mixed["attention_mask"].sum(1).tolist()


def test_mixed_rows_give_the_loss_of_their_parts_padded_packed_or_with_shared_prefixes(processor):
    from biomedgpt_hf import BioMedGPTForConditionalGeneration

    model = BioMedGPTForConditionalGeneration.from_pretrained(mini_checkpoint()).eval()
    rows = [document("Water boils."), conversation("c1", molecules=["CCO"]), conversation("c2", molecules=["CCO"])]

    def sum_of_losses(rows, **options):
        batch = BioMedGPTDataCollator(processor, **options)(rows)
        return float(model(**batch, num_items_in_batch=torch.tensor(1)).loss)

    expected = sum(sum_of_losses([row]) for row in rows)
    for options in ({}, {"packing": True}, {"share_prefix": True}):
        assert sum_of_losses(rows, **options) == pytest.approx(expected, abs=1e-2), options


def test_a_document_longer_than_the_limit_is_named(processor):
    with pytest.raises(ValueError, match="Row 'long' has 303 tokens, more than max_length=20"):
        BioMedGPTDataCollator(processor, max_length=20)([document("word " * 100, "long")])
