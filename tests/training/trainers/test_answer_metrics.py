"""Scores of written answers in a trainer's evaluations: those of `biomedgpt evaluate`, and none where nobody asks."""

import numpy as np
import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForMultimodalLM, AutoProcessor, EarlyStoppingCallback, TrainerState, TrainingArguments

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTTrainer, mini_checkpoint
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.evaluate_set import evaluate_set
from biomedgpt_hf.evaluation.metrics.registry import all_metrics, load_metrics, possible_scores, score_names
from biomedgpt_hf.evaluation.metrics.written_choices import WrittenChoices
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, answer, prompt
from biomedgpt_hf.training.trainers import answer_metrics
from biomedgpt_hf.training.trainers.answer_metrics import AnswerMetrics, asked_rows, check_scored
from biomedgpt_hf.training.trainers.early_stopping import EarlyStopping, is_out_of_patience, knows_best

from ...built_set import write_set

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")

ABOUT = {"task": "molecule_caption", "source": "s", "license": "CC0-1.0"}
ROWS = [
    question_row("Describe it.", f"The molecule is an {name}.", molecules=["C" * size + end], id=f"r{size}", **ABOUT)
    for size, (name, end) in enumerate([("alcohol", "O"), ("amine", "N"), ("acid", "C(=O)O"), ("thiol", "S")], start=1)
]


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(mini_checkpoint())


@pytest.fixture(scope="module")
def metrics(vocabulary):
    return load_metrics(tokenizer=vocabulary, wordnet=False)


@pytest.fixture
def model():
    return AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())


def trainer_of(model, processor, folder, answers):
    arguments = TrainingArguments(
        str(folder), use_cpu=True, report_to=[], remove_unused_columns=False, per_device_eval_batch_size=3,
        disable_tqdm=True,
    )  # fmt: skip
    return BioMedGPTTrainer(
        model,
        arguments,
        eval_dataset=ROWS,
        data_collator=BioMedGPTDataCollator(processor),
        processing_class=processor,
        answer_metrics=answers,
    )


@pytest.fixture(scope="module")
def evaluated(vocabulary, tmp_path_factory):
    """What `biomedgpt evaluate` says of the same rows and model."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("scores")
    written = write_set(folder / "set", {"validation": ROWS})
    options = {"tokenizer": vocabulary, "wordnet": False, "resamples": 100, "max_new_tokens": 12, "controls": False}
    scores = evaluate_set(written, folder / "out", **options)["runs"][0]["scores"]
    return {name: one["value"] for of in scores.values() for name, one in of["all"].items()}


@pytest.mark.parametrize("with_adapters", [False, True])
def test_an_evaluation_gives_the_scores_of_the_command(model, processor, metrics, evaluated, tmp_path, with_adapters):
    if with_adapters:  # untrained ones change nothing
        model = get_peft_model(model, LoraConfig(r=2, target_modules=r".*language_model\..*\.(q_proj|v_proj)"))
    trainer = trainer_of(model, processor, tmp_path, AnswerMetrics(processor, metrics, max_new_tokens=12))
    found = trainer.evaluate()
    assert {f"eval_{name}" for name in evaluated} <= found.keys()
    assert {name: found[f"eval_{name}"] for name in evaluated} == pytest.approx(evaluated, abs=1e-12)
    assert found["eval_loss"] > 0 and "eval_rougeL" in trainer.state.log_history[-1]


def test_a_limit_asks_rows_from_the_whole_set(model, processor, metrics, tmp_path, monkeypatch):
    asked = []
    answer_batch = AnswerMetrics.answer

    def noted(self, model, batch, **options):
        asked.extend(prompt.request.item.id for prompt in batch)
        return answer_batch(self, model, batch, **options)

    monkeypatch.setattr(AnswerMetrics, "answer", noted)
    trainer_of(model, processor, tmp_path, AnswerMetrics(processor, metrics, limit=2, max_new_tokens=2)).evaluate()
    assert sorted(asked) == ["r1", "r3"]


def test_without_metrics_nothing_is_generated(model, processor, tmp_path, monkeypatch):
    monkeypatch.setattr(answer_metrics, "generate_answers", None)
    monkeypatch.setattr(type(model), "generate", None)
    found = trainer_of(model, processor, tmp_path, None).evaluate()
    assert "eval_loss" in found and not any("rouge" in name for name in found)


def test_a_row_that_the_model_cannot_read_scores_like_an_empty_answer(model, processor, metrics):
    broken = question_row("What is it?", "The molecule is an acid.", molecules=["C(C)(C)(C)(C)C"], id="x", **ABOUT)
    asking = AnswerMetrics(processor, metrics, max_new_tokens=4)
    rows = asking.rows([broken])
    assert asking.prompts(model, rows) == []
    assert asking.score(rows, {})["rougeL"] == 0


def test_a_score_that_no_row_can_have_is_refused(metrics):
    rows = [row.expected for row in asked_rows(ROWS, None)]
    check_scored("eval_rougeL", metrics, rows)
    check_scored("loss", metrics, rows)
    with pytest.raises(ValueError, match="name_f1.*none of the 4 evaluated rows has a reference that listed names"):
        check_scored("name_f1", metrics, rows)
    with pytest.raises(ValueError, match="says nothing good or bad"):
        check_scored("claims_checked", metrics, rows)
    with pytest.raises(ValueError, match="no row to answer"):
        asked_rows([], 5)


def test_names_of_scores_need_nothing_loaded_and_are_each_their_own():
    names = possible_scores(wordnet=False, graded=True)
    assert len(names) == len(set(names)) and {"meteor_no_wordnet", "graded_fact_f1", "accuracy"} <= set(names)
    assert all(score_names(metric) for metric in all_metrics(tokenizer="nowhere"))
    with pytest.raises(ValueError, match="There is no metric 'word': choose from words, caption_facts"):
        load_metrics(["word"])


def test_written_choices_are_read_strictly():
    question = MultipleChoiceQuestion("MedMCQA", "q", "Which?", ("one", "two", "three", "four"), 1)
    said = ["B. two", "The answer is B.", "C", "A or B", ""]
    rows = [Answered(str(n), text, answer(question), prompt(question)) for n, text in enumerate(said)]
    metric = WrittenChoices()
    assert all(map(metric.applies_to, rows)) and not metric.applies_to(Answered("x", "B", "An acid.", "What is it?"))
    scores = metric.scores(metric.statistics(rows).sum(axis=0))
    assert (scores["accuracy"], scores["na_rate"]) == (pytest.approx(2 / 5), pytest.approx(2 / 5))


# Stopping early.


def state_after(values, best_step=None):
    state = TrainerState()
    state.log_history = [{"step": step, "eval_rougeL": value} for step, value in enumerate(values, start=1)]
    if best_step is not None:
        state.best_global_step, state.best_metric = best_step, values[best_step - 1]
    return state


@pytest.mark.parametrize(
    ("values", "threshold", "waited"),
    [([], 0, 0), ([0.2, 0.3], 0, 0), ([0.3, 0.2, 0.3], 0, 2), ([0.2, 0.3, 0.25, 0.31], 0, 0), ([0.2, 0.25], 0.1, 1)],
)
def test_patience_is_counted_anew_from_the_log(tmp_path, values, threshold, waited):
    arguments = TrainingArguments(
        str(tmp_path), metric_for_best_model="rougeL", greater_is_better=True, eval_strategy="steps", eval_steps=1,
        load_best_model_at_end=True, save_steps=1, use_cpu=True,
    )  # fmt: skip
    callback, theirs = EarlyStopping(2, threshold), EarlyStoppingCallback(2, threshold)
    callback.on_train_begin(arguments, state_after(values), None)
    past = TrainerState()
    for value in values:  # as the Trainer calls them in a run that nothing happens to
        theirs.check_metric_value(arguments, past, None, value)
        past.best_metric = value if past.best_metric is None else np.maximum(value, past.best_metric)
    assert callback.early_stopping_patience_counter == theirs.early_stopping_patience_counter == waited
    assert is_out_of_patience([callback]) == (waited >= 2)


def test_the_best_of_another_metric_is_not_compared_with():
    state = state_after([0.2, 0.5, 0.4], best_step=2)
    assert knows_best(state, "rougeL") and knows_best(state, "eval_rougeL")
    assert not knows_best(state, "loss") and not knows_best(state, None)
    assert knows_best(TrainerState(), "loss")
