"""The original's own outputs, from a converted checkpoint: logits, losses, greedy ids and chats."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMultimodalLM, AutoProcessor

from biomedgpt_hf.conversion import convert_biomedgpt

FILES = {
    "biomedgpt_tiny.pth": 1e-4,
    "biomedgpt_tiny.safetensors": 1e-4,
    "biomedgpt_tiny_with_position_ids.pth": 1e-4,
    "biomedgpt_tiny_mixed_fp16.pth": 0.05,
}


@pytest.fixture(scope="module")
def reference(shared):
    return shared / "reference" / "biomedgpt_tiny_original"


@pytest.fixture(scope="module")
def expected(reference):
    return json.loads((reference / "expected.json").read_text()), load_file(reference / "expected.safetensors")


@pytest.fixture(scope="module")
def checkpoints(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    for name in FILES:
        convert_biomedgpt(reference / name, folder / name, reference / "llm", reference / "esm")
    return folder


@pytest.fixture(scope="module")
def checkpoint(checkpoints):
    return checkpoints / "biomedgpt_tiny.pth"


@pytest.fixture(scope="module")
def model(checkpoint):
    return AutoModelForMultimodalLM.from_pretrained(checkpoint).eval()


@pytest.fixture(scope="module")
def processor(checkpoint):
    return AutoProcessor.from_pretrained(checkpoint)


def prepare(processor, samples, answers=False):
    """A batch of reference samples, with their answers (padded right) or to be answered (padded left)."""
    suffix = {"suffix": [sample["text_output"] for sample in samples]} if answers else {}
    return processor(
        text=[sample["rendered_prompt"] for sample in samples],
        molecules=[[sample["molecule"]["smiles"]] if "molecule" in sample else [] for sample in samples],
        proteins=[[sample["protein"]["sequence"]] if "protein" in sample else [] for sample in samples],
        padding=True,
        return_tensors="pt",
        **suffix,
    )


def answer(model, batch, count):
    ids = model.generate(**batch, max_new_tokens=count)[:, batch["input_ids"].shape[1] :]
    pad = model.generation_config.pad_token_id
    return [[token for token in row if token != pad] for row in ids.tolist()]  # after the end


@pytest.mark.parametrize("name", FILES)
@torch.no_grad()
def test_logits_and_losses_of_every_sample(checkpoints, expected, name):
    model, info = AutoModelForMultimodalLM.from_pretrained(
        checkpoints / name, dtype=torch.float32, output_loading_info=True
    )
    assert not any(info.values()), info
    processor = AutoProcessor.from_pretrained(checkpoints / name)
    content, tensors = expected
    for sample in content["samples"]:
        output = model.eval()(**prepare(processor, [sample], answers=True))
        reference = tensors[f"sample{sample['index']}.logits"]
        published = output.logits[0, :, : reference.shape[1]]
        torch.testing.assert_close(published, reference, atol=FILES[name], rtol=0)
        assert abs(output.loss.item() - sample["loss"]) < (1e-5 if FILES[name] < 0.01 else 0.01)


@torch.no_grad()
def test_the_mixed_file_answers_in_its_own_type_too(checkpoints, expected):
    model = AutoModelForMultimodalLM.from_pretrained(checkpoints / "biomedgpt_tiny_mixed_fp16.pth").eval()
    processor = AutoProcessor.from_pretrained(checkpoints / "biomedgpt_tiny_mixed_fp16.pth")
    content, tensors = expected
    assert model.dtype == torch.float16
    for sample in content["samples"]:
        logits = model(**prepare(processor, [sample], answers=True)).logits[0]
        reference = tensors[f"sample{sample['index']}.logits"]
        torch.testing.assert_close(logits[:, : reference.shape[1]].float(), reference, atol=0.05, rtol=0)


@torch.no_grad()
def test_encoder_features_and_spliced_embeddings(model, processor, expected):
    content, tensors = expected
    for sample in content["samples"]:
        batch = prepare(processor, [sample], answers=True)
        kind = "molecule" if "molecule" in sample else "protein"
        names = model.model.modality_tensors[kind]
        features = getattr(model, f"get_{kind}_features")(**{name: batch[name] for name in names})
        reference = tensors[f"sample{sample['index']}.encoder_features"]
        hidden = features.last_hidden_state.reshape(reference.shape)
        torch.testing.assert_close(hidden, reference, atol=1e-4, rtol=1e-5)
        start = sample["modality_start"]
        embeds = tensors[f"sample{sample['index']}.inputs_embeds"][start : start + sample["modality_len"]]
        torch.testing.assert_close(features.pooler_output[0], embeds, atol=1e-4, rtol=0)


def test_greedy_ids_of_single_samples(model, processor, expected):
    for sample in expected[0]["samples"]:
        assert answer(model, prepare(processor, [sample]), 60) == [sample["greedy_60"]]


@pytest.mark.parametrize("name", ["molecules", "proteins", "mixed"])
def test_losses_and_left_padded_greedy_ids_of_batches(model, processor, expected, name):
    content, _ = expected
    batch = content["batches"][name]
    samples = [content["samples"][i] for i in batch["sample_order"]]
    with torch.no_grad():
        loss = model(**prepare(processor, samples, answers=True)).loss.item()
    assert abs(loss - batch["loss"]) < 1e-5
    assert answer(model, prepare(processor, samples), 20) == batch["greedy_20_left_padded"]


def test_chats_of_several_turns(model, processor, expected):
    for chat in expected[0]["chats"]:
        molecules = [value for kind, value in chat["steps"] if kind == "molecule"]
        proteins = [value for kind, value in chat["steps"] if kind == "protein"]
        for turn in chat["turns"]:
            batch = processor(text=[turn["prompt"]], molecules=[molecules], proteins=[proteins], return_tensors="pt")
            ids = model.generate(**batch, max_new_tokens=len(turn["new_ids"]))
            assert ids[0, batch["input_ids"].shape[1] :].tolist() == turn["new_ids"]


def test_the_variant_without_start_and_end_rows(checkpoint, expected):
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint, protein_feature_select="residues").eval()
    processor = AutoProcessor.from_pretrained(checkpoint, protein_feature_select="residues")
    content, tensors = expected
    for sample in content["samples"][3:]:
        variant = sample["variant_residues_only"]
        with torch.no_grad():
            output = model(**prepare(processor, [sample], answers=True))
        reference = tensors[f"sample{sample['index']}.residues_only.logits"]
        torch.testing.assert_close(output.logits[0, :, : reference.shape[1]], reference, atol=1e-4, rtol=0)
        assert abs(output.loss.item() - variant["loss"]) < 1e-5
        assert answer(model, prepare(processor, [sample]), 20) == [variant["greedy_20"]]
