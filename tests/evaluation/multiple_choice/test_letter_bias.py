"""A model that says the same letter whatever it is asked, found out by orders."""

import torch

from biomedgpt_hf.evaluation.multiple_choice import evaluate_choices

from .conftest import make_llama, question


def test_orders_find_out_a_bias_for_a_letter(tokenizer, tmp_path):
    model = make_llama(tokenizer)
    (letter,) = tokenizer.encode(" B", add_special_tokens=False)
    with torch.no_grad():
        # Without what attention brings, the model sees the last token alone, which every prompt has: a colon.
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
        colon = tokenizer.encode(":", add_special_tokens=False)
        state = model.model(torch.tensor([colon])).last_hidden_state[0, -1]
        model.lm_head.weight[letter] = 50 * state / state.norm() ** 2
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    questions = [question(number) for number in range(24)]
    found = evaluate_choices(questions, checkpoint=tmp_path, shuffles=3, resamples=20, progress=False)
    shuffles = found.scores["shuffles"]
    assert shuffles["orders"] == 96 and shuffles["letters_chosen"]["B"] == 1
    assert shuffles["follows_letter"]["value"] == 1 and shuffles["follows_content"]["value"] == 0
    assert shuffles["accuracy_by_letter"] == {"A": 0, "B": 1, "C": 0, "D": 0}


def test_orders_see_that_a_model_reads_its_prompt(language_model):
    questions = [question(number) for number in range(24)]
    found = evaluate_choices(questions, checkpoint=language_model, shuffles=3, resamples=20, progress=False)
    assert max(found.scores["shuffles"]["letters_chosen"].values()) < 1
    assert 0 < found.scores["shuffles"]["follows_letter"]["value"] < 1
