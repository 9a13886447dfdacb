"""The embedded checkpoint: what it weighs, that it loads everywhere, and what it has learned."""

import json
import statistics

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM, AutoProcessor

import biomedgpt_hf
from biomedgpt_hf import BioMedGPTDataCollator, mini_checkpoint
from biomedgpt_hf.neighbours import NeighbourIndex
from biomedgpt_hf.neighbours.evidence import with_evidence
from biomedgpt_hf.neighbours.folder import ITEMS, ItemFile
from biomedgpt_hf.similarity.structure_key import structure_key

KNOWN = mini_checkpoint() / "known"


def test_mini_takes_at_most_30_megabytes_and_with_what_is_known_45():
    sizes = {path: path.stat().st_size for path in mini_checkpoint().rglob("*") if path.is_file()}
    assert sum(size for path, size in sizes.items() if KNOWN not in path.parents) <= 30e6
    assert sum(sizes.values()) <= 45e6


def test_what_is_known_is_named_and_told_with_source_and_licence(monkeypatch):
    monkeypatch.delenv("BIOMEDGPT_KNOWN")
    answer = biomedgpt_hf.ask("Describe this molecule.", molecules="CC(=O)Oc1ccccc1C(=O)O", max_new_tokens=2)
    (known,) = answer.neighbours
    assert (known.name, known.id, known.identical) == ("acetylsalicylic acid", "CHEBI:15365", True)
    assert (known.source, known.license) == ("ChEBI", "CC-BY-4.0")
    assert any("salicylic acid" in text.answer for text in known.texts) and "salicylic" not in answer.text


def test_all_that_is_known_may_be_redistributed_and_names_where_it_is_from():
    items = ItemFile(KNOWN / ITEMS)
    counts = json.loads((KNOWN / "index.json").read_text("utf-8"))["counts"]
    rows = items.read(range(counts["molecules"] + counts["proteins"])).values()
    assert {row["license"] for row in rows} <= {
        "CC-BY-4.0",
        "NCBI-PD",
        "CC-BY-4.0 AND NCBI-PD",
        "NCBI-PD AND CC-BY-4.0",
    }
    assert all(row["source"] and row["id"] and row["texts"] for row in rows)
    card = (KNOWN / "README.md").read_text("utf-8")
    assert all(part in card for row in rows for part in row["source"].split(", "))
    assert f"{counts['molecules']:,}" in card and f"{counts['proteins']:,}" in card


def test_no_molecule_of_the_benchmarks_test_is_known(shared):
    items, counts = ItemFile(KNOWN / ITEMS), json.loads((KNOWN / "index.json").read_text("utf-8"))["counts"]
    known = {structure_key(row["item"]) for row in items.read(range(counts["molecules"])).values()}
    lines = (shared / "data/captions/chebi20/test.txt").read_text("utf-8").splitlines()[1:]
    tested = {structure_key(line.split("\t")[1].replace("\\\\", "\\")) for line in lines}
    assert len(tested) > 3_000 and known.isdisjoint(tested)


def test_mini_loads_by_every_auto_class_and_fits_its_processor():
    processor = AutoProcessor.from_pretrained(mini_checkpoint())
    for auto_class in (AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM):
        model, report = auto_class.from_pretrained(mini_checkpoint(), output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        processor.check_model(model.config)
    assert processor.molecule_features == model.config.molecule_config.feature_set == "ogb"


def test_mini_holds_no_second_copy_of_the_code_and_nothing_pickled():
    names = {path.suffix for path in mini_checkpoint().rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names <= {".json", ".safetensors", ".md", ".jinja", ".py", ".txt", ".zip"}
    assert [path.name for path in mini_checkpoint().glob("*.py")] == ["__init__.py"]


def test_minis_card_says_what_it_learned_from_and_that_it_is_a_demonstration():
    card = (mini_checkpoint() / "README.md").read_text(encoding="utf-8")
    for words in (
        "demonstration",
        "CC BY 4.0",
        "## Sources",
        "test split",
        "nearest known item",
        "another item",
        "proteins",
    ):
        assert words in card


@pytest.mark.slow
@pytest.mark.parametrize("neighbours", [0, 1])
def test_the_right_molecule_makes_its_caption_likelier_than_another_one(neighbours, shared):
    """On captions that nobody has learned from, alone and with what is known of the nearest molecule."""
    lines = (shared / "data/captions/chebi20/test.txt").read_text("utf-8").splitlines()[1:101]
    captions = [(smiles.replace("\\\\", "\\"), text) for _, smiles, text in (line.split("\t") for line in lines)]
    model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint(), dtype=torch.float32).eval()
    collator = BioMedGPTDataCollator(AutoProcessor.from_pretrained(mini_checkpoint()))
    index = NeighbourIndex.open(KNOWN)

    def loss(molecule: str, caption: str) -> float:
        content = [{"type": "molecule"}, {"type": "text", "text": "Please describe this molecule."}]
        messages = [{"role": "user", "content": content}]
        if neighbours:
            messages = with_evidence(messages, index.molecules([molecule], neighbours)[0])
        messages.append({"role": "assistant", "content": [{"type": "text", "text": caption}]})
        with torch.inference_mode():
            return model(**collator([{"id": "x", "messages": messages, "molecules": [molecule]}])).loss.item()

    others = [smiles for smiles, _ in captions[1:] + captions[:1]]
    gaps = [
        loss(other, caption) - loss(smiles, caption) for (smiles, caption), other in zip(captions, others, strict=True)
    ]
    assert statistics.mean(gaps) > 4 * statistics.stdev(gaps) / len(gaps) ** 0.5


def test_prompt_lookup_gives_what_greedy_gives_and_proposes_no_placeholder():
    processor = AutoProcessor.from_pretrained(mini_checkpoint())
    model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())
    text = "a <proteinHere> b <moleculeHere> c <proteinHere>"
    batch = processor(text, ["CCO"], ["MKTAYIAK", "GIVEQ"], return_tensors="pt")
    greedy = model.generate(**batch, do_sample=False, max_new_tokens=12)
    looked_up = model.generate(**batch, do_sample=False, max_new_tokens=12, prompt_lookup_num_tokens=3)
    assert looked_up.tolist() == greedy.tolist()
