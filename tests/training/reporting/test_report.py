"""What a run leaves for people, from full logs, short ones and strange ones."""

import dataclasses
import math
import subprocess
import sys

import pytest
from PIL import Image
from transformers import AutoConfig

import biomedgpt_hf  # noqa: F401  (registers the Auto classes)
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.training.reporting.curves import loss_curves
from biomedgpt_hf.training.reporting.report import card_facts, write_report
from biomedgpt_hf.training.reporting.run_facts import RunFacts, duration

LOG = [
    {"loss": 4.0, "loss_molecule": 5.0, "loss_text": 3.0, "tokens_per_second": 100.0, "memory_gib": 1.0, "step": 1},
    {"eval_loss": 3.5, "eval_loss_molecule": 3.6, "eval_runtime": 2.0, "step": 1},
    {"loss": 1.5, "loss_molecule": 1.0, "tokens_per_second": 300.0, "memory_gib": 2.5, "grad_norm": 1.0, "step": 2},
    {"loss": 2.0, "tokens_per_second": 200.0, "memory_gib": 2.0, "learning_rate": 1e-5, "step": 3},
    {"eval_loss": 2.5, "step": 3},
    {"train_runtime": 9.0, "train_loss": 2.5, "total_flos": 1.0, "step": 3},
]
FACTS = RunFacts(
    command="biomedgpt train align --train-data /home/somebody/sets/chebi20 --output-dir=~/runs/first",
    recipe="align",
    base="/home/somebody/checkpoints/start",
    settings={"train_data": ["/home/somebody/sets/chebi20"], "max_length": 512},
    arguments={"learning_rate": 7e-5, "seed": 42, "output_dir": "/scratch/somebody/first", "note": "a | b"},
    sets=[
        {
            "set": "chebi20",
            "title": "ChEBI-20",
            "sha256": "ab" * 32,
            "created": "2026-01-02T03",
            "rows": {"train": 26407},
        },
        {"set": "nobody/rows"},
    ],
    rows={"train": 26400, "validation": 100},
    rejected={"train": 7},
    trained={"molecule_encoder": 1_800_000, "molecule_projector": 200_000},
    parameters=9_000_000,
    steps=3,
    epochs=0.5,
    seconds=11_530.0,
    resumed=2,
)


def report_of(folder, log=LOG, facts=FACTS) -> str:
    return write_report(folder, log, facts).read_text("utf-8")


def test_a_report_tells_losses_data_parts_and_how_to_load(tmp_path):
    text = report_of(tmp_path)
    assert "| loss | 4.0000 (step 1) | 1.5000 (step 2) | 2.0000 (step 3) | 0 |" in text
    assert "| eval_loss | 3.5000 (step 1) | 2.5000 (step 3) | 2.5000 (step 3) | 0 |" in text
    assert "| eval_loss_molecule | 3.6000 (step 1)" in text and "train_loss" not in text
    assert f"`{'ab' * 32}`" in text and "| nobody/rows |  |  |  | no manifest |" in text
    assert "train 26,400 (left out as unreadable or too long: 7)" in text
    assert "| molecule_encoder | 1,800,000 |" in text and "2,000,000 of 9,000,000" in text
    assert "3 h 12 min, resumed 2 times" in text
    assert "| tokens/s, all processes, median | 200 |" in text and "2.50 GiB" in text
    assert "| learning_rate | 7e-05 |" in text and "| note | a \\| b |" in text
    assert "nothing about whether what it says is correct" in text
    assert "| torch | 2." in text and "(loss_curve.png)" in text


def test_the_lines_that_load_the_checkpoint_do(tmp_path, monkeypatch):
    code = report_of(tmp_path).partition("```python\n")[2].partition("```")[0]
    assert 'AutoModelForMultimodalLM.from_pretrained(".")' in code
    monkeypatch.chdir(mini_checkpoint())
    names: dict = {}
    exec(code, names)
    assert type(names["model"]).__name__ == "BioMedGPTForConditionalGeneration"
    plain = RunFacts(command="", recipe="biomedical_qa", base="", plain_language_model=True)
    assert 'AutoModelForCausalLM.from_pretrained(".")' in report_of(tmp_path, facts=plain)


def test_nothing_tells_where_folders_lie_on_somebodys_machine(tmp_path):
    text = report_of(tmp_path)
    told = text + str(card_facts(LOG, FACTS))
    assert "somebody" not in told and "scratch" not in told and "~" not in told
    assert "--train-data …/chebi20 --output-dir=…/first" in text and "…/start" in text
    assert "nobody/rows" in text and "tokens/s" in text  # what is no path stays


@pytest.mark.parametrize("given", ["--hub-token=secret123", "--hub_token secret123 --seed 1", "--x hf_secret123"])
def test_access_tokens_are_left_out(tmp_path, given):
    facts = RunFacts(f"biomedgpt train align {given}", "align", "b", arguments={"hub_token": "secret123", "seed": 1})
    text = report_of(tmp_path, facts=facts) + str(card_facts(LOG, facts))
    assert "secret123" not in text and "…" in text and "| seed | 1 |" in text


@pytest.mark.parametrize("value", ["org/name", "./runs/a", "../sets/b", "https://host/a/b", "a / b", "s3://bucket/key"])
def test_what_is_no_absolute_path_stays(tmp_path, value):
    assert f"| x | {value} |" in report_of(tmp_path, facts=RunFacts("", "", "", settings={"x": value}))


def test_the_picture_is_one(tmp_path):
    report_of(tmp_path)
    with Image.open(tmp_path / "loss_curve.png") as picture:
        assert picture.size == (960, 540) and len(set(picture.convert("RGB").get_flattened_data())) > 50


def test_the_picture_leaves_matplotlibs_backend_alone(tmp_path):
    code = (
        "import matplotlib, sys; before = matplotlib.rcParams._get_backend_or_none()\n"
        "from pathlib import Path; from biomedgpt_hf.training.reporting.curves import draw, loss_curves\n"
        f"assert draw(loss_curves([{{'loss': 1.0, 'step': 1}}]), Path({str(tmp_path / 'p.png')!r}))\n"
        "assert 'matplotlib.pyplot' not in sys.modules and matplotlib.rcParams._get_backend_or_none() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    "log",
    [
        [],
        [{"train_runtime": 1.0, "step": 1}],
        [{"loss": math.nan, "step": 1}],
        [{"loss": "3.2", "step": 1}, {"loss": 1.0}],  # no number, no step
    ],
)
def test_a_log_without_losses_gives_a_report_without_a_picture(tmp_path, log):
    (tmp_path / "loss_curve.png").write_bytes(b"of an earlier run")
    text = report_of(tmp_path, log)
    assert not (tmp_path / "loss_curve.png").exists() and "loss_curve.png" not in text
    assert "loss" not in card_facts(log, FACTS)


def test_one_step_is_enough_for_all(tmp_path):
    text = report_of(tmp_path, LOG[:1])
    assert "| loss | 4.0000 (step 1) | 4.0000 (step 1) | 4.0000 (step 1) | 0 |" in text
    assert (tmp_path / "loss_curve.png").exists()


def test_losses_that_are_not_finite_are_counted_and_never_the_best(tmp_path):
    log = [{"loss": value, "step": step} for step, value in enumerate((math.nan, 2.0, -math.inf, 3.0), start=1)]
    text = report_of(tmp_path, log)
    assert "| loss | nan (step 1) | 2.0000 (step 2) | 3.0000 (step 4) | 2 |" in text
    assert "best 2.0000 (step 2)" in card_facts(log, FACTS)["loss"]


def test_a_step_that_was_repeated_after_a_crash_counts_once():
    log = [{"loss": 3.0, "step": 1}, {"loss": 2.0, "step": 2}, {"loss": 2.5, "step": 2}, {"loss": 1.0, "step": 3}]
    assert [curve.points for curve in loss_curves(log)] == [[(1, 3.0), (2, 2.5), (3, 1.0)]]


def test_only_losses_are_drawn():
    log = [{"loss": 1.0, "eval_chebi_loss": 2.0, "loss_scale": 3.0, "eval_accuracy": 0.5, "train_loss": 4.0, "step": 1}]
    assert [curve.name for curve in loss_curves(log)] == ["loss", "eval_chebi_loss"]


def test_facts_for_the_card_are_short_texts_that_a_config_keeps(tmp_path):
    facts = card_facts(LOG, FACTS)
    assert all(isinstance(value, str) and value and "\n" not in value and len(value) < 400 for value in facts.values())
    assert facts["data"] == "ChEBI-20 (chebi20), manifest sha256 abababababababab…; nobody/rows"
    assert facts["hyper-parameters"] == "learning_rate 7e-05, max_length 512, seed 42"
    assert facts["loss"].startswith("training 4.0000 (step 1) to 2.0000 (step 3), best 1.5000 (step 2); evaluation 3.5")
    assert facts["started from"] == "…/start"
    config = AutoConfig.from_pretrained(mini_checkpoint())
    config.training = facts
    config.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).training == facts


def test_a_card_names_the_steps_or_the_epochs_that_decided_and_one_loss_once():
    arguments = {"num_train_epochs": 50, "max_steps": 4}
    log = [{"loss": 2.0, "step": 4}, {"eval_loss": 3.0, "step": 4}]
    facts = card_facts(log, dataclasses.replace(FACTS, settings={}, arguments=arguments))
    assert (facts["hyper-parameters"], facts["loss"]) == (
        "max_steps 4",
        "training 2.0000 (step 4); evaluation 3.0000 (step 4)",
    )
    facts = card_facts(log, dataclasses.replace(FACTS, settings={}, arguments=arguments | {"max_steps": -1}))
    assert facts["hyper-parameters"] == "num_train_epochs 50"


@pytest.mark.parametrize(
    "seconds, told", [(0.4, "0 s"), (59.7, "1 min 0 s"), (725, "12 min 5 s"), (3599.9, "1 h 0 min")]
)
def test_durations_are_told_in_words(seconds, told):
    assert duration(seconds) == told
