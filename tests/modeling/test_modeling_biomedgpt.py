"""The model's forward: items in their places, none lost, batches like singles, precision, devices, saving."""

import copy

import pytest
import torch
from tiny_models import MOLECULE, PROTEIN, Sample, collate, make_sample, new_tokens, tiny_config, tiny_model
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM, LlamaConfig, LlamaForCausalLM

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTModel

MOLECULE_TENSORS = ("atom_features", "atom_mask", "bond_index", "bond_features", "bond_mask", "atom_molecule")


def by_hand(model: BioMedGPTForConditionalGeneration, sample: Sample) -> torch.Tensor:
    """Logits [T, V] of one sample: every item encoded by itself and put in its place, in plain steps."""
    core = model.model
    ids = torch.tensor(sample.input_ids)
    embeds = core.get_input_embeddings()(ids).clone()
    atoms = [core.molecule_encoder(*molecule)[0] for molecule in sample.molecules]
    residues = [
        core.protein_encoder(input_ids=torch.tensor([p]), attention_mask=torch.ones(1, len(p)))[0][0]
        for p in sample.proteins
    ]
    if atoms:
        embeds[ids == MOLECULE] = core.molecule_projector(torch.cat(atoms))
    if residues:
        if model.config.protein_feature_select == "residues":
            residues = [rows[1:-1] for rows in residues]
        embeds[ids == PROTEIN] = core.protein_projector(torch.cat(residues))
    return model.lm_head(core.language_model(inputs_embeds=embeds[None]).last_hidden_state[0])


@pytest.mark.parametrize("select", ["full", "residues"])
def test_every_item_stands_in_its_place(select: str):
    model = tiny_model(tiny_config(protein_feature_select=select))
    for molecules, proteins in ((1, 0), (0, 1), (3, 2), (0, 0)):
        sample = make_sample(molecules, proteins, seed=2, flanks=2 if select == "full" else 0)
        with torch.no_grad():
            logits = model(**collate([sample])).logits[0, :, :-2]
            torch.testing.assert_close(logits, by_hand(model, sample)[:, :-2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_is_its_samples(shared_model, samples, side: str):
    with torch.no_grad():
        together = shared_model(**collate(samples, side)).logits
        for sample, logits in zip(samples, together, strict=True):
            length = len(sample.input_ids)
            alone = shared_model(**collate([sample])).logits[0]
            ours = logits[-length:] if side == "left" else logits[:length]
            torch.testing.assert_close(ours, alone, atol=1e-5, rtol=1e-5)


def test_the_order_of_a_batch_does_not_matter(shared_model, samples):
    with torch.no_grad():
        logits = shared_model(**collate(samples)).logits
        turned = shared_model(**collate(samples[::-1])).logits
    torch.testing.assert_close(turned.flip(0), logits, atol=1e-5, rtol=1e-5)


def test_a_slice_of_a_batch_without_items_runs_as_text(shared_model, batch, count_encoder_calls):
    text_only = {name: tensor[2:3] for name, tensor in batch.items()}
    with torch.no_grad(), count_encoder_calls(shared_model) as calls:
        sliced = shared_model(**text_only).logits
        assert calls == {"molecule": [], "protein": []}
        plain = shared_model(input_ids=text_only["input_ids"], attention_mask=text_only["attention_mask"]).logits
        assert torch.equal(sliced, plain)
        shared_model(**{name: tensor[1:3] for name, tensor in batch.items()})
    assert calls == {"molecule": [], "protein": [1]}


def test_padding_never_reaches_an_encoder(shared_model, batch, count_encoder_calls):
    with torch.no_grad(), count_encoder_calls(shared_model) as calls:
        logits = shared_model(**batch).logits
        assert calls == {"molecule": [int(batch["atom_mask"].sum())], "protein": [3]}
        for name, mask in (("atom_features", "atom_mask"), ("bond_features", "bond_mask")):
            batch[name][batch[mask] == 0] = 1
        batch["bond_index"].transpose(1, 2)[batch["bond_mask"] == 0] = 10**6
        batch["protein_input_ids"][batch["protein_attention_mask"] == 0] = 5
        torch.testing.assert_close(shared_model(**batch).logits, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_masks_may_be_of_any_type(shared_model, batch, dtype: torch.dtype):
    with torch.no_grad():
        logits = shared_model(**batch).logits
        for name in ("atom_mask", "bond_mask", "protein_attention_mask"):
            batch[name] = batch[name].to(dtype)
        assert torch.equal(shared_model(**batch).logits, logits)


def test_features_come_one_tensor_a_sample(shared_model, batch):
    names = ("atom_features", "atom_mask", "bond_index", "bond_features", "bond_mask")
    with torch.no_grad():
        molecules = shared_model.get_molecule_features(**{name: batch[name] for name in names})
        proteins = shared_model.get_protein_features(batch["protein_input_ids"], batch["protein_attention_mask"])
        output = shared_model.model(**batch)
    assert [tuple(f.shape) for f in molecules.pooler_output] == [(7, 32), (0, 32), (0, 32), (3, 32)]
    assert [tuple(f.shape) for f in proteins.pooler_output] == [(0, 32), (7, 32), (0, 32), (11, 32)]
    assert output.last_hidden_state.shape == (*batch["input_ids"].shape, 32)
    torch.testing.assert_close(output.molecule_hidden_states, torch.cat(molecules.pooler_output))
    torch.testing.assert_close(output.protein_hidden_states, torch.cat(proteins.pooler_output))


def test_features_encoded_before_are_as_good_as_raw_tensors(shared_model, batch):
    text = {name: batch.pop(name) for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        outputs = shared_model.encode_modalities(len(text["input_ids"]), batch)
        torch.testing.assert_close(
            shared_model(**text, mm_encoder_outputs=outputs).logits, shared_model(**text, **batch).logits
        )
        with pytest.raises(ValueError, match="not both"):
            shared_model(**text, **batch, mm_encoder_outputs=outputs)


def test_embeddings_instead_of_ids_are_merged_likewise(shared_model, batch):
    with torch.no_grad():
        logits = shared_model(**batch).logits
        embeds = shared_model.get_input_embeddings()(batch.pop("input_ids"))
        torch.testing.assert_close(shared_model(inputs_embeds=embeds, **batch).logits, logits)


# Nothing is lost without a word.


def test_ids_alone_are_refused(shared_model, batch):
    with pytest.raises(ValueError, match=r"molecule placeholders, but no molecule.*tokens: 10, features: 0"):
        shared_model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])


@pytest.mark.parametrize("lost", ["molecule", "protein"])
def test_a_lost_modality_is_named(shared_model, batch, lost: str):
    names = MOLECULE_TENSORS if lost == "molecule" else ("protein_input_ids", "protein_attention_mask")
    kept = {name: tensor for name, tensor in batch.items() if name not in names}
    with pytest.raises(ValueError, match=f"no {lost} came with it"):
        shared_model(**kept)
    emptied = {**batch, **{name: torch.zeros_like(batch[name]) for name in names}}
    with pytest.raises(ValueError, match=f"no {lost} came with it"):
        shared_model(**emptied)


def test_half_a_modality_is_refused(shared_model, batch):
    del batch["bond_index"]
    with pytest.raises(ValueError, match="holds a molecule without bond_index"):
        shared_model(**batch)


def test_another_samples_items_are_refused_though_the_total_is_right(shared_model, batch):
    batch["input_ids"] = batch["input_ids"].flip(0)
    with pytest.raises(ValueError, match=r"tokens: \[3, 0, 0, 7\], features: \[7, 0, 0, 3\]"):
        shared_model(**batch)


def test_items_without_placeholders_are_refused(shared_model, batch):
    batch["input_ids"] = batch["input_ids"].masked_fill(batch["input_ids"] >= MOLECULE, 5)
    with pytest.raises(ValueError, match=r"molecule placeholders in the prompt and the molecule features do not match"):
        shared_model(**batch)


def test_another_models_features_are_refused(shared_model, batch):
    other = {name: tensor for name, tensor in batch.items() if name not in ("input_ids", "attention_mask")}
    outputs = shared_model.encode_modalities(4, other)
    for output in outputs.values():
        output.pooler_output = [torch.cat([feature, feature], 1) for feature in output.pooler_output]
    with pytest.raises(ValueError, match="molecule features have width 64, the language model 32"):
        shared_model(batch["input_ids"], batch["attention_mask"], mm_encoder_outputs=outputs)


def test_embeddings_of_placeholders_without_items_get_a_warning(shared_model, batch, monkeypatch):
    from biomedgpt_hf.modeling import modalities_biomedgpt

    said = []
    monkeypatch.setattr(modalities_biomedgpt.logger, "warning_once", said.append)
    shared_model(inputs_embeds=shared_model.get_input_embeddings()(batch["input_ids"]))
    assert len(said) == 2 and "no molecule came with it" in said[0]


def test_ids_and_embeddings_together_or_neither_are_refused(shared_model):
    ids = torch.tensor([[1, 2]])
    for arguments in ({}, {"input_ids": ids, "inputs_embeds": shared_model.get_input_embeddings()(ids)}):
        with pytest.raises(ValueError, match="exactly one of input_ids and inputs_embeds"):
            shared_model(**arguments)


def test_graphs_of_another_feature_set_are_refused(shared_model):
    sizes = {"atom_sizes": (118, 9, 11), "bond_sizes": (4, 3)}
    with pytest.raises(ValueError, match=r"x has the shape \(3, 3\).*'graphmvp' has 2 features"):
        shared_model(**collate([make_sample(1, 0, 1, **sizes)]))


# Logits and outputs.


def test_logits_to_keep(shared_model, batch):
    with torch.no_grad():
        logits = shared_model(**batch).logits
        assert torch.equal(shared_model(**batch, logits_to_keep=0).logits, logits)
        torch.testing.assert_close(shared_model(**batch, logits_to_keep=2).logits, logits[:, -2:])
        kept = torch.tensor([3, 5])
        torch.testing.assert_close(shared_model(**batch, logits_to_keep=kept).logits, logits[:, kept])
        labelled = shared_model(**batch, labels=batch["input_ids"], logits_to_keep=2)
        torch.testing.assert_close(labelled.logits, logits[:, -2:])


def test_placeholders_can_never_be_said(shared_model, batch):
    with torch.no_grad():
        logits = shared_model(**batch).logits
    assert (logits[..., [MOLECULE, PROTEIN]] == -(2.0**14)).all()
    for dtype in (torch.float16, torch.bfloat16):
        assert torch.tensor(-(2.0**14), dtype=dtype).item() == -(2.0**14)
    assert logits.softmax(-1)[..., [MOLECULE, PROTEIN]].max() == 0
    assert set(shared_model.generation_config.suppress_tokens) == {MOLECULE, PROTEIN}


def test_tuples_hidden_states_and_attentions_on_request(model, batch):
    model.set_attn_implementation("eager")
    output = model(**batch, output_hidden_states=True, output_attentions=True)
    assert len(output.hidden_states) == 3 and len(output.attentions) == 2
    assert isinstance(model(**batch, return_dict=False), tuple)


def test_the_headless_model_says_where_generate_is(shared_model):
    with pytest.raises(AttributeError, match=r"AutoModelForMultimodalLM.from_pretrained instead of AutoModel"):
        shared_model.model.generate()
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = shared_model.model.no_such_thing


# Precision, attention, compilation.


def test_sdpa_equals_eager(model, batch):
    with torch.no_grad():
        model.set_attn_implementation("sdpa")
        logits = model(**batch).logits
        model.set_attn_implementation("eager")
        assert model.model.language_model.config._attn_implementation == "eager"
        assert model.model.protein_encoder.config._attn_implementation == "eager"
        eager = model(**batch).logits
    real = batch["attention_mask"].bool()
    torch.testing.assert_close(eager[real], logits[real], atol=1e-5, rtol=1e-5)


def test_bfloat16_runs_and_is_near(model, batch):
    with torch.no_grad():
        logits = model(**batch).logits[batch["attention_mask"].bool()]
        halved = model.to(torch.bfloat16)(**batch).logits[batch["attention_mask"].bool()]
    assert halved.dtype == torch.bfloat16
    assert nn.functional.cosine_similarity(halved[..., :-2].float(), logits[..., :-2], -1).median() > 0.98


def test_language_model_in_bfloat16_with_encoders_in_float32(model, training_batch):
    model.model.language_model.to(torch.bfloat16).requires_grad_(False)
    model.lm_head.to(torch.bfloat16)
    model.train()(**training_batch).loss.backward()
    assert model.model.molecule_projector.weight.grad.dtype == torch.float32
    assert model.model.molecule_projector.weight.grad.abs().sum() > 0


def test_the_language_model_compiles_without_a_graph_break(model, batch):
    with torch.no_grad():
        logits = model(**batch).logits
        model.model.language_model.compile(fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(model(**batch).logits, logits, atol=1e-5, rtol=1e-5)


# Devices and files.


@pytest.mark.parametrize("device_map", ["cpu", "auto", "disk"])
def test_device_maps(shared_model, batch, tmp_path, device_map: str):
    shared_model.save_pretrained(tmp_path / "model")
    arguments = {"device_map": device_map}
    if device_map == "disk":
        arguments = {"device_map": "auto", "max_memory": {"cpu": 60_000}, "offload_folder": tmp_path / "offload"}
    loaded = AutoModelForMultimodalLM.from_pretrained(tmp_path / "model", **arguments)
    assert ("disk" in getattr(loaded, "hf_device_map", {}).values()) == (device_map == "disk")
    with torch.no_grad():
        torch.testing.assert_close(loaded(**batch).logits, shared_model(**batch).logits)
    assert new_tokens(loaded, batch, num_beams=2) == new_tokens(shared_model, batch, num_beams=2)


def test_no_layer_is_split_over_devices_and_every_name_is_here(shared_model):
    assert {"LlamaDecoderLayer", "EsmLayer", "GINLayer"} <= set(shared_model._no_split_modules)
    assert set(shared_model._no_split_modules) <= {type(module).__name__ for module in shared_model.modules()}


def test_it_is_saved_in_shards_and_loaded_by_the_auto_classes(shared_model, batch, tmp_path):
    shared_model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 3
    with torch.no_grad():
        logits = shared_model(**batch).logits
        for auto_class in (AutoModelForCausalLM, AutoModelForMultimodalLM):
            loaded = auto_class.from_pretrained(tmp_path)
            assert isinstance(loaded, BioMedGPTForConditionalGeneration)
            assert torch.equal(loaded(**batch).logits, logits)
        headless = AutoModel.from_pretrained(tmp_path)
        assert isinstance(headless, BioMedGPTModel)
        torch.testing.assert_close(
            headless(**batch).last_hidden_state, shared_model.model(**batch).last_hidden_state, atol=0, rtol=0
        )


def test_copies_are_equal(shared_model, batch):
    with torch.no_grad():
        assert torch.equal(copy.deepcopy(shared_model)(**batch).logits, shared_model(**batch).logits)


# Vocabulary.


def test_the_vocabulary_can_grow(model, batch):
    with torch.no_grad():
        logits = model(**batch).logits
        model.resize_token_embeddings(110)
        assert model.config.text_config.vocab_size == model.lm_head.out_features == 110
        grown = model(**batch, labels=batch["input_ids"])
    assert grown.loss.isfinite()
    torch.testing.assert_close(grown.logits[..., :98], logits)


@pytest.mark.parametrize("headless", [False, True])
def test_the_vocabulary_cannot_shrink_below_the_placeholders(model, headless: bool):
    with pytest.raises(ValueError, match=r"to 97: the placeholders need ids up to 97. Use at least 98 tokens"):
        (model.model if headless else model).resize_token_embeddings(97)


def test_it_equals_a_plain_language_model_on_text(shared_model):
    plain = LlamaForCausalLM(LlamaConfig(**shared_model.config.text_config.to_dict())).eval()
    plain.model.load_state_dict(shared_model.model.language_model.state_dict())
    plain.lm_head.load_state_dict(shared_model.lm_head.state_dict())
    ids = torch.arange(1, 40).view(3, 13)
    with torch.no_grad():
        torch.testing.assert_close(shared_model(ids).logits[..., :-2], plain(ids).logits[..., :-2])
