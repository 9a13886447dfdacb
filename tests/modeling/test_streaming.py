"""transformers' streamers: text as it is written, the same as text at once."""

from threading import Thread

import pytest
from transformers import AutoModelForMultimodalLM, AutoProcessor, TextIteratorStreamer, TextStreamer

import biomedgpt_hf

ITEMS = {
    "a molecule": [{"type": "molecule", "molecule": "CC(=O)OC1=CC=CC=C1C(=O)O"}],
    "a protein": [{"type": "protein", "protein": "MQIFVKTLTGKTITLEVEPSDTIENVKAKI"}],
    "both": [{"type": "molecule", "molecule": "CCO"}, {"type": "protein", "protein": "MQIFVKTLTG"}],
    "neither": [],
}
# Questions to which the checkpoint writes words; a streamer hands them out one by one.
QUESTION, OTHERS = "Please describe this molecule.", {"neither": "What is the function of this protein?"}
GREEDY = {"max_new_tokens": 30, "do_sample": False}


@pytest.fixture(scope="module")
def mini():
    checkpoint = biomedgpt_hf.mini_checkpoint()
    return AutoModelForMultimodalLM.from_pretrained(checkpoint), AutoProcessor.from_pretrained(checkpoint)


@pytest.fixture
def make_batch(mini):
    def make(*kinds: str):
        questions = [{"type": "text", "text": OTHERS.get(kind, QUESTION)} for kind in kinds]
        conversations = [
            [{"role": "user", "content": [*ITEMS[kind], question]}]
            for kind, question in zip(kinds, questions, strict=True)
        ]
        return mini[1].apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    return make


@pytest.mark.parametrize("kind", ITEMS)
@pytest.mark.parametrize("more", [{}, {"cache_implementation": "static"}, {"prompt_lookup_num_tokens": 3}], ids=str)
def test_streamed_text_is_the_text(mini, make_batch, kind: str, more: dict):
    model, processor = mini
    batch = make_batch(kind)
    streamer = TextIteratorStreamer(processor.tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=60)
    thread = Thread(target=model.generate, kwargs={**batch, **GREEDY, **more, "streamer": streamer})
    thread.start()
    pieces = list(streamer)
    thread.join()
    whole = model.generate(**batch, **GREEDY)[0, batch["input_ids"].shape[1] :]
    assert "".join(pieces) == processor.decode(whole, skip_special_tokens=True)
    assert len([piece for piece in pieces if piece]) > 3


def test_a_prompt_that_is_not_skipped_comes_first(mini, make_batch, capsys):
    model, processor = mini
    batch = make_batch("a molecule")
    tokens = model.generate(**batch, **GREEDY, streamer=TextStreamer(processor.tokenizer, skip_special_tokens=True))
    printed = capsys.readouterr().out
    assert printed == processor.decode(tokens[0], skip_special_tokens=True) + "\n"
    assert QUESTION in printed


def test_beams_and_batches_cannot_be_streamed(mini, make_batch):
    model, processor = mini
    streamer = TextStreamer(processor.tokenizer)
    with pytest.raises(ValueError, match="cannot be used with beam search"):
        model.generate(**make_batch("both"), **GREEDY, num_beams=2, streamer=streamer)
    with pytest.raises(ValueError, match="only supports batch size 1"):
        model.generate(**make_batch("both", "neither"), **GREEDY, streamer=streamer)
