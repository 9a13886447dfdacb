"""Many questions about many items, in memory."""

import pandas as pd
import pytest
import torch

from biomedgpt_hf import ask
from biomedgpt_hf.inference.answering import NOT_FINITE
from biomedgpt_hf.inference.prediction import predictor as predictor_module
from biomedgpt_hf.inference.prediction.in_memory import PredictionSettings, predict
from biomedgpt_hf.inference.prediction.predictor import OUT_OF_MEMORY

MOLECULES = ["CC(=O)OC1=CC=CC=C1C(=O)O", "CCO", "[Na+].[Cl-]", "CCCCCCCCCC(=O)O", "C1=CC=CC=C1", "CCO"]
PROTEINS = ["MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG", "MKTAYIAKQRQISFVKSHFSRQ"]
QUESTIONS = ["Please describe this molecule.", "What is it?"]
SHORT = {"max_new_tokens": 12, "device": "cpu"}


def words(predictions):
    return [(one.row, one.question, one.answer, one.finish_reason) for one in predictions]


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("batch_tokens", [1, 700, 100_000])
def test_answers_are_those_of_single_questions_whatever_the_batch(batch_tokens, num_beams):
    answers = predict(QUESTIONS, molecules=MOLECULES, batch_tokens=batch_tokens, num_beams=num_beams, **SHORT)
    assert [(one.row, one.question) for one in answers] == [(r, q) for r in range(1, 7) for q in QUESTIONS]
    for one in answers:
        alone = ask(one.question, molecules=MOLECULES[one.row - 1], num_beams=num_beams, **SHORT)
        assert (one.status, one.answer) == ("ok", alone.text)
        assert one.log_probability == pytest.approx(alone.log_probability, abs=1e-4)


def test_molecules_proteins_both_and_several_share_batches():
    molecules = ["CCO", None, "CCN", ["CCO", "CCN"]]
    proteins = [None, PROTEINS[0], PROTEINS[1], PROTEINS]
    answers = predict("What is it?", molecules, proteins, ids=["a", "b", "b", "d"], **SHORT)
    assert [one.id for one in answers] == ["a", "b", "b", "d"]
    for one, of_molecules, of_proteins in zip(answers, molecules, proteins, strict=True):
        assert one.answer == ask("What is it?", of_molecules, of_proteins, **SHORT).text


def test_an_item_is_encoded_once_for_all_questions_and_all_its_rows(monkeypatch):
    encoded = []
    model = PredictionSettings(**SHORT).predictor().model
    encode = model.encode_modalities
    monkeypatch.setattr(
        model, "encode_modalities", lambda size, tensors: encoded.append(size) or encode(size, tensors), raising=False
    )
    predict(["What is it?", "Is it a salt?", "Is it soluble?"], molecules=MOLECULES, batch_tokens=150, **SHORT)
    assert sum(encoded) == len(set(MOLECULES)) < len(MOLECULES)
    assert len(encoded) > 1


def test_a_row_that_cannot_be_read_costs_no_other():
    molecules = ["CCO", "CN(C)(C)(C)C", "", "C" * 2_045, "CCN", None]
    answers = predict("What is it?", molecules, [*[None] * 4, "M1K", None], **SHORT)
    assert [one.status for one in answers] == ["ok", "error", "error", "error", "error", "ok"]
    for one, said in zip(answers[1:5], ("valence", "empty", "2,0", "'1'"), strict=True):
        assert said in one.error and "\n" not in one.error
        assert one.answer is one.log_probability is one.finish_reason is None


def test_long_proteins_are_reported_or_cropped():
    long = "MKTAYIAKQR" * 3_500
    settings = {**SHORT, "max_new_tokens": 4}
    (reported,) = predict("What is it?", proteins=[long], **settings)
    assert reported.status == "error" and "35,000 residues" in reported.error and len(reported.error) < 500
    cropped, short = predict("What is it?", proteins=[long, "MKT"], long_proteins="crop", **settings)
    assert (cropped.status, cropped.truncated, short.truncated) == ("ok", True, False)


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_prompt_near_the_models_context_gets_what_room_is_left_in_any_batch(num_beams):
    proteins = ["MKTAYIAKQR" * 95, "MKTAYIAKQR" * 3]
    question = "Tell. " * 359 + "What is the function of this protein?"
    settings = {**SHORT, "max_new_tokens": 30, "num_beams": num_beams}
    together = predict(question, proteins=proteins, batch_tokens=100_000, **settings)
    limit = PredictionSettings(**SHORT).predictor().model.config.text_config.max_position_embeddings
    assert limit == 2048
    alone = [predict(question, proteins=[one], **settings)[0] for one in proteins]
    assert [one.answer for one in together] == [one.answer for one in alone]
    assert together[0].finish_reason == "length"


def test_a_batch_that_does_not_fit_into_memory_is_halved(monkeypatch):
    generate = predictor_module.generate_answers

    def small(model, processor, inputs, limits, **generation):
        if len(limits) > 2:
            raise torch.OutOfMemoryError
        return generate(model, processor, inputs, limits, **generation)

    expected = words(predict(QUESTIONS, molecules=MOLECULES, **SHORT))
    monkeypatch.setattr(predictor_module, "generate_answers", small)
    assert words(predict(QUESTIONS, molecules=MOLECULES, **SHORT)) == expected

    def none(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(predictor_module, "generate_answers", none)
    assert {one.error for one in predict(QUESTIONS, molecules=MOLECULES, **SHORT)} == {OUT_OF_MEMORY}


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_model_whose_numbers_are_not_finite_gives_no_answer(monkeypatch, num_beams):
    weight = PredictionSettings(**SHORT).predictor().model.get_output_embeddings().weight
    monkeypatch.setattr(weight, "data", torch.full_like(weight, torch.nan))
    (one,) = predict("What is it?", molecules=["CCO"], num_beams=num_beams, **SHORT)
    assert one[:9] == (1, "", "error", NOT_FINITE, "What is it?", None, None, None, False)


def test_answers_need_no_end_token(monkeypatch):
    model = PredictionSettings(**SHORT).predictor().model
    monkeypatch.setattr(model.generation_config, "eos_token_id", None)
    assert predict("What is it?", molecules=["CCO"], **SHORT)[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"questions": []}, "no question"),
        ({"questions": " "}, "question is empty"),
        ({"questions": "What is <moleculeHere>?"}, "<moleculeHere>"),
        ({"molecules": "CCO"}, "Pass a list"),
        ({"molecules": ["CCO"], "proteins": ["M", "M"]}, "equally many entries"),
        ({"molecules": None}, "equally many entries"),
        ({"batch_tokens": 0}, "batch_tokens is 0"),
        ({"batch_tokens": float("inf")}, "batch_tokens is inf. It must be a whole number"),
        ({"long_proteins": "cut"}, "report, crop"),
        ({"dtype": "int8"}, "float32"),
        ({"neighbours": 2}, "biomedgpt data index"),
        ({"num_beams": 0}, "num_beams is 0"),
    ],
)
def test_what_cannot_be_asked_gets_one_clear_error_before_the_work(arguments, said):
    with pytest.raises(ValueError, match=said):
        predict(**{"questions": "What is it?", "molecules": ["CCO"], **arguments})


def test_an_empty_cell_of_a_series_is_no_item_and_a_row_of_them_is_told():
    frame = pd.DataFrame({"smiles": ["CCO", "nan", None], "sequence": ["NA", "MKTAYIAK", float("nan")]})
    answers = predict("What is it?", frame["smiles"], frame["sequence"], **SHORT)
    expected = predict("What is it?", ["CCO", None], [None, "MKTAYIAK"], **SHORT)
    assert [one.log_probability for one in answers[:2]] == pytest.approx([one.log_probability for one in expected])
    assert answers[2].status == "error" and "no molecule or protein" in answers[2].error
    assert predict("What is it?", frame, frame, **SHORT) == answers
