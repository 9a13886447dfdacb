"""Questions put to models under each protocol, with examples and in other orders; runs that go on."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from biomedgpt_hf.evaluation.multiple_choice import evaluate_choices, read_choice_predictions
from biomedgpt_hf.evaluation.multiple_choice.asking import ask_all, orders
from biomedgpt_hf.evaluation.multiple_choice.protocols import Chooser
from biomedgpt_hf.inference.long_runs.processes import rank
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, prompt

from .conftest import question

FAST = {"resamples": 20, "progress": False, "device": "cpu"}


def test_the_label_with_the_highest_log_likelihood_is_chosen(language_model, questions, decisions):
    found = evaluate_choices([*questions, *decisions], checkpoint=language_model, **FAST)
    assert [one.id for one in found.predictions] == [one.id for one in (*questions, *decisions)]
    for one in found.predictions:
        assert one.chosen == one.log_likelihoods.index(max(one.log_likelihoods)) and one.text is None
        assert len(one.log_likelihoods) == len(one.labels)
    assert len({one.chosen for one in found.predictions}) > 1
    assert found.scores["by_dataset"].keys() == {"MedQA", "PubMedQA"}
    assert found.manifest["protocol"] == "loglik" and found.manifest["answered"] == 17


@pytest.mark.parametrize("protocol", ["generate_lmflow", "generate_strict"])
def test_greedy_texts_are_those_of_generate(language_model, questions, protocol):
    found = evaluate_choices(questions[:4], checkpoint=language_model, protocol=protocol, new_tokens=12, **FAST)
    model, tokenizer = (auto.from_pretrained(language_model) for auto in (AutoModelForCausalLM, AutoTokenizer))
    for one, asked in zip(found.predictions, questions, strict=False):
        inputs = tokenizer(prompt(asked), return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            ids = model.eval().generate(**inputs, do_sample=False, max_new_tokens=12, pad_token_id=1)[0]
        said = tokenizer.decode(ids[inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        assert one.text == said and one.log_likelihoods is None
        assert one.log_probability < 0


def test_a_planted_answer_is_read_from_the_text_by_each_rule(language_model, decisions, monkeypatch):
    said = {"d0": "yes", "d1": "Answer: no", "d2": "I cannot say", "d3": "Yes. Indeed", "d4": ""}
    texts = iter(said.values())

    def write(self, contexts):
        from biomedgpt_hf.inference.answering import Generated

        return [Generated(next(texts), -1.0, "stop", 3) for _ in contexts]

    monkeypatch.setattr(Chooser, "_write", write)
    rates = {}
    for protocol in ("generate_strict", "generate_lmflow"):
        texts = iter(said.values())
        # one question a batch, so that texts come in the order of the questions
        found = [
            evaluate_choices([one], checkpoint=language_model, protocol=protocol, **FAST).predictions[0]
            for one in decisions
        ]
        rates[protocol] = [None if one.chosen is None else one.labels[one.chosen] for one in found]
    assert rates["generate_strict"] == ["yes", "no", None, "yes", None]
    assert rates["generate_lmflow"] == [None, "no", None, "yes", None]


def test_examples_stand_before_the_question_as_in_the_reference_evaluator(questions, decisions):
    pool = [*decisions, *(question(number) for number in range(20, 24)), questions[0]]
    asked = ask_all(questions[:2], few_shot=2, examples=pool, description="Say the letter.\n")
    first, second = pool[5], pool[6]
    letters = ["ABCD"[one.answer_index] for one in (first, second)]
    expected = (
        f"Say the letter.\n{prompt(first)} {letters[0]}\n\n{prompt(second)} {letters[1]}\n\n{prompt(questions[0])}"
    )
    assert asked[0][0].text == expected
    roles = [message["role"] for message in asked[0][0].messages]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert asked[0][0].messages[0]["content"][-1]["text"].startswith("Say the letter.\nQuestion")


def test_a_question_is_never_an_example_of_itself_and_too_few_are_told(questions):
    asked = ask_all(questions, few_shot=3, examples=questions)
    for (one,) in asked:
        assert one.question.id not in {example.id for example in one.examples} and len(one.examples) == 3
    with pytest.raises(ValueError, match="few_shot is 12, but there are 11 examples besides question 'q0'"):
        ask_all(questions, few_shot=12, examples=questions)


def test_examples_of_the_same_subject_come_first_where_there_are_enough():
    pool = [question(n, dataset="MMLU", subject=("anatomy", "virology")[n % 2]) for n in range(8)]
    asked = ask_all([question(9, dataset="MMLU", subject="virology")], few_shot=2, examples=pool)
    assert [one.id for one in asked[0][0].examples] == ["q1", "q3"]


def test_examples_change_the_log_likelihoods(language_model, questions):
    plain, shown = (
        evaluate_choices(questions[:3], checkpoint=language_model, few_shot=k, examples=questions[3:], **FAST)
        for k in (0, 3)
    )
    assert plain.predictions[0].log_likelihoods != pytest.approx(shown.predictions[0].log_likelihoods, abs=1e-2)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_in_other_orders_no_choice_keeps_its_letter_and_no_order_comes_twice(size):
    asked = question(1, size)
    found = orders(asked, 10, seed=3)
    assert found[0] == tuple(range(size)) and len(found) == len(set(found)) == size
    for order in found[1:]:
        assert all(place != shown for place, shown in enumerate(order))
        reordered = asked.in_order(order)
        assert reordered.choices[reordered.answer_index] == asked.choices[asked.answer_index]


def test_orders_depend_on_the_seed_and_the_question_alone():
    assert orders(question(1), 1) == orders(question(1), 1)
    assert len({tuple(orders(question(number), 1)) for number in range(30)}) == 3


def test_a_question_that_does_not_list_its_choices_has_one_order(language_model, questions, decisions):
    found = evaluate_choices([*questions[:2], *decisions[:1]], checkpoint=language_model, shuffles=2, **FAST)
    assert [(one.id, one.number) for one in found.predictions] == [
        *((id, number) for id in ("q0", "q1") for number in range(3)),
        ("d0", 0),
    ]
    with pytest.raises(ValueError, match="they have no order to shuffle"):
        evaluate_choices(decisions, checkpoint=language_model, shuffles=1, **FAST)


def test_an_interrupted_run_goes_on_and_gives_the_same(language_model, questions, tmp_path, monkeypatch):
    whole = evaluate_choices(questions, checkpoint=language_model, shuffles=1, output=tmp_path / "a.jsonl", **FAST)
    choose = Chooser.choose

    def interrupted(self, asked):
        for number, batch in enumerate(choose(self, asked)):
            if number == 1:
                raise KeyboardInterrupt
            yield batch

    arguments = {"checkpoint": language_model, "shuffles": 1, "output": tmp_path / "b.jsonl", "batch_tokens": 500}
    with monkeypatch.context() as patch:
        patch.setattr(Chooser, "choose", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate_choices(questions, **arguments, **FAST)
    assert not (tmp_path / "b.jsonl").exists()
    seen = []
    monkeypatch.setattr(Chooser, "choose", lambda self, asked: seen.extend(asked) or choose(self, asked))
    rest = evaluate_choices(questions, **arguments, **FAST)
    assert 0 < len(seen) < 24
    for one, other in zip(whole.predictions, rest.predictions, strict=True):
        assert (one.id, one.number, one.chosen) == (other.id, other.number, other.chosen)
        assert one.log_likelihoods == pytest.approx(other.log_likelihoods, abs=1e-5)
    assert read_choice_predictions(tmp_path / "b.jsonl") == rest.predictions
    manifest = json.loads((tmp_path / "b.jsonl.manifest.json").read_text("utf-8"))
    assert manifest["predictions"] == 24 and manifest["digest"] and not list(tmp_path.glob(".*"))
    seen.clear()
    assert evaluate_choices(questions, **arguments, **FAST).scores == rest.scores and not seen
    with pytest.raises(FileExistsError, match="something else: shuffles was 1 and is 2"):
        evaluate_choices(questions, **{**arguments, "shuffles": 2}, **FAST)


def test_an_unfinished_run_with_other_questions_is_not_continued(language_model, questions, tmp_path, monkeypatch):
    def killed(self, asked):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Chooser, "choose", killed)
        with pytest.raises(KeyboardInterrupt):
            evaluate_choices(questions, checkpoint=language_model, output=tmp_path / "a.jsonl", **FAST)
    with pytest.raises(ValueError, match="asked for something else: asked_sha256"):
        evaluate_choices(questions[::-1], checkpoint=language_model, output=tmp_path / "a.jsonl", **FAST)


def test_a_question_that_cannot_be_put_is_an_error_of_its_own():
    good, bad = (
        MultipleChoiceQuestion("own", id, "Which?", ("one", "other"), 0, items={"molecule": (smiles,)})
        for id, smiles in (("good", "CCO"), ("bad", "CN(C)(C)(C)C"))
    )
    for protocol in ("loglik", "generate_strict"):
        found = evaluate_choices([good, bad], protocol=protocol, new_tokens=5, **FAST)
        assert [one.status for one in found.predictions] == ["ok", "error"]
        assert "valence" in found.predictions[1].error and found.scores["errors"] == 1
        assert found.predictions[1].items == {"molecule": ("CN(C)(C)(C)C",)}
    with pytest.raises(ValueError, match="No question could be put. bad: .*valence"):
        evaluate_choices([bad], **FAST)


def test_a_placeholder_in_a_text_is_an_error_of_its_own_too(questions):
    bad = questions[0]._replace(question="What is <moleculeHere>?")
    found = evaluate_choices([bad, questions[1]], **FAST)
    assert [one.status for one in found.predictions] == ["error", "ok"]
    assert "holds <moleculeHere>" in found.predictions[0].error


def test_examples_have_to_be_passed(language_model, questions):
    with pytest.raises(ValueError, match="few_shot is 1, but there are 0 examples"):
        evaluate_choices(questions, checkpoint=language_model, few_shot=1, **FAST)


def test_a_language_model_alone_reads_items_as_text(language_model):
    ethanol, water = (
        MultipleChoiceQuestion("own", smiles, "Which?", ("one", "other"), 0, items={"molecule": (smiles,)})
        for smiles in ("CCO", "O")
    )
    found = evaluate_choices([ethanol, water], checkpoint=language_model, **FAST).predictions
    assert found[0].log_likelihoods != pytest.approx(found[1].log_likelihoods, abs=1e-3)


def test_a_long_context_loses_its_beginning_and_that_is_told(language_model, decisions):
    long = decisions[0]._replace(contexts=("It was seen. " * 200,))
    for protocol in ("loglik", "generate_lmflow"):
        found = evaluate_choices([long, decisions[1]], checkpoint=language_model, protocol=protocol, **FAST)
        assert [one.truncated for one in found.predictions] == [True, False] and found.manifest["truncated"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocol": "loglikelihood"}, "protocol is 'loglikelihood'. Choose one of loglik, generate_lmflow"),
        ({"batch_tokens": 0}, "batch_tokens is 0. It must be at least 1"),
        ({"few_shot": -1}, "few_shot is -1"),
        ({"output": "answers.csv"}, "answers.csv must end in .jsonl"),
        ({"dtype": "float8"}, "dtype is 'float8'"),
        ({"revision": "v2"}, "revision is 'v2', but"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(language_model, questions, arguments, message):
    with pytest.raises(ValueError) as raised:
        evaluate_choices(questions, **{"checkpoint": language_model, **FAST, **arguments})
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_two_questions_of_one_id_are_refused(language_model, questions):
    with pytest.raises(ValueError, match="2 questions have the id 'q0'"):
        evaluate_choices([*questions, questions[0]], checkpoint=language_model, **FAST)


def as_process(monkeypatch, number, of=2):
    monkeypatch.setenv("RANK", str(number))
    monkeypatch.setenv("WORLD_SIZE", str(of))
    monkeypatch.setattr(
        "biomedgpt_hf.inference.long_runs.run.wait_for_all", lambda: None
    )  # here one comes after another


def test_processes_share_the_questions_and_the_first_one_puts_them_together(
    language_model, decisions, tmp_path, monkeypatch
):
    many = [decisions[0]._replace(id=f"d{n}", question=f"Does {n} help?", answer_index=n % 3) for n in range(100)]
    alone = evaluate_choices(many, checkpoint=language_model, output=tmp_path / "alone.jsonl", **FAST)
    choose, asked = Chooser.choose, {}

    def counted(self, some):
        asked.setdefault(rank(), []).extend(one.question.id for one in some)
        return choose(self, some)

    monkeypatch.setattr(Chooser, "choose", counted)
    for number in (1, 0):
        as_process(monkeypatch, number)
        found = evaluate_choices(many, checkpoint=language_model, output=tmp_path / "shared.jsonl", **FAST)
        assert bool(found.predictions) == bool(found.scores) == (number == 0)
    assert sorted(asked[0] + asked[1]) == sorted(one.id for one in many) and len(asked[1]) == 36
    for one, other in zip(alone.predictions, found.predictions, strict=True):
        assert replace(one, log_likelihoods=None) == replace(other, log_likelihoods=None)
        assert one.log_likelihoods == pytest.approx(other.log_likelihoods, abs=1e-5)
    assert found.scores["all"]["accuracy"] == alone.scores["all"]["accuracy"]
    assert found.manifest["answered"] == 100 and not list(tmp_path.glob(".*"))


def test_what_one_of_two_killed_processes_finished_is_not_asked_again(language_model, questions, tmp_path, monkeypatch):
    many = [questions[0]._replace(id=f"q{n}", question=f"Which is {n}?") for n in range(80)]
    arguments = {"checkpoint": language_model, "output": tmp_path / "a.jsonl", "batch_tokens": 500, **FAST}
    choose, asked = Chooser.choose, []
    with monkeypatch.context() as patch:
        as_process(patch, 1)
        evaluate_choices(many, **arguments)
    monkeypatch.setattr(Chooser, "choose", lambda self, some: asked.extend(some) or choose(self, some))
    found = evaluate_choices(many, **arguments)  # by one process now
    assert [one.question.id for one in asked] == [f"q{n}" for n in (*range(32), *range(64, 80))]
    assert [one.id for one in found.predictions] == [one.id for one in many]


def test_several_processes_need_an_output(language_model, questions, monkeypatch):
    as_process(monkeypatch, 0)
    with pytest.raises(ValueError, match="pass an output"):
        evaluate_choices(questions, checkpoint=language_model, **FAST)


@pytest.mark.slow
def test_torchrun_gives_what_one_process_gives(language_model, tmp_path):
    lines = [
        {"id": f"q{n}", "question": f"What is {n}?", "choices": ["one", "two", "three"], "answer_index": n % 3}
        for n in range(80)
    ]
    (tmp_path / "exam.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = ["evaluate", str(tmp_path / "exam.jsonl"), "--checkpoint", str(language_model), "--device", "cpu"]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    for name, launcher in (("one", []), ("two", [*torchrun, "--rdzv-endpoint", "localhost:0"])):
        program = [sys.executable, *launcher, "-m", "biomedgpt_hf.cli", *command]
        subprocess.run([*program, "--output", str(tmp_path / name)], check=True, capture_output=True, timeout=300)
    one, two = (read_choice_predictions(tmp_path / name / "predictions.jsonl") for name in ("one", "two"))
    assert [(a.id, a.chosen) for a in one] == [(b.id, b.chosen) for b in two]
    assert [a.log_likelihoods for a in one] == [pytest.approx(b.log_likelihoods, abs=1e-5) for b in two]
    assert (tmp_path / "two" / "metrics.json").exists()
