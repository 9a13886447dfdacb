"""The README.md of a checkpoint: true, valid on the Hub, runnable, and never written over somebody's own."""

import pytest
from huggingface_hub import ModelCard, ModelCardData

from biomedgpt_hf.publishing.card_mark import is_untouched
from biomedgpt_hf.publishing.model_card import is_untouched_template, model_card


def card_of(folder):
    return (folder / "README.md").read_text("utf-8")


def test_a_card_tells_architecture_sizes_training_limits_licence_citation_and_restriction(saved, model):
    text = card_of(saved / "whole")
    for words in (
        "| `language_model` | llama | 2 | 32 |",
        "| `molecule_encoder` | biomedgpt_gin | 2 | 16 |",
        "| `protein_encoder` | esm | 2 | 16 |",
        f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters",
        "- Data: none, a fixture of the tests",
        "blind to charge",
        "fluent and wrong",
        "should not be employed for research scenarios that endanger human life",
        "Llama 2 Community License",
        "@article{luo2023biomedgpt,",
        "trust_remote_code=True",
    ):
        assert words in text


@pytest.mark.parametrize("folder", ["whole", "headless", "gin"])
def test_the_metadata_is_what_the_hub_reads(saved, folder):
    data = ModelCard.load(saved / folder / "README.md", ignore_metadata_errors=False).data
    assert isinstance(data, ModelCardData)
    assert data.library_name == "transformers" and data.license == "other" and data.license_name
    assert data.pipeline_tag == ("any-to-any" if folder == "whole" else None)
    assert "biomedgpt" in data.tags


def test_a_checkpoint_without_training_facts_is_called_untrained(saved):
    assert "take the weights for untrained" in card_of(saved / "gin")


def test_parts_from_the_hub_are_named_and_folders_are_not(model, monkeypatch):
    monkeypatch.setattr(model.config.text_config, "_name_or_path", "somebody/some-llama")
    monkeypatch.setattr(model.config.protein_config, "_name_or_path", "/home/somebody/esm")
    text = model_card(model)
    assert ModelCard(text).data.base_model == ["somebody/some-llama"]
    assert "started\nfrom (somebody/some-llama)" in text and "/home/somebody" not in text


def test_every_snippet_runs_in_its_folder(saved, run_python):
    printed = run_python(
        """
import contextlib, io, json, os, re, sys
printed = {}
for name in ("whole", "headless", "gin"):
    os.chdir(os.path.join(sys.argv[1], name))
    (code,) = re.findall("```python\\n(.*?)```", open("README.md", encoding="utf-8").read(), re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, {})
    printed[name] = output.getvalue().strip()
printed["imported"] = sorted(sys.modules)
print(json.dumps(printed))
""",
        saved,
        package=True,
    )
    assert printed["whole"]
    assert printed["headless"].startswith("torch.Size([1, ") and printed["headless"].endswith(", 32])")
    assert printed["gin"] == "torch.Size([13, 16])"  # the heavy atoms of aspirin
    # Using the model needs no package of the training, data and evaluation extras.
    assert not {"datasets", "trl", "fair_esm", "esm", "gradio", "typer"} & set(printed["imported"])


def test_a_card_that_nobody_touched_is_renewed(checkpoint, model, monkeypatch):
    monkeypatch.setattr(model.config, "training", {"Steps": "1,000"})
    model.save_pretrained(checkpoint)
    assert "- Steps: 1,000" in card_of(checkpoint) and is_untouched(card_of(checkpoint))


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "\nTested on my own molecules.\n",
        lambda text: text.replace("license: other", "license: llama2"),
        lambda text: "\n".join(line for line in text.splitlines() if "Written by" not in line),
        lambda text: "# My model\n",
        lambda text: "",
    ],
    ids=["words added", "metadata changed", "mark removed", "another card", "emptied"],
)
def test_a_card_that_somebody_edited_is_kept(checkpoint, model, edit):
    mine = edit(card_of(checkpoint))
    (checkpoint / "README.md").write_text(mine, "utf-8")
    model.save_pretrained(checkpoint)
    assert card_of(checkpoint) == mine


def test_a_card_that_only_the_hubs_client_rewrote_is_untouched(saved):
    assert is_untouched(str(ModelCard.load(saved / "whole" / "README.md")))


def test_transformers_own_template_is_told_from_one_that_somebody_filled_in():
    told = (
        "This is the model card of a 🤗 transformers model that has been pushed on the Hub. This model card has been "
    )
    data = ModelCardData(tags=["one"], library_name="transformers")
    text = str(ModelCard.from_template(data, model_description=f"{told}automatically generated."))
    assert is_untouched_template(text) and not is_untouched(text)
    assert not is_untouched_template(text.replace("[More Information Needed]", "Me", 1))
    assert not is_untouched_template("# My model")


def test_a_checkpoint_with_a_card_of_its_own_has_its_title_and_asks_its_question(model, monkeypatch):
    example = [{"type": "protein", "protein": "MKT"}, {"type": "text", "text": 'Is it "é" or not?'}]
    monkeypatch.setattr(model.config, "card", {"title": "kinases-2", "example": example}, raising=False)
    text = model_card(model)
    assert "\n# kinases-2\n" in text and '    {"type": "protein", "protein": "MKT"},\n' in text
    assert '{"type": "text", "text": "Is it \\"é\\" or not?"}' in text and "Please describe this molecule" not in text
    assert "\n# mine\n" in model_card(model, "somebody/mine")
    monkeypatch.setattr(model.config, "card", {"title": "documents", "example": None})
    assert "Please describe this molecule" in model_card(model)
