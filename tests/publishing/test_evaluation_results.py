"""Scores in a model's card: for the Hub and for people, and only beside the weights that they are of."""

import json

import pytest
import torch
from huggingface_hub import ModelCard
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMultimodalLM

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.evaluation.report.card_record import card_record
from biomedgpt_hf.publishing.card_file import record_scores, why_not_recorded, write_model_card
from biomedgpt_hf.publishing.card_mark import is_untouched
from biomedgpt_hf.publishing.evaluation_results import weights_digest


def estimate(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


RESULTS = {
    "protocol_version": 1,
    "created": "2026-01-01T00:00:00+00:00",
    "set": {"name": "chebi20", "split": "test", "rows": 3300, "sha256": "ab" * 32, "limit": None},
    "metrics": {"words": {"protocol": "molt5", "tokenizer": {"sha256": "f0" * 32}, "wordnet": {"version": "3.0"}}},
    "runs": [
        {"name": "given another item", "kind": "honest row", "scores": {"words": {"all": {"rougeL": estimate(0.3)}}}},
        {
            "name": "/home/me/runs/mine",
            "kind": "model",
            "predictions": {"run": {"max_new_tokens": 160, "num_beams": 1, "dtype": "float32"}},
            "scores": {"words": {"all": {"rougeL": estimate(0.4), "bleu2": estimate(0.25)}}},
        },
    ],
    "published": [{"name": "BioMedGPT-10B", "source": "Table 3", "scores": {"rougeL": 0.332}}],
}


@pytest.fixture
def model():
    mini = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())
    del mini.config.evaluation  # its own scores
    return mini


@pytest.fixture
def saved(model, tmp_path):
    folder = tmp_path / "saved"
    model.save_pretrained(folder)
    return folder


def told(folder):
    return (folder / "README.md").read_text("utf-8")


def results_in(folder):
    return {one.metric_type: one for one in ModelCard.load(folder / "README.md").data.eval_results or []}


def test_the_card_shows_the_hub_and_people_the_scores(saved):
    assert record_scores(saved, [card_record(RESULTS, title="ChEBI-20")]) is None
    found = results_in(saved)
    assert found["rougeL"].metric_value == 0.4 and found["rougeL"].metric_args["interval_95"] == [0.3, 0.5]
    assert (found["bleu2"].dataset_name, found["bleu2"].dataset_split) == ("ChEBI-20", "test")
    card = told(saved)
    assert "| ROUGE-L | 0.400 [0.300, 0.500] | 0.300 [0.200, 0.400] |" in card and "| score | this model |" in card
    assert "| BLEU-2 | 0.250 [0.150, 0.350] | – |" in card
    assert "- BioMedGPT-10B: ROUGE-L 0.332 (Table 3)" in card
    for words in ("greedy, at most 160 new tokens", "WordNet 3.0", "3,300 rows", weights_digest(saved)[:16]):
        assert words in card
    assert "/home/me" not in card and card.index("## Training") < card.index("## Results") < card.index("## Limits")
    assert is_untouched(card)


def test_a_card_written_anew_is_the_same_card(saved, tmp_path):
    record_scores(saved, [card_record(RESULTS)])
    AutoModelForMultimodalLM.from_pretrained(saved).save_pretrained(tmp_path / "again")
    assert told(tmp_path / "again") == told(saved)
    assert json.loads((tmp_path / "again" / "config.json").read_text())["evaluation"]["sets"][0]["set"] == "chebi20"


@pytest.mark.parametrize("change", ["one number", "dtype"])
def test_other_weights_do_not_inherit_scores(saved, tmp_path, change):
    record_scores(saved, [card_record(RESULTS)])
    loaded = AutoModelForMultimodalLM.from_pretrained(saved)
    with torch.no_grad():
        if change == "dtype":
            loaded = loaded.bfloat16()
        else:
            list(loaded.parameters())[-1].view(-1)[-1] += 1e-4
    loaded.save_pretrained(tmp_path / "changed")
    assert "## Results" not in told(tmp_path / "changed") and not results_in(tmp_path / "changed")
    assert "evaluation" not in json.loads((tmp_path / "changed" / "config.json").read_text())
    AutoModelForMultimodalLM.from_pretrained(tmp_path / "changed")


def test_an_adapter_does_not_show_the_scores_of_its_base(saved, tmp_path):
    record_scores(saved, [card_record(RESULTS)])
    base = AutoModelForMultimodalLM.from_pretrained(saved)
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules=r".*language_model\..*\.(q_proj|v_proj)"))
    write_model_card(adapted, tmp_path)
    assert "## Results" not in told(tmp_path) and "peft" in told(tmp_path)


def test_another_set_is_added_and_the_same_one_renewed(saved):
    record_scores(saved, [card_record(RESULTS)])
    record_scores(saved, [card_record(RESULTS, name="other-set")])
    record_scores(saved, [card_record({**RESULTS, "created": "later"})])
    sets = json.loads((saved / "config.json").read_text())["evaluation"]["sets"]
    assert [(one["set"], one["created"]) for one in sets] == [("other-set", RESULTS["created"]), ("chebi20", "later")]
    assert told(saved).count("## Results") == 1 and told(saved).count("### `") == 2
    types = {one.dataset_type for one in ModelCard.load(saved / "README.md").data.eval_results}
    assert types == {"chebi20", "other-set"}


def test_scores_of_earlier_weights_go(saved):
    record_scores(saved, [card_record(RESULTS)])
    file = saved / "model.safetensors"
    tensors = load_file(file)
    name = next(iter(tensors))
    save_file({**tensors, name: tensors[name] + 1}, file, metadata={"format": "pt"})
    record_scores(saved, [card_record(RESULTS, name="other")])
    assert [one["set"] for one in json.loads((saved / "config.json").read_text())["evaluation"]["sets"]] == ["other"]


def test_an_edited_card_stays_and_says_why(saved):
    (saved / "README.md").write_text(told(saved) + "\nMine.\n")
    before = told(saved)
    assert "was edited, and stays as it is" in record_scores(saved, [card_record(RESULTS)])
    assert told(saved) == before
    (saved / "README.md").unlink()
    assert "has no card" in why_not_recorded(saved)
    assert "holds no weights" in why_not_recorded(saved / "nowhere")


def test_the_digest_does_not_depend_on_how_weights_are_put_into_files(model, saved, tmp_path):
    model.save_pretrained(tmp_path / "shards", max_shard_size="2MB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    assert weights_digest(tmp_path / "shards") == weights_digest(saved)
    assert weights_digest(tmp_path) is None
