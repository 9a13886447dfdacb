"""Few-shot examples inside the real lm-evaluation-harness: training rows, and never what is scored."""

import json

import pytest
import yaml

from biomedgpt_hf.evaluation.harness import MODEL, TASKS, export_tasks, register
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, answer, prompt

from ...built_set import write_set

lm_eval = pytest.importorskip("lm_eval", reason="lm_eval is not installed (extra lm-eval)")

MINI = f"pretrained={mini_checkpoint()},dtype=float32"
LABELS = {"source": "x", "license": "CC0-1.0"}


@pytest.fixture(scope="module", autouse=True)
def registered():
    register()


def run(task, metadata, include=TASKS, **options):
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(include), include_defaults=False, metadata=metadata)
    options = {"batch_size": 2, "gen_kwargs": "max_gen_toks=2", **options}
    return lm_eval.simple_evaluate(
        MODEL, model_args=MINI, tasks=[task], task_manager=manager, bootstrap_iters=0, device="cpu", **options
    )["samples"][task]


def asked(samples):
    return [sample["arguments"][0][0] for sample in sorted(samples, key=lambda one: one["doc_id"])]


def captions(name, smiles):
    options = {"task": "caption", **LABELS}
    return [
        question_row("Describe it.", f"{name} {n}", molecules=[one], id=f"{name}{n}", **options)
        for n, one in enumerate(smiles)
    ]


@pytest.fixture(scope="module")
def set_folder(tmp_path_factory):
    protein = {"task": "function", "id": "p", **LABELS}
    splits = {
        "train": [
            question_row("What does it do?", "learned protein", proteins=["MKTAYIAK"], **protein),
            *captions("learned", ["CCO", "CCCO", "CCN"]),  # CCCO is asked about, too: such an example would tell
        ],
        "test": captions("scored", ["CCCO", "CCCCO", "CCCCCO", "CCCCCCO"]),
    }
    return write_set(tmp_path_factory.mktemp("sets") / "captions", splits)


@pytest.mark.parametrize("chat", [False, True])
def test_examples_are_training_rows_about_the_same_modality(set_folder, chat):
    samples = run("biomedgpt_molecule_answers", {"set": str(set_folder)}, num_fewshot=2, apply_chat_template=chat)
    texts = asked(samples)
    assert len(texts) == 4
    for text in texts:
        assert "scored" not in text and text.count("learned 0") == text.count("learned 2") == 1
        assert "learned 1" not in text and "protein" not in text.split("###")[-1]
        assert text.count("<molecule>") >= 3


def test_a_limit_and_other_batches_ask_the_same(set_folder):
    metadata = {"set": str(set_folder)}
    whole = run("biomedgpt_molecule_answers", metadata, num_fewshot=1, batch_size=4, log_samples=True)
    some = run("biomedgpt_molecule_answers", metadata, num_fewshot=1, batch_size=1, limit=2, log_samples=True)
    assert asked(some) == asked(whole)[:2]
    assert [one["resps"] for one in some] == [one["resps"] for one in sorted(whole, key=lambda one: one["doc_id"])[:2]]


def test_a_set_without_training_rows_has_no_examples(tmp_path):
    folder = write_set(tmp_path / "bare", {"test": captions("scored", ["CCO", "CCCO"])})
    assert len(run("biomedgpt_molecule_answers", {"set": str(folder)})) == 2
    with pytest.raises(AssertionError, match="exceeds the 0 that are available"):
        run("biomedgpt_molecule_answers", {"set": str(folder)}, num_fewshot=1)


def test_training_rows_that_are_scored_are_no_examples(set_folder):
    with pytest.raises(AssertionError, match="exceeds the 0 that are available"):
        run("biomedgpt_molecule_answers", {"set": str(set_folder), "split": "train"}, num_fewshot=1)


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """A set of choices in which the training rows say "learned"."""

    def rows(name, count):
        questions = (
            MultipleChoiceQuestion("MedQA", f"{name}{n}", f"Which {name} {n}?", ("a", "b", "c", "d"), n % 4)
            for n in range(count)
        )
        return [question_row(prompt(one), answer(one), id=one.id, task="medqa", **LABELS) for one in questions]

    return write_set(tmp_path_factory.mktemp("sets") / "exam", {"train": rows("learned", 3), "test": rows("scored", 4)})


@pytest.mark.parametrize("named", [False, True])
def test_examples_of_choices_are_the_training_rows_of_a_set(exam, named):
    metadata = {"questions": str(exam), **({"examples": str(exam)} if named else {})}
    for text in asked(run("biomedgpt_choices", metadata, num_fewshot=2)):
        assert text.count("learned") == 2 and text.count("scored") == 1


def test_an_asked_question_is_no_example_of_itself(tmp_path):
    lines = [
        {"id": f"q{n}", "question": f"What is {n}?", "choices": ["one", "two"], "answer_index": n % 2} for n in range(4)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(AssertionError, match="exceeds the 0 that are available"):
        run("biomedgpt_choices", {"questions": str(path), "examples": str(path)}, num_fewshot=1)


@pytest.mark.parametrize("named", [False, True])
def test_exported_tasks_have_the_training_rows_as_examples(exam, named, tmp_path):
    (name,) = export_tasks([str(exam)], tmp_path / "tasks", examples=[str(exam)] if named else ())
    task = yaml.safe_load((tmp_path / "tasks" / f"{name}.yaml").read_text())
    assert task["fewshot_split"] == "train" and task["test_split"] == "test"
    for text in asked(run(name, {}, include=tmp_path / "tasks", num_fewshot=1)):
        assert text.count("learned") == 1 and text.count("scored") == 1
