"""Loss and gradients, what trains and what stays in evaluation mode, gradient checkpointing, LoRA."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import MOLECULE, PROTEIN, Sample, collate, make_sample, tiny_config, tiny_model
from torch import nn
from transformers.utils.generic import find_labels

from biomedgpt_hf import BioMedGPTForConditionalGeneration, GINConfig
from biomedgpt_hf.modeling import modality_encoders

Gradients = dict[str, torch.Tensor]


def loss_and_gradients(model: nn.Module, **inputs) -> tuple[torch.Tensor, Gradients]:
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same(one: tuple[torch.Tensor, Gradients], two: tuple[torch.Tensor, Gradients], atol: float = 2e-6) -> None:
    torch.testing.assert_close(one[0], two[0], atol=atol, rtol=1e-5)
    assert one[1].keys() == two[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, two[1][name], atol=atol, rtol=1e-4, msg=name)


# Loss.


def test_the_loss_is_the_mean_over_label_tokens(model, training_batch):
    output = model(**training_batch)
    predictions, labels = output.logits[:, :-1], training_batch["labels"][:, 1:]
    keep = labels != -100
    assert keep.sum() == 4 * 3
    torch.testing.assert_close(output.loss, nn.functional.cross_entropy(predictions[keep], labels[keep]))


def test_only_label_positions_reach_the_head_in_training(model, training_batch):
    rows = []
    model.lm_head.register_forward_hook(lambda module, args, output: rows.append(output.shape[:-1].numel()))
    assert model.train()(**training_batch).logits is None
    assert rows.pop() == 4 * 3
    assert model(**training_batch, skip_logits=False).logits.shape == (*training_batch["input_ids"].shape, 98)
    assert model.eval()(**training_batch).logits is not None
    assert model(**training_batch, skip_logits=True).logits is None
    assert model(**{**training_batch, "labels": None}).loss is None


@pytest.mark.parametrize("form", ["labels", "num_items_in_batch", "shift_labels", "both"])
def test_label_positions_alone_give_the_same_loss_and_gradients(model, training_batch, form: str):
    labels = training_batch["labels"]
    if form in ("num_items_in_batch", "both"):
        training_batch["num_items_in_batch"] = torch.tensor(31)
    if form in ("shift_labels", "both"):
        training_batch["shift_labels"] = nn.functional.pad(labels, (0, 1), value=-100)[:, 1:]
        training_batch["labels"] = torch.full_like(labels, 7)  # shifted labels rule
    model.train()
    short = loss_and_gradients(model, **training_batch)
    full = loss_and_gradients(model, **training_batch, skip_logits=False)
    assert_same(short, full)
    if form == "both":
        plain = {name: t for name, t in training_batch.items() if name not in ("shift_labels", "num_items_in_batch")}
        mean = loss_and_gradients(model, **{**plain, "labels": labels})
        assert_same((short[0] * 31 / 12, {n: g * 31 / 12 for n, g in short[1].items()}), mean, atol=1e-5)


@pytest.mark.parametrize("skip_logits", [True, False])
@pytest.mark.parametrize("form", ["labels", "num_items_in_batch", "shift_labels"])
def test_losses_of_label_tokens_make_up_the_ordinary_loss(model, training_batch, form: str, skip_logits: bool):
    labels = training_batch["labels"]
    labels[1, -2:] = -100  # rows with other numbers of labels
    if form == "num_items_in_batch":
        training_batch["num_items_in_batch"] = torch.tensor(31)
    if form == "shift_labels":
        training_batch["shift_labels"] = nn.functional.pad(training_batch.pop("labels"), (0, 1), value=-100)[:, 1:]
    ordinary = loss_and_gradients(model.train(), **training_batch, skip_logits=skip_logits)
    told = {**training_batch, "skip_logits": skip_logits, "output_token_losses": True}
    assert_same(loss_and_gradients(model, **told), ordinary, atol=1e-6)
    output = model(**told)
    count = int((labels[:, 1:] != -100).sum())
    assert output.token_losses.shape == (count,) and output.token_losses.dtype == torch.float32
    assert not output.token_losses.requires_grad
    divisor = 31 if form == "num_items_in_batch" else count
    torch.testing.assert_close(output.token_losses.sum() / divisor, ordinary[0])
    assert (output.logits is None) == skip_logits


def test_losses_of_label_tokens_come_row_by_row(model, samples):
    together = model(**collate(samples, "right", 3), output_token_losses=True).token_losses
    singles = [model(**collate([sample], "right", 3), output_token_losses=True).token_losses for sample in samples]
    assert together.std() > 0.1
    torch.testing.assert_close(together, torch.cat(singles), atol=1e-5, rtol=1e-5)


def test_losses_of_label_tokens_are_given_on_demand_only(model, training_batch):
    assert model(**training_batch).token_losses is None
    assert model(**{**training_batch, "labels": None}, output_token_losses=True).token_losses is None


def test_a_trainer_looks_for_labels_under_one_name_only(model):
    assert find_labels(type(model)) == ["labels"]  # one more argument with that word, and it would see no labels


@pytest.mark.parametrize("output_token_losses", [True, False])
@pytest.mark.parametrize("skip_logits", [True, False])
def test_a_batch_without_labels_adds_nothing_to_those_accumulated(
    model, training_batch, skip_logits: bool, output_token_losses: bool
):
    training_batch["labels"] = torch.full_like(training_batch["labels"], -100)
    options = {"skip_logits": skip_logits, "output_token_losses": output_token_losses}
    for count in (None, 0, torch.tensor(0), 7, torch.tensor(7)):
        loss, gradients = loss_and_gradients(model.train(), **training_batch, num_items_in_batch=count, **options)
        assert loss == 0
        assert len(gradients) > 50 and all(not gradient.any() for gradient in gradients.values())
    if output_token_losses:
        assert model(**training_batch, **options).token_losses.shape == (0,)


def test_placeholder_rows_change_neither_loss_nor_gradients(model, training_batch):
    """The same weights in a vocabulary without the two rows."""
    loss, gradients = loss_and_gradients(model, **training_batch)
    embeds, head = model.model.get_input_embeddings(), model.lm_head
    model.zero_grad()
    inner = {name: tensor for name, tensor in training_batch.items() if name != "labels"}
    hidden = model.model(**inner).last_hidden_state[:, :-1]
    logits = nn.functional.linear(hidden, head.weight[:-2])
    without = nn.functional.cross_entropy(logits.flatten(0, 1), training_batch["labels"][:, 1:].flatten())
    without.backward()
    torch.testing.assert_close(loss, without.detach(), atol=1e-6, rtol=1e-6)
    assert head.weight.grad[-2:].abs().max() == gradients["lm_head.weight"][-2:].abs().max() == 0
    torch.testing.assert_close(head.weight.grad, gradients["lm_head.weight"])
    torch.testing.assert_close(embeds.weight.grad, gradients["model.language_model.embed_tokens.weight"])
    assert embeds.weight.grad[-2:].abs().max() == 0  # a placeholder's own embedding never shows


@pytest.mark.parametrize("training", [True, False])
def test_a_label_on_a_placeholder_does_not_count(model, training_batch, training: bool):
    model.train(training)
    expected = loss_and_gradients(model, **training_batch)
    placeholders = (training_batch["input_ids"] == MOLECULE) | (training_batch["input_ids"] == PROTEIN)
    assert placeholders.any()
    training_batch["labels"] = torch.where(placeholders, training_batch["input_ids"], training_batch["labels"])
    assert_same(loss_and_gradients(model, **training_batch), expected)


def test_label_smoothing_stays_finite(model, training_batch):
    from transformers.trainer_pt_utils import LabelSmoother

    labels = training_batch.pop("labels")
    loss = LabelSmoother(0.1)(model.train()(**training_batch), labels, shift_labels=True)
    assert 0 < loss < 10**4


# Gradients.


def test_gradients_are_those_of_single_samples(model, samples):
    model.train()
    _, together = loss_and_gradients(model, **collate(samples, "right", 3))
    singles = [loss_and_gradients(model, **collate([sample], "right", 3))[1] for sample in samples]
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, sum(s[name] for s in singles) / 4, atol=1e-5, rtol=1e-4, msg=name)


def test_different_numbers_of_proteins_leave_gradients_finite(model):
    samples = [make_sample(0, 3, 1), make_sample(0, 0, 2), make_sample(0, 1, 3)]
    _, gradients = loss_and_gradients(model.train(), **collate(samples, "right", 3))
    assert all(gradient.isfinite().all() for gradient in gradients.values())


def test_equal_proteins_of_a_batch_are_encoded_once(model, count_encoder_calls, monkeypatch):
    one, other = make_sample(0, 1, 2), make_sample(0, 2, 5)
    again = Sample([9, *one.input_ids[1:]], proteins=one.proteins)  # another text about the same protein
    batch = collate([one, other, again, make_sample(1, 0, 3)], "right", 3)
    with count_encoder_calls(model) as calls:
        once = loss_and_gradients(model.train(), **batch)
        features = model.get_protein_features(batch["protein_input_ids"], batch["protein_attention_mask"])
    assert calls["protein"] == [3, 3]
    monkeypatch.setattr(modality_encoders, "find_copies", lambda ids, keep: None)
    with count_encoder_calls(model) as calls:
        each = loss_and_gradients(model, **batch)
        expected = model.get_protein_features(batch["protein_input_ids"], batch["protein_attention_mask"])
    assert calls["protein"] == [4, 4]
    assert once[1]["model.protein_encoder.encoder.layer.0.attention.self.query.weight"].abs().max() > 1e-3
    assert_same(once, each, atol=1e-6)
    torch.testing.assert_close(features.last_hidden_state, expected.last_hidden_state, atol=1e-6, rtol=1e-6)
    assert features.last_hidden_state.shape[0] == 4
    for ours, reference in zip(features.pooler_output, expected.pooler_output, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-6, rtol=1e-6)


def test_proteins_that_differ_in_one_residue_or_in_length_are_no_copies(model, count_encoder_calls):
    protein = [0, 5, 6, 7, 2]
    proteins = [protein, [0, 5, 6, 8, 2], protein[:-1], [*protein, 1], protein]  # 1 is padding, here a real token
    samples = [Sample([3, *[PROTEIN] * len(one), 7, 8], proteins=[one]) for one in proteins]
    batch = collate(samples)
    with count_encoder_calls(model) as calls:
        features = model.get_protein_features(batch["protein_input_ids"], batch["protein_attention_mask"])
    assert calls["protein"] == [4]
    torch.testing.assert_close(features.pooler_output[0], features.pooler_output[4])
    assert not torch.allclose(features.pooler_output[0], features.pooler_output[1])


@pytest.mark.parametrize("kind", ["text", "molecule", "protein", "mixed"])
def test_every_used_parameter_gets_a_gradient_in_training(model, count_encoder_calls, kind: str):
    counts = {"text": (0, 0), "molecule": (1, 0), "protein": (0, 1), "mixed": (1, 1)}[kind]
    batch = collate([make_sample(*counts, seed=1)], "right", 3)
    with count_encoder_calls(model) as calls:
        _, gradients = loss_and_gradients(model.train(), **batch)
        assert [len(items) for items in calls.values()] == [1, 1]  # dummies where the batch has none
        model.eval()(**batch)
        assert [len(items) for items in calls.values()] == [1 + counts[0], 1 + counts[1]]
    missing = {name for name, _ in model.named_parameters()} - gradients.keys()
    assert all(".contact_head." in name for name in missing)
    for modality, count in zip(("molecule", "protein"), counts, strict=True):
        assert (gradients[f"model.{modality}_projector.weight"].abs().max() > 0) == bool(count)


def test_dummies_change_neither_the_loss_nor_batch_statistics(model):
    model.config.molecule_config.train_batch_norm = True
    text = collate([make_sample(0, 0, 1)], "right", 3)
    expected = model(**text).loss
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    torch.testing.assert_close(model.train()(**text).loss, expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.named_buffers())


def test_parts_without_a_use_here_are_frozen_or_absent(model):
    contact_head = model.model.protein_encoder.contact_head
    assert not any(parameter.requires_grad for parameter in contact_head.parameters())
    assert model.model.protein_encoder.pooler is None


# Modes.


def test_frozen_encoders_stay_in_evaluation_mode(model):
    model.model.protein_encoder.requires_grad_(False)
    model.train()
    assert model.training and model.model.language_model.training and model.model.molecule_encoder.training
    assert not any(module.training for module in model.model.protein_encoder.modules())
    model.model.molecule_encoder.requires_grad_(False)
    model.train()
    assert not any(module.training for module in model.model.molecule_encoder.modules())
    model.model.protein_encoder.requires_grad_(True)
    assert model.train().model.protein_encoder.training
    assert not any(module.training for module in model.eval().modules())


@pytest.mark.parametrize("train_batch_norm", [False, True])
def test_batch_statistics_move_only_if_the_config_asks(training_batch, train_batch_norm: bool):
    gin = GINConfig(hidden_size=16, num_hidden_layers=2, train_batch_norm=train_batch_norm)
    model = tiny_model(tiny_config(molecule_config=gin)).train()
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    loss_and_gradients(model, **training_batch)
    moved = [name for name, tensor in model.named_buffers() if not torch.equal(tensor, before[name])]
    assert bool(moved) == train_batch_norm and all("batch_norm" in name for name in moved)


def test_methane_alone_trains_with_batch_statistics():
    gin = GINConfig(hidden_size=16, num_hidden_layers=2, train_batch_norm=True)
    model = tiny_model(tiny_config(molecule_config=gin)).train()
    sample = make_sample(1, 0, 0)
    sample.molecules = [tuple(torch.zeros(shape, dtype=torch.long) for shape in ((1, 2), (2, 0), (0, 2)))]
    sample.input_ids = [1, MOLECULE, 5, 7, 8]
    _, gradients = loss_and_gradients(model, **collate([sample], "right", 3))
    assert gradients["model.molecule_projector.weight"].abs().sum() > 0
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("frozen", ["language_model", "nothing"])
def test_gradient_checkpointing_changes_no_gradient(model, training_batch, use_reentrant: bool, frozen: str):
    if frozen == "language_model":
        model.model.language_model.requires_grad_(False)
        model.lm_head.requires_grad_(False)
    model.train()
    expected = loss_and_gradients(model, **training_batch)
    assert expected[1]["model.molecule_projector.weight"].abs().sum() > 0
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": use_reentrant})
    if use_reentrant and frozen == "language_model":
        model.enable_input_require_grads()
    assert_same(loss_and_gradients(model, **training_batch), expected)


# LoRA.


@pytest.fixture
def lora() -> LoraConfig:
    return LoraConfig(
        r=4,
        target_modules=r".*language_model\..*\.(q_proj|v_proj)",
        modules_to_save=["molecule_projector", "protein_projector"],
        task_type="CAUSAL_LM",
    )


def test_lora_trains_saves_loads_and_merges(model, shared_model, training_batch, batch, lora, tmp_path):
    adapted = get_peft_model(model, lora).train()
    trainable = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert trainable and all("lora_" in name or "projector" in name for name in trainable)
    assert not adapted.base_model.model.model.protein_encoder.training  # frozen with the rest
    optimizer = torch.optim.SGD((p for p in adapted.parameters() if p.requires_grad), lr=0.5)
    losses = []
    for _ in range(3):
        losses.append(adapted(**training_batch).loss)
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]

    adapted.eval().save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        logits = adapted(**batch).logits
        assert not torch.allclose(logits, shared_model(**batch).logits, atol=1e-3)
        base = BioMedGPTForConditionalGeneration(shared_model.config)
        base.load_state_dict(shared_model.state_dict())
        loaded = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
        torch.testing.assert_close(loaded(**batch).logits, logits)
        merged = loaded.merge_and_unload()
        assert isinstance(merged, BioMedGPTForConditionalGeneration)
        torch.testing.assert_close(merged(**batch).logits, logits, atol=1e-4, rtol=1e-4)
        merged.save_pretrained(tmp_path / "merged")
        again = BioMedGPTForConditionalGeneration.from_pretrained(tmp_path / "merged")
        torch.testing.assert_close(again(**batch).logits, merged(**batch).logits)


def test_lora_generates_with_items(model, batch, lora):
    adapted = get_peft_model(model, lora).eval()
    expected = model.generate(**batch, max_new_tokens=4, do_sample=False, pad_token_id=0)
    assert torch.equal(adapted.generate(**batch, max_new_tokens=4, do_sample=False, pad_token_id=0), expected)


def test_embeddings_of_placeholders_without_items_only_warn_in_training_too(model, batch):
    embeds = model.get_input_embeddings()(batch["input_ids"]).detach()
    assert model.train()(inputs_embeds=embeds, labels=batch["input_ids"]).loss.isfinite()
