"""Better and worse answers: chosen rows, then rejected ones, and only the last answers compared."""

import pytest
import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.batches.preferences import BioMedGPTPreferenceCollator, with_answer

from .mini_training import PROTEIN, load_mini, make_row


@pytest.fixture(scope="module")
def processor():
    return BioMedGPTProcessor.from_pretrained(mini_checkpoint())


def preference(question="What is it?", chosen="An alcohol.", rejected="It is a metal, surely.", **items):
    row = make_row(question, chosen, **(items or {"molecules": ["CCO"]}))
    return {**row, "messages": row["messages"][:1], "chosen": chosen, "rejected": rejected}


def preferences():
    return [
        preference(),
        preference("Which family?", "The first.", "None.", proteins=[PROTEIN]),
        preference("Does it bind?", "Yes.", "No.", molecules=["CC"], proteins=[PROTEIN[:12]]),
        preference("What is water?", "A solvent.", "A gas.", molecules=[], proteins=[]),
    ]


def compared(batch, processor):
    masks = batch["completion_mask"].bool()
    return [processor.tokenizer.decode(ids[mask]) for ids, mask in zip(batch["input_ids"], masks, strict=True)]


def test_chosen_answers_come_first_and_rejected_ones_after_them(processor):
    batch = BioMedGPTPreferenceCollator(processor)(preferences())
    end = processor.tokenizer.eos_token
    texts = [row[answer] + end for answer in ("chosen", "rejected") for row in preferences()]
    assert compared(batch, processor) == texts
    assert "labels" not in batch and batch["completion_mask"].dtype == torch.int64
    assert {len(tensor) for tensor in batch.values()} == {8}
    for half, answer in ((slice(0, 4), "chosen"), (slice(4, 8), "rejected")):
        alone = BioMedGPTDataCollator(processor)([with_answer(row, answer) for row in preferences()])
        mask = alone["attention_mask"].bool()
        assert torch.equal(batch["input_ids"][half, : mask.shape[1]][mask], alone["input_ids"][mask])


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_earlier_answers_belong_to_the_question(processor, padding_side):
    row = preference()
    row["messages"] = [*make_row("Is it wet?", "It is.", molecules=["CCO"])["messages"], *row["messages"]]
    row["messages"][-1] = {"role": "user", "content": "What is it?"}
    batch = BioMedGPTPreferenceCollator(processor, padding_side=padding_side)([row, preference()])
    assert compared(batch, processor)[0] == "An alcohol." + processor.tokenizer.eos_token


@pytest.mark.parametrize("content", ["A metal.", [{"type": "text", "text": "A metal."}]])
def test_answers_may_be_messages_also_as_datasets_returns_them(processor, content):
    messages = preference(chosen=[{"role": "assistant", "content": content}], rejected="No.")
    text = preference(chosen="A metal.", rejected="No.")
    stored = Dataset.from_list([messages])[0]
    collator = BioMedGPTPreferenceCollator(processor)
    expected = collator([text])
    for row in (messages, stored, {**messages, "chosen": messages["chosen"][0]}):
        batch = collator([row])
        assert batch.keys() == expected.keys() and all(torch.equal(batch[name], expected[name]) for name in batch)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": []}, "messages must end with a user's message"),
        ({"messages": make_row("What?", "That.", molecules=["CCO"])["messages"]}, "must end with a user's message"),
        ({"chosen": None}, "field 'chosen': needs a text, or one assistant message with text, got None"),
        ({"rejected": [{"role": "user", "content": "No."}]}, "field 'rejected': needs a text"),
        ({"rejected": {"role": "assistant", "content": [{"type": "molecule"}]}}, "field 'rejected': needs a text"),
        ({"rejected": " "}, "block without text"),
        ({"molecules": ["C(C"]}, "Cannot read molecule"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(processor, change, reason):
    with pytest.raises(ValueError, match=rf"Row 'What is it\? An alcohol\.'.*{reason}"):
        BioMedGPTPreferenceCollator(processor)([preference(), {**preference(), **change}])


def test_layouts_that_join_rows_are_refused(processor):
    for option in ("packing", "share_prefix"):
        with pytest.raises(ValueError, match="a row for each answer"):
            BioMedGPTPreferenceCollator(processor, **{option: True})


def test_trls_trainer_learns_to_prefer_the_chosen_answers(processor, tmp_path):
    class RowsAsTheyAre(DPOTrainer):
        def _prepare_dataset(self, dataset, *args, **kwargs):
            return dataset

    arguments = DPOConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        max_steps=6,
        logging_steps=1,
        max_length=None,
        remove_unused_columns=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
    )
    trainer = RowsAsTheyAre(
        load_mini(),
        load_mini().eval(),
        args=arguments,
        train_dataset=Dataset.from_list(preferences()),
        data_collator=BioMedGPTPreferenceCollator(processor),
        processing_class=processor.tokenizer,
    )
    trainer.train()
    margins = [entry["rewards/margins"] for entry in trainer.state.log_history if "rewards/margins" in entry]
    assert len(margins) == 6 and abs(margins[0]) < 1e-4 < 0.1 < margins[-1]
