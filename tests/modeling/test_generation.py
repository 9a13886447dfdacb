"""Generation: every way of decoding keeps each sample with its own items, and encodes each once."""

import pytest
import torch
from tiny_models import GREEDY, MOLECULE, PROTEIN, Sample, collate, make_sample, new_tokens
from transformers import DynamicCache, StaticCache

WAYS = {
    "greedy": {},
    "beams": {"num_beams": 3},
    "static cache": {"cache_implementation": "static"},
    "no cache": {"use_cache": False},
    "no cache, beams": {"use_cache": False, "num_beams": 3},
    "chunks of 1": {"prefill_chunk_size": 1},
    "chunks of 4": {"prefill_chunk_size": 4},
    "chunks of 7, beams": {"prefill_chunk_size": 7, "num_beams": 3},
    "repetition penalty": {"repetition_penalty": 1.5},
}


def by_hand(model, batch: dict, steps: int = GREEDY["max_new_tokens"]) -> list[list[int]]:
    """Greedy decoding by whole forward passes."""
    batch = dict(batch)
    for _ in range(steps):
        with torch.no_grad():
            token = model(**batch).logits[:, -1:].argmax(-1)
        batch["input_ids"] = torch.cat([batch["input_ids"], token], 1)
        batch["attention_mask"] = torch.cat([batch["attention_mask"], torch.ones_like(token)], 1)
    return batch["input_ids"][:, -steps:].tolist()


@pytest.fixture(scope="module")
def expected(shared_model, samples) -> list[list[int]]:
    """Greedy answers; they differ with the items, else comparing them would prove nothing."""
    answers = by_hand(shared_model, collate(samples))
    others = [make_sample(2, 0, 1, 9), make_sample(0, 1, 2, 9), make_sample(0, 0, 3, 9), make_sample(1, 2, 4, 9)]
    others = by_hand(shared_model, collate(others))
    assert [answer == other for answer, other in zip(answers, others, strict=True)] == [False, False, True, False]
    return answers


@pytest.mark.parametrize("way", ["greedy", "static cache", "no cache", "chunks of 1", "chunks of 4"])
def test_greedy_answers_are_the_same_however_computed(shared_model, batch, expected, way: str):
    assert new_tokens(shared_model, batch, **WAYS[way]) == expected


@pytest.mark.parametrize("way", WAYS)
def test_each_sample_keeps_its_own_items(shared_model, samples, way: str):
    """A batch with unequal atoms, unequal numbers of proteins and left padding gives what single samples give."""
    together = new_tokens(shared_model, collate(samples), **WAYS[way])
    assert together == [new_tokens(shared_model, collate([sample]), **WAYS[way])[0] for sample in samples]


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunked_prefill_with_beams_equals_whole_prefill(shared_model, batch, chunk: int):
    whole = new_tokens(shared_model, batch, num_beams=3, num_return_sequences=2)
    assert new_tokens(shared_model, batch, num_beams=3, num_return_sequences=2, prefill_chunk_size=chunk) == whole


def test_returned_sequences_stay_with_their_sample(shared_model, batch, samples):
    together = new_tokens(shared_model, batch, num_beams=4, num_return_sequences=3)
    alone = [new_tokens(shared_model, collate([s]), num_beams=4, num_return_sequences=3) for s in samples]
    assert together == [answer for answers in alone for answer in answers]


def test_samples_are_drawn_from_each_samples_own_distribution(shared_model, batch):
    with torch.no_grad():
        probabilities = shared_model(**batch).logits[:, -1].softmax(-1)
    torch.manual_seed(0)
    draws = shared_model.generate(
        **batch, do_sample=True, top_k=0, max_new_tokens=1, num_return_sequences=400, pad_token_id=0
    )
    draws = draws[:, -1].view(4, 400)
    seen = torch.stack([row.bincount(minlength=98) for row in draws]) / 400
    distances = (seen[:, None] - probabilities[None]).abs().sum(-1)
    assert (distances.argmin(1) == torch.arange(4)).all()
    assert not torch.isin(draws, torch.tensor([MOLECULE, PROTEIN])).any()


@pytest.mark.parametrize("way", ["greedy", "beams", "static cache", "chunks of 4", "no cache"])
def test_encoders_run_once_at_prefill_and_never_again(shared_model, batch, count_encoder_calls, way: str):
    with count_encoder_calls(shared_model) as calls:
        new_tokens(shared_model, batch, **WAYS[way])
    assert calls == {"molecule": [10], "protein": [3]}  # all atoms and proteins, whatever the beams and steps


def test_text_makes_no_encoder_call(shared_model, count_encoder_calls):
    batch = collate([make_sample(0, 0, 1), make_sample(0, 0, 2)])
    with count_encoder_calls(shared_model) as calls:
        new_tokens(shared_model, batch)
    assert calls == {"molecule": [], "protein": []}


def test_raw_tensors_do_not_travel_into_the_steps(shared_model, batch):
    steps = []
    hook = shared_model.register_forward_pre_hook(lambda module, args, kwargs: steps.append(kwargs), with_kwargs=True)
    new_tokens(shared_model, batch)
    hook.remove()
    raw = set(batch) - {"input_ids", "attention_mask"}
    assert not any(raw & step.keys() for step in steps)
    assert ["mm_encoder_outputs" in step for step in steps] == [True] + [False] * 5
    assert all(step["logits_to_keep"] == 1 for step in steps)


# Prompts as embeddings.


@pytest.mark.parametrize("beams", [1, 3])
def test_a_prompt_may_come_as_embeddings(shared_model, batch, beams: int):
    answers = new_tokens(shared_model, batch, num_beams=beams)
    batch["inputs_embeds"] = shared_model.get_input_embeddings()(batch.pop("input_ids"))
    assert new_tokens(shared_model, batch, num_beams=beams) == answers


def test_a_prompt_may_come_with_its_features_already_in_it(shared_model, batch, expected):
    embeds = shared_model.get_input_embeddings()(batch.pop("input_ids"))
    mask = batch.pop("attention_mask")
    with torch.no_grad():
        ids = None
        merged = shared_model.model.merge_features(embeds, ids, shared_model.encode_modalities(4, batch))
    assert new_tokens(shared_model, {"inputs_embeds": merged, "attention_mask": mask}) == expected


# Several turns.


@pytest.fixture
def two_turns() -> tuple[dict, dict, dict]:
    """A first turn with a molecule; the ids and items of a second with a molecule and a protein; the items of both."""
    first, second = make_sample(1, 0, 4), make_sample(1, 1, 2)
    both = Sample(first.input_ids, [*first.molecules, *second.molecules], second.proteins)
    return collate([first]), collate([second]), items_of(collate([both]))


def items_of(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in batch.items() if name not in ("input_ids", "attention_mask")}


@pytest.mark.parametrize("arguments", [{}, {"prefill_chunk_size": 3}, {"num_beams": 3}])
@pytest.mark.parametrize("items", ["of the new turn", "of all turns"])
def test_a_second_turn_on_a_kept_cache(shared_model, two_turns, items: str, arguments: dict):
    first, second, everything = two_turns
    turn = shared_model.generate(**first, **GREEDY, return_dict_in_generate=True)
    ids = torch.cat([turn.sequences, second["input_ids"]], 1)
    answer = new_tokens(shared_model, {"input_ids": ids, **everything}, **arguments)
    cache = turn.past_key_values
    if "num_beams" in arguments:
        cache.batch_repeat_interleave(3)
    given = everything if items == "of all turns" else items_of(second)
    kept = {"input_ids": ids, "past_key_values": cache, **given}
    assert new_tokens(shared_model, kept, **arguments) == answer


def test_a_second_turn_may_come_without_the_first_ones_ids(shared_model, two_turns):
    first, second, everything = two_turns
    turn = shared_model.generate(**first, **GREEDY, return_dict_in_generate=True)
    ids = torch.cat([turn.sequences, second["input_ids"]], 1)
    answer = new_tokens(shared_model, {"input_ids": ids, **everything})
    cache = turn.past_key_values
    new = {
        "attention_mask": torch.ones_like(ids),
        "past_key_values": cache,
        "input_ids": ids[:, cache.get_seq_length() :],
    }
    assert new_tokens(shared_model, {**second, **new}) == answer


def test_a_second_turn_in_text_on_a_kept_cache(shared_model, two_turns):
    first, _, _ = two_turns
    turn = shared_model.generate(**first, **GREEDY, return_dict_in_generate=True)
    ids = torch.cat([turn.sequences, torch.tensor([[7, 9]])], 1)
    answer = new_tokens(shared_model, {"input_ids": ids, **items_of(first)})
    assert new_tokens(shared_model, {"input_ids": ids, "past_key_values": turn.past_key_values}) == answer


@pytest.mark.parametrize("arguments", [{}, {"prefill_chunk_size": 3}])
def test_a_second_turns_items_are_not_lost_on_a_kept_cache(shared_model, two_turns, arguments: dict):
    first, second, _ = two_turns
    turn = shared_model.generate(**first, **GREEDY, return_dict_in_generate=True)
    ids = torch.cat([turn.sequences, second["input_ids"]], 1)
    with pytest.raises(ValueError, match="no (molecule|protein) came with it"):
        shared_model.generate(ids, past_key_values=turn.past_key_values, **GREEDY, **arguments)


def test_a_cache_made_before_is_used(shared_model, batch, expected):
    assert new_tokens(shared_model, batch, past_key_values=DynamicCache(config=shared_model.config)) == expected
    static = StaticCache(config=shared_model.config, max_cache_len=64)
    assert new_tokens(shared_model, batch, past_key_values=static) == expected


# With an assistant.


def test_an_assistant_of_the_first_layers_is_refused(shared_model, batch):
    with pytest.raises(ValueError, match="assistant_early_exit=1 is not possible here.* pass assistant_model"):
        new_tokens(shared_model, {name: tensor[:1] for name, tensor in batch.items()}, assistant_early_exit=1)


@pytest.mark.parametrize("row", [0, 1, 3])
def test_assisted_decoding_knows_the_items(shared_model, samples, expected, row: int):
    batch = collate([samples[row]])
    assert new_tokens(shared_model, batch, assistant_model=shared_model) == [expected[row]]
    assert new_tokens(shared_model, batch, prompt_lookup_num_tokens=3) == [expected[row]]


def test_prompt_lookup_never_proposes_a_placeholder(shared_model):
    """The prompt ends as its text before the molecule does, so that lookup finds the placeholders as what follows."""
    sample = make_sample(1, 0, 4)
    start = sample.input_ids.index(MOLECULE)
    sample.input_ids += sample.input_ids[start - 2 : start]
    batch = collate([sample])
    assert new_tokens(shared_model, batch, prompt_lookup_num_tokens=3) == new_tokens(shared_model, batch)


# Nothing is lost without a word.


@pytest.mark.parametrize("way", ["greedy", "beams", "chunks of 4", "no cache"])
def test_ids_alone_are_refused(shared_model, batch, way: str):
    text = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with pytest.raises(ValueError, match="no molecule came with it"):
        new_tokens(shared_model, text, **WAYS[way])


@pytest.mark.parametrize("way", ["greedy", "beams", "chunks of 4", "no cache"])
@pytest.mark.parametrize("mistake", ["no placeholders", "other sample's"])
def test_items_that_do_not_fit_are_refused(shared_model, batch, way: str, mistake: str):
    ids = batch["input_ids"]
    batch["input_ids"] = ids.flip(0) if mistake == "other sample's" else ids.masked_fill(ids >= MOLECULE, 5)
    with pytest.raises(ValueError, match="do not match, sample by sample"):
        new_tokens(shared_model, batch, **WAYS[way])


def test_raw_tensors_and_encoded_features_together_are_refused(shared_model, batch):
    outputs = shared_model.encode_modalities(4, batch)
    with pytest.raises(ValueError, match="not both"):
        new_tokens(shared_model, batch, mm_encoder_outputs=outputs)


def test_encoded_features_can_be_reused(shared_model, batch, expected):
    text = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        outputs = shared_model.encode_modalities(4, batch)
    for _ in range(2):
        assert new_tokens(shared_model, text, mm_encoder_outputs=outputs) == expected
