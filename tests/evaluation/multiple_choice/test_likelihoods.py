"""What is computed once for several choices equals what each gives alone, and lm-evaluation-harness's numbers."""

import json
from types import SimpleNamespace

import pytest
import torch
import transformers as t

from biomedgpt_hf.evaluation.multiple_choice import evaluate_choices, read_choice_questions
from biomedgpt_hf.evaluation.multiple_choice.encoding import Encoder, TooLongError
from biomedgpt_hf.evaluation.multiple_choice.language_models import Answerer, load_answerer
from biomedgpt_hf.evaluation.multiple_choice.likelihoods import Continued, LikelihoodScorer
from biomedgpt_hf.mini import mini_checkpoint

from .conftest import byte_tokenizer, make_llama, rescale

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2}
COMMON = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, **SIZES}
MODELS = {
    "llama": t.LlamaConfig(**COMMON, num_key_value_heads=1),
    "sliding windows": t.MistralConfig(**COMMON, num_key_value_heads=1, sliding_window=24),
    "windows in some layers": t.Gemma3TextConfig(
        **COMMON,
        head_dim=16,
        num_key_value_heads=1,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "learned positions": t.GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=2, n_positions=256),
    "biases by the mask": t.BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=2),
    "biases by the place": t.MptConfig(vocab_size=97, d_model=32, n_layers=2, n_heads=2),
    "a recurrent state": t.MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4),
}


def contexts(common):
    """Contexts of many lengths with continuations of one token and of several; some begin alike."""
    generator = torch.Generator().manual_seed(1)

    def ids(number):
        return torch.randint(5, 97, (number,), generator=generator).tolist()

    start = ids(20)
    own = [[*(start if number % common else []), *ids(3 + 3 * number)] for number in range(1, 8)]
    return [Continued(context, [ids(1), ids(1 + len(context) % 3), ids(4)]) for context in own]


def by_place(scorer, rows):
    return [found for _, found in sorted(pair for batch in scorer.score(rows) for pair in batch)]


@pytest.mark.parametrize("common", [3, 100], ids=["some begin alike", "all begin alike"])
@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS)
def test_shared_contexts_give_what_each_choice_gives_alone(config, common):
    torch.manual_seed(0)
    model = rescale(t.AutoModelForCausalLM.from_config(config))
    answerer = Answerer(model, SimpleNamespace(pad_token_id=3, eos_token_id=2))
    rows = contexts(common)
    together = by_place(LikelihoodScorer(answerer, batch_tokens=2000), rows)
    alone = by_place(LikelihoodScorer(answerer, batch_tokens=1, share=False), rows)
    values = [one.log_likelihood for row in alone for one in row]
    assert max(values) - min(values) > 5
    for one, other in zip(together, alone, strict=True):
        for mine, expected in zip(one, other, strict=True):
            assert mine.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-5)
            assert mine.is_greedy == expected.is_greedy


def test_a_context_is_read_once_for_all_choices_and_a_common_beginning_once_for_all(tokenizer, monkeypatch):
    model = make_llama(tokenizer)
    read = []
    forward = model.forward
    monkeypatch.setattr(
        model, "forward", lambda **inputs: read.append(inputs["input_ids"].numel()) or forward(**inputs)
    )
    scorer = LikelihoodScorer.__new__(LikelihoodScorer)
    scorer.__init__(Answerer(model, tokenizer))
    scorer._keeps_logits = scorer._takes_positions = True  # the replaced forward has no signature
    rows = [Continued([*range(10, 110), number], [[5], [6], [7], [8]]) for number in range(4)]
    by_place(scorer, rows)
    assert read == [100, 4]


def test_log_likelihoods_are_those_of_the_reference_evaluator(shared):
    folder = shared / "reference/metrics/lm_eval_pubmedqa"
    golden = json.loads((folder / "golden.json").read_text("utf-8"))["rows"]
    asked = {one.id: one for one in read_choice_questions(shared / "data/qa/pubmedqa/ori_pqal.json")}
    asked = [asked[f"PMID:{row['pmid']}"] for row in golden]
    found = evaluate_choices(asked, checkpoint=folder / "tiny_llama", resamples=10, progress=False)
    for prediction, row in zip(found.predictions, golden, strict=True):
        assert prediction.log_likelihoods == pytest.approx(row["loglik"], abs=1e-5)
        assert (prediction.chosen == prediction.answer_index) == bool(row["acc"])
    assert found.scores["all"]["accuracy"]["value"] == sum(row["acc"] for row in golden) / len(golden)


def reference(model, tokenizer, context, continuation, limit):
    """lm-evaluation-harness's rule, written out: encode together, cut by the context's length, truncate on the left."""
    spaces = len(context) - len(context.rstrip())
    if spaces:
        continuation, context = context[-spaces:] + continuation, context[:-spaces]
    start = tokenizer.encode(context)
    rest = tokenizer.encode(context + continuation)[len(start) :]
    ids = torch.tensor([(start + rest)[-(limit + 1) :]])
    with torch.no_grad():
        logits = model(ids[:, :-1]).logits[0, -len(rest) :].log_softmax(-1)
    return float(logits.gather(1, torch.tensor(rest)[:, None]).sum())


@pytest.mark.parametrize("limit", [1024, 40, 12])
@pytest.mark.parametrize("context", ["Question: x?\nAnswer:", "Is it? ", "Why\n\n", "<s>Begun already:", "Word C"])
def test_texts_are_encoded_cut_and_truncated_as_the_reference_does(tokenizer, context, limit):
    model = make_llama(tokenizer, max_position_embeddings=limit)
    encoder, scorer = Encoder(Answerer(model, tokenizer)), LikelihoodScorer(Answerer(model, tokenizer))
    continuations = [" A", " yes", "ab", " none of them"]
    context = "All that was said before. " * 3 + context if not context.startswith("<s>") else context
    pairs = encoder.pairs(context, continuations)
    if limit < max(map(len, pairs.continuations)):
        with pytest.raises(TooLongError, match=f"but the model reads at most {limit}"):
            encoder.fit(pairs)
        return
    rows, truncated = encoder.fit(pairs)
    found = [one.log_likelihood for row in by_place(scorer, rows) for one in row]
    special = (
        tokenizer
        if not context.startswith("<s>")
        else SimpleNamespace(encode=lambda text: tokenizer.encode(text, add_special_tokens=False))
    )
    expected = [reference(model, special, context, one, limit) for one in continuations]
    assert found == pytest.approx(expected, abs=1e-5, rel=1e-6)
    assert truncated == (len(rows) > 1)


def test_a_row_that_does_not_fit_into_memory_is_told_and_the_others_are_scored(tokenizer, monkeypatch):
    scorer = LikelihoodScorer(Answerer(make_llama(tokenizer), tokenizer))
    rows = [Continued([5] * size, [[6], [7, 8]]) for size in (3, 4, 50, 5)]
    score = scorer._score

    def full(rows):
        if any(len(row.context) == 50 for row in rows):
            raise torch.OutOfMemoryError
        return score(rows)

    monkeypatch.setattr(scorer, "_score", full)
    found = by_place(scorer, rows)
    assert found[2] is None and all(found[place] for place in (0, 1, 3))


def test_items_are_seen_and_batches_change_nothing():
    answerer = load_answerer(mini_checkpoint(), "cpu", "float32")
    encoder = Encoder(answerer)
    texts = [f"<molecule>{smiles}</molecule>\nIs it an acid?\nAnswer:" for smiles in ("CC(=O)O", "c1ccccc1CC", "CCN")]
    texts += ["<protein>MKTAYIAKQR</protein>\nIs it?\nAnswer:", "Is it?\nAnswer:"]
    rows = [encoder.pairs(text, [" yes", " no", " it may be"]) for text in texts]
    assert [sorted(row.items) for row in rows] == [["molecule"]] * 3 + [["protein"], []]
    together = by_place(LikelihoodScorer(answerer), rows)
    alone = by_place(LikelihoodScorer(answerer, batch_tokens=1, share=False), rows)
    for one, other in zip(together, alone, strict=True):
        assert [x.log_likelihood for x in one] == pytest.approx([x.log_likelihood for x in other], abs=1e-5)
    assert abs(together[0][0].log_likelihood - together[1][0].log_likelihood) > 1e-3


def test_the_labels_of_a_conversation_are_tokenised_as_in_training(tokenizer):
    answerer = load_answerer(mini_checkpoint(), "cpu", "float32")
    molecule, text = {"type": "molecule", "molecule": "CCO"}, {"type": "text", "text": "Which?\nA. x\nB. y\nAnswer:"}
    messages = [{"role": "user", "content": [molecule, text]}]
    row = Encoder(answerer).conversation_pairs(messages, ["A", "B"])
    answered = [*messages, {"role": "assistant", "content": [{"type": "text", "text": "B"}]}]
    trained = answerer.processor.apply_chat_template([answered], tokenize=True, return_dict=True)["input_ids"][0]
    assert [*row.context, *row.continuations[1]] == list(trained)[:-1]  # the end token


def test_a_language_model_without_a_chat_template_says_so(language_model, questions):
    with pytest.raises(ValueError, match=r"no chat template: ask without one \(chat_template=False\)"):
        evaluate_choices(questions, checkpoint=language_model, chat_template=True, progress=False)


def test_a_chat_template_of_a_language_model_is_used(tokenizer, tmp_path, questions):
    own = byte_tokenizer(
        chat_template="{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    make_llama(tokenizer).save_pretrained(tmp_path)
    own.save_pretrained(tmp_path)
    framed = evaluate_choices(questions, checkpoint=tmp_path, chat_template=True, resamples=10, progress=False)
    plain = evaluate_choices(questions, checkpoint=tmp_path, resamples=10, progress=False)
    assert framed.predictions[0].log_likelihoods != pytest.approx(plain.predictions[0].log_likelihoods, abs=1e-3)
