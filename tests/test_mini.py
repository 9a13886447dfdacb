"""The embedded checkpoint: what it weighs, that it loads everywhere, and what it has learned."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM, AutoProcessor

from biomedgpt_hf import mini_checkpoint

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_mini_takes_at_most_30_megabytes():
    assert sum(path.stat().st_size for path in mini_checkpoint().rglob("*") if path.is_file()) <= 30e6


def test_mini_loads_by_every_auto_class_and_fits_its_processor():
    processor = AutoProcessor.from_pretrained(mini_checkpoint())
    for auto_class in (AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM):
        model, report = auto_class.from_pretrained(mini_checkpoint(), output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        processor.check_model(model.config)
    assert processor.molecule_features == model.config.molecule_config.feature_set == "ogb"


def test_mini_holds_no_second_copy_of_the_code_and_nothing_pickled():
    names = {path.suffix for path in mini_checkpoint().rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names <= {".json", ".safetensors", ".md", ".jinja", ".py", ".txt"}
    assert [path.name for path in mini_checkpoint().glob("*.py")] == ["__init__.py"]


def test_minis_card_says_what_it_learned_from_and_that_it_is_a_demonstration():
    card = (mini_checkpoint() / "README.md").read_text(encoding="utf-8")
    for words in ("demonstration", "CC BY 4.0", "held-out captions", "held-out proteins", "95 % interval"):
        assert words in card


@pytest.mark.slow
def test_the_right_molecule_lowers_the_loss_on_molecules_that_were_held_out(shared, tmp_path):
    for script, arguments in (
        ("mini_data.py", [shared / "data", tmp_path / "data"]),
        ("measure_mini.py", [tmp_path / "data", "--output", tmp_path / "measured.json"]),
    ):
        subprocess.run([sys.executable, EXAMPLES / script, *arguments], check=True)
    captions = json.loads((tmp_path / "measured.json").read_text())["captions"]
    assert captions["rows"] == 500
    assert captions["interval_95"][0] > 0


def test_prompt_lookup_gives_what_greedy_gives_and_proposes_no_placeholder():
    processor = AutoProcessor.from_pretrained(mini_checkpoint())
    model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())
    text = "a <proteinHere> b <moleculeHere> c <proteinHere>"
    batch = processor(text, ["CCO"], ["MKTAYIAK", "GIVEQ"], return_tensors="pt")
    greedy = model.generate(**batch, do_sample=False, max_new_tokens=12)
    looked_up = model.generate(**batch, do_sample=False, max_new_tokens=12, prompt_lookup_num_tokens=3)
    assert looked_up.tolist() == greedy.tolist()
