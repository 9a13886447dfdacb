"""BioMedGPT inside the real lm-evaluation-harness: text as its language model alone, items seen, exported tasks."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from biomedgpt_hf.conversion import export_language_model
from biomedgpt_hf.evaluation.harness import MODEL, TASKS, export_tasks, register
from biomedgpt_hf.evaluation.multiple_choice import evaluate_choices, read_choice_questions
from biomedgpt_hf.inference.prediction.in_memory import predict
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.rows.schema import features, question_row

lm_eval = pytest.importorskip("lm_eval", reason="lm_eval is not installed (extra lm-eval)")

ROOT = Path(__file__).resolve().parents[3]
MINI = f"pretrained={mini_checkpoint()},dtype=float32"
MEDQA = [
    {"question": f"Which is {n}?", "answer_idx": "ABCD"[n % 4], "options": {k: f"{k.lower()} {n}" for k in "ABCD"}}
    for n in range(6)
]
OWN = [
    {"id": "m", "question": "Which?", "choices": ["an acid", "a base"], "answer_index": 0, "molecules": ["CC(=O)O"]},
    {"id": "p", "question": "Is it?", "choices": ["yes", "no"], "answer_index": 1, "proteins": ["MKTAYIAKQR"]},
    {"id": "t", "question": "What?", "choices": ["a", "b", "c"], "answer_index": 2},
]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


@pytest.fixture
def medqa(tmp_path):
    return write_lines(tmp_path / "test.jsonl", MEDQA)


@pytest.fixture
def own(tmp_path):
    return write_lines(tmp_path / "own.jsonl", OWN)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "lm"
    export_language_model(mini_checkpoint(), folder)
    return f"pretrained={folder},dtype=float32"


@pytest.fixture(scope="module", autouse=True)
def registered():
    register()
    register()  # a second time is no error


def run(model, arguments, task, metadata=None, include=TASKS, **options):
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(include), include_defaults=False, metadata=metadata or {})
    found = lm_eval.simple_evaluate(
        model,
        model_args=arguments,
        tasks=[task],
        task_manager=manager,
        bootstrap_iters=0,
        batch_size=4,
        device="cpu",
        **options,
    )
    samples = sorted(found["samples"][task], key=lambda sample: sample["doc_id"])
    return found["results"][task], samples


def likelihoods(samples):
    return [[response[0][0] for response in sample["resps"]] for sample in samples]


def assert_close(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_on_text_the_composite_is_its_language_model_and_our_protocol(medqa, language_model):
    metadata = {"questions": str(medqa)}
    results, composite = run(MODEL, MINI, "biomedgpt_choices", metadata)
    _, alone = run("hf", language_model, "biomedgpt_choices", metadata)
    ours = evaluate_choices(medqa, resamples=10, progress=False)
    assert_close(likelihoods(composite), likelihoods(alone))
    assert_close(likelihoods(composite), [one.log_likelihoods for one in ours.predictions])
    assert results["acc,none"] == ours.scores["all"]["accuracy"]["value"]
    assert results["acc_norm,none"] == ours.scores["all"]["acc_norm"]["value"]


@pytest.mark.parametrize("chat", [False, True])
def test_items_are_seen_and_scored_as_by_our_protocol(own, chat):
    _, samples = run(MODEL, MINI, "biomedgpt_choices", {"questions": str(own)}, apply_chat_template=chat)
    ours = evaluate_choices(own, chat_template=chat, resamples=10, progress=False)
    assert_close(likelihoods(samples), [one.log_likelihoods for one in ours.predictions])
    other = write_lines(own.with_name("other.jsonl"), [{**OWN[0], "molecules": ["c1ccccc1"]}])
    _, (sample,) = run(MODEL, MINI, "biomedgpt_choices", {"questions": str(other)}, apply_chat_template=chat)
    assert likelihoods([sample])[0] != pytest.approx(likelihoods(samples)[0], abs=1e-4)


@pytest.mark.slow
def test_examples_are_laid_out_as_by_our_protocol(medqa, own, language_model):
    metadata = {"questions": str(medqa), "examples": str(own)}
    own_questions = read_choice_questions(own)
    for model, arguments, checkpoint in (
        (MODEL, MINI, None),
        ("hf", language_model, language_model.split(",")[0].removeprefix("pretrained=")),
    ):
        _, samples = run(model, arguments, "biomedgpt_choices", metadata, num_fewshot=2)
        ours = evaluate_choices(
            medqa,
            checkpoint=checkpoint,
            few_shot=2,
            examples=own_questions,
            chat_template=False,
            resamples=10,
            progress=False,
        )
        assert_close(likelihoods(samples), [one.log_likelihoods for one in ours.predictions])


@pytest.fixture
def answers(tmp_path):
    import datasets

    more = {"source": "x", "license": "CC0-1.0"}
    rows = [
        question_row("Describe it.", "It is an acid.", molecules=["CC(=O)O"], task="caption", id="m1", **more),
        question_row("Describe it.", "An ether.", molecules=["CCOCC"], task="caption", id="m2", **more),
        question_row("What does it do?", "It binds.", proteins=["MKTAYIAK"], task="function", id="p1", **more),
    ]
    (tmp_path / "set/data").mkdir(parents=True)
    dataset = datasets.Dataset.from_list(rows, features=features())
    dataset.to_parquet(tmp_path / "set/data/test-00000-of-00001.parquet")
    return tmp_path / "set"


def test_answers_about_items_are_those_of_predict(answers):
    options = {"apply_chat_template": True, "gen_kwargs": "max_gen_toks=20"}
    results, samples = run(MODEL, MINI, "biomedgpt_molecule_answers", {"set": str(answers)}, **options)
    expected = predict("Describe it.", molecules=["CC(=O)O", "CCOCC"], max_new_tokens=20, progress=False)
    assert [sample["resps"][0][0].strip() for sample in samples] == [one.answer for one in expected]
    assert {"exact_match,none", "bleu,none", "chrf,none"} <= results.keys()
    _, (sample,) = run(MODEL, MINI, "biomedgpt_protein_answers", {"set": str(answers)}, **options)
    (answer,) = predict("What does it do?", proteins=["MKTAYIAK"], max_new_tokens=20, progress=False)
    assert sample["resps"][0][0].strip() == answer.answer and sample["doc"]["task"] == "function"


def test_a_task_without_its_files_says_what_to_give(answers):
    with pytest.raises(ValueError, match=r"Name what the task reads: --metadata '\{\"questions\": \"PATH\"\}'"):
        run(MODEL, MINI, "biomedgpt_choices")
    with pytest.raises(ValueError, match="has no row about a question of the task 'other'"):
        run(MODEL, MINI, "biomedgpt_answers", {"set": str(answers), "task": "other"})


def test_exported_tasks_run_on_an_exported_language_model(own, medqa, language_model, tmp_path):
    questions = [*read_choice_questions(own), *read_choice_questions(medqa)]
    names = export_tasks(questions, tmp_path / "tasks", examples=questions[3:])
    assert names == ["biomedgpt_own", "biomedgpt_medqa"]
    _, samples = run("hf", language_model, "biomedgpt_own", include=tmp_path / "tasks")
    checkpoint = language_model.split(",")[0].removeprefix("pretrained=")
    ours = evaluate_choices(own, checkpoint=checkpoint, resamples=10, progress=False)
    assert_close(likelihoods(samples), [one.log_likelihoods for one in ours.predictions])
    assert "<molecule>CC(=O)O</molecule>" in samples[0]["doc"]["text"]
    _, samples = run("hf", language_model, "biomedgpt_medqa", include=tmp_path / "tasks", num_fewshot=1)
    assert len(samples) == 6
    text = (tmp_path / "tasks/biomedgpt_own.yaml").read_text("utf-8")
    assert "!function" not in text and yaml.safe_load(text)["tag"] == "biomedgpt_exported"


def test_what_cannot_be_a_model_is_refused_in_one_line(language_model):
    with pytest.raises(ValueError, match="is a 'llama', not a BioMedGPT: use --model hf"):
        run(MODEL, language_model, "biomedgpt_choices", {"questions": "x"})
    with pytest.raises(ValueError, match="trust_remote_code is not possible"):
        run(MODEL, f"{MINI},trust_remote_code=True", "biomedgpt_choices", {"questions": "x"})


def test_the_package_tells_newer_versions_where_the_model_is():
    written = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["lm_eval.models"]
    (point,) = (EntryPoint(name, value, "lm_eval.models") for name, value in written.items())
    assert point.name == MODEL and point.load().__name__ == "BioMedGPTLM"


@pytest.mark.slow
def test_the_command_line_knows_model_and_tasks(own, tmp_path):
    command = [sys.executable, "-m", "biomedgpt_hf.evaluation.harness", "run", "--model", MODEL, "--model_args", MINI]
    command += ["--tasks", "biomedgpt_choices", "--metadata", json.dumps({"questions": str(own)})]
    command += ["--device", "cpu", "--output_path", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (results,) = (tmp_path / "out").rglob("results_*.json")
    assert "acc,none" in json.loads(results.read_text("utf-8"))["results"]["biomedgpt_choices"]


@pytest.mark.parametrize("task", sorted(path.name for path in TASKS.glob("*.yaml")))
def test_every_task_file_begins_with_its_command(task):
    text = (TASKS / task).read_text("utf-8")
    assert text.startswith("# python -m biomedgpt_hf.evaluation.harness run --model biomedgpt")
    assert f"--tasks {task.removesuffix('.yaml')}" in text


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    for name in [name for name in sys.modules if name.startswith("lm_eval.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install ".\[lm-eval\]"'):
        register()


@pytest.mark.slow
def test_an_exported_task_gives_the_reference_evaluator_s_numbers(shared, tmp_path):
    folder = shared / "reference/metrics/lm_eval_pubmedqa"
    golden = json.loads((folder / "golden.json").read_text("utf-8"))["rows"][:30]
    asked = {one.id: one for one in read_choice_questions(shared / "data/qa/pubmedqa/ori_pqal.json")}
    (name,) = export_tasks([asked[f"PMID:{row['pmid']}"] for row in golden], tmp_path / "tasks")
    arguments = f"pretrained={folder / 'tiny_llama'},dtype=float32"
    _, samples = run("hf", arguments, name, include=tmp_path / "tasks")
    assert_close(likelihoods(samples), [row["loglik"] for row in golden])
