"""What a recipe says about evaluations: its forms, its mistakes, and what is looked for before anything is loaded."""

import pytest

from biomedgpt_hf.evaluation.evaluate import EvaluationOptions
from biomedgpt_hf.extras import MissingPackageError
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, answer, prompt
from biomedgpt_hf.training.recipe.evaluations import evaluation_of, result_folders, scores_of
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.trainers.answer_metrics import AnswerOptions, higher_is_better

from ...built_set import row, write_set

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "mine.yaml"
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture
def required(tmp_path):
    return ["--model", "mini", "--train-data", "rows", "--output-dir", str(tmp_path / "run")]


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    splits = {"train": [row("a", molecules=["C"])], "test": [row("b", molecules=["CC"])]}
    return str(write_set(tmp_path_factory.mktemp("sets") / "captions", splits))


@pytest.fixture(scope="module")
def choices(tmp_path_factory):
    question = MultipleChoiceQuestion("MedMCQA", "q", "Which?", ("one", "two", "three", "four"), 1)
    about = {"task": "medmcqa", "source": "MedMCQA", "license": "MIT", "id": "q"}
    rows = [question_row(prompt(question), answer(question), **about)]
    return str(write_set(tmp_path_factory.mktemp("sets") / "choices", {"test": rows}))


# How it is said.


@pytest.mark.parametrize("said", ["evaluate: chebi20", "evaluate: [chebi20]", "evaluate: {sets: [chebi20]}"])
def test_names_alone_are_the_sets(write, said):
    assert read_recipe(write(said)).settings.evaluate == {"sets": ["chebi20"]}


def test_the_command_line_changes_one_thing_and_leaves_the_others(write):
    file = write("evaluate:\n  sets: [chebi20]\n  limit: 5\n  wordnet: false\n")
    words = ["--evaluate.limit", "200", "--evaluate", "mine", "safety", "--evaluate.controls=false"]
    folders, options = evaluation_of(read_recipe(file, words).settings)
    assert folders == {"mine": "mine", "safety": "safety"}
    assert options == EvaluationOptions(limit=200, wordnet=False, controls=False)
    assert read_recipe(file, ["--evaluate", "null"]).settings.evaluate is None
    assert read_recipe(file, ["--evaluate.limit", "null"]).settings.evaluate["limit"] is None


def test_sets_of_one_name_are_told_apart_by_the_folders_above_them():
    assert result_folders(["a/set", "b/set", "c"]) == {"a-set": "a/set", "b-set": "b/set", "c": "c"}
    assert result_folders(["x/a/set", "y/a/set"]) == {"x-a-set": "x/a/set", "y-a-set": "y/a/set"}
    with pytest.raises(ValueError, match="names 'set' twice"):
        result_folders(["a/set", "a/../a/set"])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("evaluate: {limit: 5}", "evaluate names no sets"),
        ("evaluate: []", "evaluate names no sets"),
        ("evaluate: [a, a]", "names 'a' twice"),
        ("evaluate: {sets: a, limt: 5}", "evaluate has no key 'limt': did you mean 'limit'"),
        ("evaluate: {sets: a, limit: 0}", "evaluate.limit is 0: 1 or more"),
        ("evaluate: {sets: a, limit: many}", "evaluate.limit is 'many': a whole number is wanted"),
        ("evaluate: {sets: a, protocol: letters}", "one of loglik, generate_lmflow, generate_strict is wanted"),
        ("evaluate: {sets: a, split: dev}", "one of test, validation, train is wanted"),
        ("evaluate: {sets: a, resamples: 10}", "evaluate.resamples is 10: 100 or more"),
        ("evaluate: true", "evaluate is True: a text is wanted"),
        ("eval_answers: {limit: 0}", "eval_answers.limit is 0: 1 or more"),
        ("eval_answers: {lmit: 1}", "eval_answers has no key 'lmit'"),
        ("early_stopping_patience: 0", "early_stopping_patience is 0: give a number above 0, or null"),
        (
            "{early_stopping_patience: 1, early_stopping_threshold: -1}",
            "early_stopping_threshold is -1: give 0 or more",
        ),
        ("early_stopping_threshold: 0.1", "would have no effect: set early_stopping_patience"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(write, said, message):
    with pytest.raises(ValueError) as error:
        read_recipe(write(said))
    assert message in str(error.value) and "mine.yaml" in str(error.value) and "\n" not in str(error.value)


# By what the best is chosen.


def arguments(required, *words):
    return read_recipe("mini", [*required, *words]).training_arguments()


@pytest.mark.parametrize(
    ("metric", "is_higher"),
    [("rougeL", True), ("eval_rougeL", True), ("fact_f1", True), ("accuracy", True), ("contradiction_rate", False),
     ("na_rate", False), ("loss", False), ("eval_loss_molecule", False)],
)  # fmt: skip
def test_each_score_knows_its_better_direction(required, metric, is_higher):
    made = arguments(required, "--metric-for-best-model", metric)
    assert made.greater_is_better is higher_is_better(metric) is is_higher


def test_stopping_early_is_by_the_loss_where_nothing_else_is_said(required):
    made = arguments(required, "--early-stopping-patience", "2", "--load-best-model-at-end", "false")
    assert (made.metric_for_best_model, made.greater_is_better) == ("loss", False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metric-for-best-model", "rougel"], "did you mean 'rougeL'?"),
        (["--metric-for-best-model", "rougeL", "--greater-is-better", "false"], "the better the higher it is"),
        (["--metric-for-best-model", "loss_text", "--greater-is-better", "true"], "the better the lower it is"),
        (["--metric-for-best-model", "rougeL", "--eval-strategy", "no"], "eval_strategy is 'no'"),
        (["--early-stopping-patience", "1", "--eval-strategy", "no"], "early_stopping_patience is 1, which would have"),
        (["--eval-answers.limit", "1", "--eval-strategy", "no"], "eval_answers is {'limit': 1}, which would have no"),
        (["--metric-for-best-model", "rougeL", "--eval-answers.metrics", "caption_facts"], "an evaluation gives loss"),
        (["--metric-for-best-model", "meteor", "--eval-answers.wordnet", "false"], "rougeL, meteor_no_wordnet, fact"),
    ],
)
def test_what_cannot_be_heeded_is_refused(required, words, message):
    with pytest.raises(ValueError) as error:
        arguments(required, *words)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_pairs_of_answers_have_no_answer_to_compare_with():
    pytest.importorskip("trl")
    with pytest.raises(ValueError, match="eval_answers.limit is 5, which trainer 'dpo' cannot take"):
        read_recipe("dpo", ["--eval-answers.limit", "5"])
    assert read_recipe("dpo", ["--metric-for-best-model", "rougeL"]).answers is None


def test_answers_are_asked_for_only_where_a_score_needs_them(required):
    assert read_recipe("mini", required).answers is None
    assert read_recipe("mini", [*required, "--metric-for-best-model", "loss_text"]).answers is None
    assert read_recipe("mini", [*required, "--metric-for-best-model", "eval_bleu2"]).answers == AnswerOptions()
    assert read_recipe("mini", [*required, "--eval-answers.limit", "3"]).answers == AnswerOptions(limit=3)
    assert {"rougeL", "fact_f1", "name_f1", "exact", "accuracy"} <= {*scores_of(AnswerOptions())}


# What is looked for before anything is loaded.


def check(*words):
    return read_recipe("mini", words).check_evaluations()


def test_a_missing_set_split_vocabulary_or_wordnet_is_told_by_its_key(captions, choices, vocabulary, monkeypatch):
    own = ("--evaluate.tokenizer", str(vocabulary), "--evaluate.wordnet", "false")
    assert check("--evaluate", captions, choices, "safety", *own) == ()
    with pytest.raises(OSError, match="^evaluate: .*nowhere: there is no such folder"):
        check("--evaluate", "nowhere", *own)
    with pytest.raises(ValueError, match="^evaluate: .*has no validation rows, but"):
        check("--evaluate", captions, "--evaluate.split", "validation", *own)
    with pytest.raises(OSError, match="^evaluate: The text metrics cannot load their tokenizer from 'nowhere'"):
        check("--evaluate", captions, "--evaluate.tokenizer", "nowhere", "--evaluate.wordnet", "false")
    with pytest.raises(ValueError, match="^evaluate: .*index"):
        check("--evaluate", captions, "--evaluate.memory", captions, *own)
    monkeypatch.delenv("BIOMEDGPT_WORDNET", raising=False)
    monkeypatch.setattr("nltk.data.path", [])
    with pytest.raises(OSError, match="^eval_answers: METEOR needs WordNet 3.0"):
        check("--metric-for-best-model", "rougeL", "--eval-answers.tokenizer", str(vocabulary))


def test_what_scores_no_text_needs_no_vocabulary(choices):
    assert check("--evaluate", choices, "safety") == ()
    words = ("--metric-for-best-model", "fact_f1", "--eval-answers.metrics", "caption_facts")
    assert [metric.name for metric in check(*words)] == ["caption_facts"]


def test_a_language_model_alone_is_scored_on_choices_and_on_texts_with_items_written_out(captions, choices, vocabulary):
    recipe = ("--language-model-only", "--trainable", "language_model")
    check("--evaluate", choices, *recipe)
    check("--evaluate", captions, "--evaluate.wordnet", "false", "--evaluate.tokenizer", str(vocabulary), *recipe)


def test_a_missing_package_is_named_with_its_extra(captions, monkeypatch):
    monkeypatch.setattr("biomedgpt_hf.extras.is_installed", lambda package: package != "rouge_score")
    with pytest.raises(MissingPackageError, match=r"rouge_score.*\.\[evaluation\]"):
        check("--evaluate", captions)
