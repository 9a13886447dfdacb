"""Questions about one item in one sequence teach what they teach in rows of their own."""

import pytest
import torch

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.batches.shared_prefix import items_of, share_prefixes
from biomedgpt_hf.rows.schema import to_conversation

from .mini_training import PROTEIN, largest_difference, load_mini, loss_and_gradients, make_row, mixed_rows

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
PLACEHOLDER = 9


@pytest.fixture(scope="module")
def processor():
    return BioMedGPTProcessor.from_pretrained(mini_checkpoint())


@pytest.fixture(scope="module")
def model():
    return load_mini()


def questions():
    """Three about a protein, two about a molecule, one of another protein, and text."""
    about = [("What is its function?", "Unknown to us."), ("What is its family?", "The first."), ("Where?", "Outside.")]
    return [
        *(make_row(question, answer, proteins=[PROTEIN]) for question, answer in about),
        *(make_row(question, answer, molecules=[ASPIRIN]) for question, answer in about[:2]),
        make_row(*about[0], proteins=[PROTEIN[3:]]),
        make_row("What is water?", "A solvent."),
        make_row("What is water?", "A liquid."),
    ]


def both(processor, rows, **options):
    """Rows as an ordinary batch, and with shared prefixes."""
    return tuple(BioMedGPTDataCollator(processor, share_prefix=share, **options)(rows) for share in (False, True))


def assert_same_lesson(model, processor, rows, sequences):
    ordinary, shared = both(processor, rows)
    assert len(shared["input_ids"]) == sequences
    expected = loss_and_gradients(model, ordinary)
    assert largest_difference(loss_and_gradients(model, shared), expected) <= 1e-6
    counted = loss_and_gradients(model, shared, num_items_in_batch=77, output_token_losses=True)
    assert largest_difference(counted, loss_and_gradients(model, ordinary, num_items_in_batch=77)) <= 1e-6


def test_a_shared_prefix_changes_neither_loss_nor_gradients(model, processor):
    assert_same_lesson(model, processor, questions(), 5)


def test_padding_on_the_left_is_taken_off_too(processor):
    (_, right), (_, left) = (both(processor, questions(), padding_side=side) for side in ("right", "left"))
    assert right.keys() == left.keys() and all(torch.equal(right[name], left[name]) for name in right)


def test_rows_of_all_kinds_beside_each_other_change_neither(model, processor):
    rows = mixed_rows()
    again = make_row("Why?", "Nobody knows.", molecules=rows[4]["molecules"], proteins=rows[4]["proteins"])
    assert_same_lesson(model, processor, [*rows[:5], again, rows[5]], 6)


def test_conversations_that_begin_alike_share_no_answer(model, processor):
    """The second row's first answer is the first row's: it is learned twice, so it cannot stand there once."""
    rows = questions()[2:4]
    for answer in ("Nowhere.", "Anywhere."):
        row = make_row("Where?", "Outside.", proteins=[PROTEIN])
        row["messages"] += make_row("Sure?", answer)["messages"]
        rows.insert(1, row)
    assert_same_lesson(model, processor, rows, 2)


def test_answers_to_the_same_question_share_all_but_its_last_token(model, processor):
    rows = [make_row("Where?", answer, proteins=[PROTEIN]) for answer in ("Outside.", "Inside.", "Inside.")]
    rows += questions()[3:4]
    assert_same_lesson(model, processor, rows, 2)


@pytest.mark.parametrize("mistake", ["rests see each other", "positions go on"])
def test_without_its_mask_or_its_positions_the_lesson_is_another(model, processor, mistake):
    ordinary, shared = both(processor, questions())
    if mistake == "positions go on":
        shared["position_ids"] = torch.arange(shared["input_ids"].shape[1]).expand_as(shared["input_ids"])
    else:
        shared["visibility_mask"] = torch.ones_like(shared["visibility_mask"]).tril()
    assert largest_difference(loss_and_gradients(model, shared), loss_and_gradients(model, ordinary)) > 1e-3


def test_each_item_and_its_rows_stand_there_once(processor):
    ordinary, shared = both(processor, questions())
    token = processor.protein_token_id
    assert (ordinary["input_ids"] == token).sum() == 4 * len(PROTEIN) - 3
    assert (shared["input_ids"] == token).sum() == 2 * len(PROTEIN) - 3
    assert shared["protein_attention_mask"].any(-1).sum() == 2
    assert shared["atom_mask"].sum() == 13
    assert (shared["labels"] != -100).sum() == (ordinary["labels"] != -100).sum()
    assert shared["visibility_mask"].dtype == torch.bool and shared["visibility_mask"].shape[1] == 1
    assert shared["visibility_mask"].any(-1).all()  # padding sees itself: a softmax over nothing would be NaN


def tensors(*rows, labels=1):
    """A batch of ids, whose last tokens are labels."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    mask = (ids > 0).long()
    learned = (mask.sum(1, keepdim=True) - torch.arange(ids.shape[1]) <= labels) & (mask > 0)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(~learned, -100)}


def test_positions_go_on_from_the_prefix_for_each_rest():
    shared = share_prefixes(tensors([5, 9, 6, 7, 8], [5, 9, 6, 10, 11, 12]), ["a", "a"], [PLACEHOLDER])
    assert shared["input_ids"].tolist() == [[5, 9, 6, 7, 8, 10, 11, 12]]
    assert shared["position_ids"].tolist() == [[0, 1, 2, 3, 4, 3, 4, 5]]
    assert shared["labels"].tolist() == [[-100] * 4 + [8, -100, -100, 12]]
    seen = [[int(key) for key in row.nonzero()] for row in shared["visibility_mask"][0, 0]]
    assert shared["attention_mask"].tolist() == [[1] * 8]
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4]] + [
        [0, 1, 2, 5],
        [0, 1, 2, 5, 6],
        [0, 1, 2, 5, 6, 7],
    ]


@pytest.mark.parametrize(
    ("rows", "items", "sequences"),
    [
        (([5, 9, 6, 7], [5, 9, 6, 7]), ["a", "b"], 2),  # other items
        (([5, 9, 6, 7], [5, 9, 6, 7]), [(), ()], 2),  # none
        (([4, 9, 6, 7], [5, 9, 6, 7]), ["a", "a"], 2),  # other words before the item
        (([5, 9, 6, 9, 8, 7], [5, 9, 8, 9, 8, 7]), ["a", "a"], 2),  # other words between the items
        (([5, 9, 7], [5, 9, 7]), ["a", "a"], 2),  # the label follows the item
        (([5, 9, 6, 7], [5, 9, 6, 8]), ["a", "a"], 1),
        (([5, 9, 6, 7], [5, 8, 6, 7], [5, 9, 6, 8]), ["a", "", "a"], 3),  # not neighbours
        (([5, 9, 6, 6, 7], [5, 9, 6, 6, 8], [5, 9, 2, 3, 4]), ["a", "a", "a"], 1),  # less in common with the third
        (([5, 9, 6, 7], [5, 9, 6, 8], [4, 9, 6, 7], [4, 9, 6, 8]), ["a"] * 4, 2),
    ],
)
def test_which_rows_may_share(rows, items, sequences):
    ordinary = tensors(*rows)
    shared = share_prefixes(ordinary, items, [PLACEHOLDER])
    assert len(shared["input_ids"]) == sequences
    learned = shared["labels"][shared["labels"] != -100]
    assert learned.tolist() == ordinary["labels"][ordinary["labels"] != -100].tolist()
    if sequences == len(rows):
        assert torch.equal(shared["input_ids"], ordinary["input_ids"])


def test_items_of_a_conversation_come_in_order():
    row = mixed_rows()[4]
    assert items_of(to_conversation(row)) == (("molecule", "C1CC1"), ("protein", "MGSSHHHHHH"))


def test_attention_that_would_read_the_mask_otherwise_is_refused(model, processor):
    shared = both(processor, questions())[1]
    model.set_attn_implementation("eager")
    try:
        with pytest.raises(ValueError, match="needs sdpa, and attention here is 'eager'"):
            model(**shared)
    finally:
        model.set_attn_implementation("sdpa")
    model.model.language_model.config.sliding_window = 32
    try:
        with pytest.raises(ValueError, match="beyond the language model's window of 32"):
            model(**shared)
    finally:
        del model.model.language_model.config.sliding_window
    assert model(**shared).loss.isfinite()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "layer_types",
            ["conv", "full_attention"],
            "'llama' has layers of the kind 'conv', and tokens would see beyond",
        ),
        ("attention_chunk_size", 32, "beyond the language model's window of 32"),
    ],
)
def test_layers_that_the_mask_does_not_reach_are_refused(model, processor, monkeypatch, field, value, message):
    shared = both(processor, questions())[1]
    monkeypatch.setattr(model.model.language_model.config, field, value, raising=False)
    with pytest.raises(ValueError, match=message):
        model(**shared)


def test_a_language_model_that_knows_no_positions_is_refused(model, processor, monkeypatch):
    shared = both(processor, questions())[1]
    monkeypatch.setattr(model.model.language_model, "forward", lambda inputs_embeds, attention_mask: None)
    with pytest.raises(ValueError, match="'llama' has no position_ids"):
        model(**shared)
