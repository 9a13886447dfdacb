"""Rows packed into one sequence teach what they teach in a padded batch; controls show that this is no accident."""

import pytest
import torch
from transformers import Trainer, TrainingArguments

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.batches.packing import pack

from .mini_training import largest_difference, load_mini, loss_and_gradients, mixed_rows


@pytest.fixture(scope="module")
def processor():
    return BioMedGPTProcessor.from_pretrained(mini_checkpoint())


@pytest.fixture(scope="module")
def model():
    return load_mini()


@pytest.fixture(scope="module")
def batches(processor):
    """The same rows padded and packed."""
    return tuple(BioMedGPTDataCollator(processor, packing=packing)(mixed_rows()) for packing in (False, True))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_rows_give_the_loss_and_the_gradients_of_padded_ones(batches, attention):
    padded, packed = batches
    model = load_mini(attention)
    expected = loss_and_gradients(model, padded)
    assert largest_difference(loss_and_gradients(model, packed), expected) <= 1e-6
    together = loss_and_gradients(model, packed, num_items_in_batch=77, output_token_losses=True)
    assert largest_difference(together, loss_and_gradients(model, padded, num_items_in_batch=77)) <= 1e-6


@pytest.mark.parametrize("mistake", ["mask of ones", "cache", "positions that go on"])
def test_rows_would_see_each_other_with_a_mask_of_ones_or_a_cache(model, batches, mistake):
    padded, packed = batches
    wrong = {
        "mask of ones": {"attention_mask": torch.ones_like(packed["input_ids"])},
        "cache": {"use_cache": True},
        "positions that go on": {"position_ids": torch.arange(packed["input_ids"].shape[1])[None]},
    }[mistake]
    assert largest_difference(loss_and_gradients(model, packed, **wrong), loss_and_gradients(model, padded)) > 1e-2


def test_a_packed_batch_is_one_row_without_padding(batches):
    padded, packed = batches
    lengths = padded["attention_mask"].sum(1).tolist()
    assert packed["input_ids"].shape == (1, sum(lengths))
    assert packed["position_ids"][0].tolist() == [position for length in lengths for position in range(length)]
    assert "attention_mask" not in packed and packed["use_cache"] is False
    assert (packed["labels"] != -100).sum() == (padded["labels"] != -100).sum()
    assert packed["atom_mask"].all() and packed["bond_mask"].all() and packed["protein_attention_mask"].any(-1).all()
    assert packed["atom_features"].shape[:2] == (1, 3 + 1 + 13 + 3)
    assert packed["atom_molecule"].unique().tolist() == [0, 1, 2, 3] and packed["protein_input_ids"].shape[:2] == (1, 4)
    tensors = [tensor for tensor in packed.values() if torch.is_tensor(tensor)]
    assert all(tensor.dtype == torch.int64 and len(tensor) == 1 for tensor in tensors)


def test_padding_on_the_left_is_taken_off_too(processor, batches):
    packed = BioMedGPTDataCollator(processor, packing=True, padding_side="left")(mixed_rows())
    assert all(torch.equal(torch.as_tensor(value), torch.as_tensor(batches[1][name])) for name, value in packed.items())


def test_items_that_no_row_has_are_left_out(processor):
    packed = BioMedGPTDataCollator(processor, packing=True)(mixed_rows()[2:3])
    assert set(packed) == {"input_ids", "labels", "position_ids", "use_cache"}


def test_a_rows_first_token_is_no_label_of_the_row_before():
    ids = torch.tensor([[5, 6, 7], [8, 9, 0]])
    packed = pack({"input_ids": ids, "attention_mask": (ids > 0).long(), "labels": ids.masked_fill(ids == 0, -100)})
    assert packed["labels"].tolist() == [[-100, 6, 7, -100, 9]]
    assert ids.tolist() == [[5, 6, 7], [8, 9, 0]]


def test_transformers_trainer_trains_the_same_weights(processor, tmp_path):
    trained = []
    for packing in (False, True):
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            optim="sgd",
            learning_rate=0.1,
            max_steps=2,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            remove_unused_columns=False,
            disable_tqdm=True,
        )
        model, before = load_mini(), load_mini()
        collator, rows = BioMedGPTDataCollator(processor, packing=packing), mixed_rows()
        trainer = Trainer(model, arguments, data_collator=collator, train_dataset=rows, eval_dataset=rows)
        trainer.train()
        assert trainer.evaluate()["eval_loss"] > 0
        trained.append(dict(model.named_parameters()))
    name = "model.language_model.embed_tokens.weight"
    assert (trained[0][name] - before.get_parameter(name)).abs().max() > 1e-3
    for name, parameter in trained[0].items():
        torch.testing.assert_close(trained[1][name], parameter, atol=1e-6, rtol=0, msg=name)


def test_packing_and_a_shared_prefix_exclude_each_other(processor):
    with pytest.raises(ValueError, match="packing=True and share_prefix=True .* choose one"):
        BioMedGPTDataCollator(processor, packing=True, share_prefix=True)
