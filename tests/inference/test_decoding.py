"""How words are chosen: greedily unless sampling is asked for, the same way for one question and for many."""

import json

import numpy as np
import pytest
import torch

import biomedgpt_hf
from biomedgpt_hf.inference.decoding import decoding, generation_arguments, seeded
from biomedgpt_hf.inference.prediction.in_memory import PredictionSettings

WARM = {"temperature": 1.5, "max_new_tokens": 12, "device": "cpu"}


@pytest.mark.parametrize("options", [{"temperature": 0.7}, {"top_p": 0.9}, {"top_k": 5}, {"top_k": 5, "top_p": 1}])
def test_an_option_of_sampling_turns_it_on(options):
    assert decoding({**options, "num_beams": 1}) == {**options, "num_beams": 1, "do_sample": True}


@pytest.mark.parametrize("options", [{}, {"temperature": None}, {"temperature": 0}, {"temperature": 0.0, "top_p": 0.5}])
def test_without_one_or_at_temperature_zero_decoding_is_greedy(options):
    assert decoding(options) == {}


def test_numbers_of_numpy_are_numbers():
    given = {
        "max_new_tokens": np.int64(4),
        "top_k": np.uint8(5),
        "temperature": np.float32(0.5),
        "top_p": np.float64(1),
    }
    plain = {"max_new_tokens": 4, "top_k": 5, "temperature": 0.5, "top_p": 1.0}
    assert json.loads(json.dumps(decoding(given))) == {**plain, "do_sample": True}
    words = {"device": "cpu", "seed": 3}
    expected = biomedgpt_hf.ask("What is it?", "CCO", **plain, **words).text
    assert biomedgpt_hf.ask("What is it?", "CCO", **given, **{**words, "seed": np.int64(3)}).text == expected
    settings = PredictionSettings(batch_tokens=np.int32(64), num_beams=np.int64(1), seed=np.int64(3), **given)
    assert json.dumps([settings.batch_tokens, settings.num_beams, settings.max_new_tokens, settings.sampling])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": -0.1}, "temperature is -0.1. It must be a number that is not negative"),
        ({"temperature": "warm"}, "temperature is 'warm'"),
        ({"temperature": True}, "temperature is True"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0}, "top_p is 0. It must be above 0 and at most 1"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"top_k": 0}, "top_k is 0. It must be a whole number, at least 1"),
        ({"top_k": 1.5}, "top_k is 1.5"),
        ({"num_beams": 0}, "num_beams is 0. It must be .*at least 1"),
        ({"num_beams": -2}, "num_beams is -2"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"max_new_tokens": float("inf")}, "max_new_tokens is inf. It must be a whole number, at least 1"),
        ({"max_new_tokens": np.float32("nan")}, "max_new_tokens is .*nan.* It must be a whole number"),
        ({"num_beams": "2"}, "num_beams is '2'. It must be a whole number"),
        ({"num_beams": True}, "num_beams is True"),
        ({"top_k": float("inf")}, "top_k is inf"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"temperature": 1, "num_beams": 3}, "num_beams is 3 and temperature is 1. Choose beams or sampling"),
    ],
)
def test_what_makes_no_sense_is_told_by_both(options, said):
    with pytest.raises(ValueError, match=said):
        biomedgpt_hf.ask("What is it?", "CCO", **options)
    with pytest.raises(ValueError, match=said):
        biomedgpt_hf.predict("What is it?", ["CCO"], **options)


def test_a_seed_gives_the_same_answer_again_and_another_one_another():
    asked = [biomedgpt_hf.ask("What is it?", "CCO", seed=seed, **WARM).text for seed in (1, 1, 2, 3)]
    assert asked[0] == asked[1] and len(set(asked)) > 1
    many = [biomedgpt_hf.predict("What is it?", ["CCO", "CCN"] * 3, seed=seed, **WARM) for seed in (1, 1, 2)]
    assert many[0] == many[1] != many[2]
    assert len({one.answer for one in many[0]}) > 1


def test_chance_goes_on_afterwards_as_if_nothing_had_been():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with seeded(1):
        torch.rand(5)
    assert torch.equal(torch.rand(3), expected)


def test_arguments_of_generate_are_known_by_name():
    assert {
        "max_new_tokens",
        "num_beams",
        "do_sample",
        "streamer",
        "logits_processor",
        "seed",
    } <= generation_arguments()
    assert "kwargs" not in generation_arguments()
