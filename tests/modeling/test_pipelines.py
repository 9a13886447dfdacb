"""transformers' pipelines: what carries molecules and proteins, and what says that it cannot."""

import pytest
import torch
from tiny_models import collate, make_sample
from transformers import AutoModelForMultimodalLM, AutoProcessor, TextStreamer, pipeline

import biomedgpt_hf

GREEDY = {"max_new_tokens": 12, "do_sample": False}
UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKI"


@pytest.fixture(scope="module")
def mini():
    checkpoint = biomedgpt_hf.mini_checkpoint()
    return AutoModelForMultimodalLM.from_pretrained(checkpoint), AutoProcessor.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def answering(mini):
    return pipeline("any-to-any", model=mini[0], processor=mini[1])


@pytest.fixture(scope="module")
def writing(mini):
    return pipeline("text-generation", model=mini[0], tokenizer=mini[1].tokenizer)


@pytest.fixture
def answers(mini):
    """What `generate` says to conversations, one at a time."""

    def answer(conversation: list[dict], **generation) -> str:
        model, processor = mini
        batch = processor.apply_chat_template(
            conversation, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        tokens = model.generate(**batch, **{**GREEDY, **generation})[0, batch["input_ids"].shape[1] :]
        return processor.decode(tokens, skip_special_tokens=True)

    return lambda conversations, **generation: [answer(one, **generation) for one in conversations]


def ask(molecule: str | None = None, protein: str | None = None) -> list[dict]:
    items = [{"type": "molecule", "molecule": molecule}] if molecule else []
    items += [{"type": "protein", "protein": protein}] if protein else []
    return [{"role": "user", "content": [*items, {"type": "text", "text": "Please describe it."}]}]


QUESTIONS = [ask("c1ccccc1"), ask("CCO"), ask(protein=UBIQUITIN), ask("[Na+].[Cl-]", UBIQUITIN), ask()]


def texts(outputs: list) -> list[str]:
    return [output["generated_text"] for (output,) in outputs]


def test_conversations_with_items_are_answered_as_by_generate(answering, answers):
    said = texts(answering(QUESTIONS, return_full_text=False, generate_kwargs=GREEDY))
    assert said == answers(QUESTIONS)
    assert len(set(said)) > 2


def test_beams_and_new_tokens_can_be_chosen(answering, answers):
    options = {"num_beams": 3, "max_new_tokens": 5}
    said = answering(QUESTIONS[0], return_full_text=False, generate_kwargs={**GREEDY, **options})
    assert texts([said]) == answers(QUESTIONS[:1], **options)


def test_the_full_answer_is_the_conversation_with_a_new_message(answering, answers):
    (output,) = answering(QUESTIONS[0], generate_kwargs=GREEDY)
    assert output["generated_text"] == [*QUESTIONS[0], {"role": "assistant", "content": answers(QUESTIONS[:1])[0]}]


def test_a_text_takes_its_items_beside_it(answering):
    prompt = "The molecule <moleculeHere> is"
    (one,) = answering(text=prompt, molecules=["CCO"], return_full_text=False, generate_kwargs=GREEDY)
    (other,) = answering({"text": prompt, "molecules": ["c1ccccc1"]}, return_full_text=False, generate_kwargs=GREEDY)
    assert one["generated_text"] != other["generated_text"]
    with pytest.raises(ValueError, match="0 molecules were given"):
        answering(text=prompt, generate_kwargs=GREEDY)


def test_a_streamer_goes_into_generate_kwargs(answering, mini, capsys):
    streamer = TextStreamer(mini[1].tokenizer, skip_prompt=True, skip_special_tokens=True)
    said = answering(QUESTIONS[0], return_full_text=False, generate_kwargs={**GREEDY, "streamer": streamer})
    assert capsys.readouterr().out == said[0]["generated_text"] + "\n"


# transformers pads a pipeline's batches itself, on the prompt's side, and only along one dimension.


@pytest.mark.parametrize(
    "questions",
    [
        [ask(), [{"role": "user", "content": "Why?"}]],
        [ask("C1CC1"), ask("CCCC")],  # three atoms and four, but three bonds each
        [ask("[Na+].CC"), ask("[Na+].[Cl-].CC")],  # in a graph padded on the left, bonds could slip to other atoms
        [ask(protein=UBIQUITIN), ask(protein=UBIQUITIN[::-1])],
    ],
    ids=["texts", "as many bonds", "salts", "as many residues"],
)
def test_a_batch_that_the_pipeline_can_pad_is_answered_right(answering, answers, questions):
    said = texts(answering(questions, batch_size=2, return_full_text=False, generate_kwargs=GREEDY))
    assert said == answers(questions)


def test_atoms_and_bonds_padded_on_the_left_are_the_same_graph(shared_model):
    right = collate([make_sample(1, 0, 1), make_sample(2, 0, 2)])
    left = dict(right)
    for length, names in (("atom_mask", ["atom_features", "atom_mask"]), ("bond_mask", ["bond_features", "bond_mask"])):
        padding = int((right[length][0] == 0).sum())
        assert padding
        for name in names:
            left[name] = right[name].clone()
            left[name][0] = right[name][0].roll(padding, 0)
    left["bond_index"] = right["bond_index"].clone()
    left["bond_index"][0] = right["bond_index"][0].roll(padding, 1)
    features = [shared_model.encode_modalities(2, batch)["molecule"].pooler_output for batch in (left, right)]
    for ours, expected in zip(*features, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(
    "questions",
    [[ask("CCO"), ask("c1ccccc1")], [ask(protein="MKT"), ask(protein="MKTA")], [ask("CCO"), ask(protein="MKT")]],
    ids=["other bonds", "other residues", "other modality"],
)
def test_a_batch_that_the_pipeline_cannot_pad_fails_before_the_model(answering, questions):
    with pytest.raises((RuntimeError, ValueError), match="expanded size|different keys"):
        answering(questions, batch_size=2, generate_kwargs=GREEDY)


def test_a_folder_is_enough(answers):
    answering = pipeline("any-to-any", model=str(biomedgpt_hf.mini_checkpoint()))
    assert texts(answering(QUESTIONS[:2], return_full_text=False, generate_kwargs=GREEDY)) == answers(QUESTIONS[:2])


def test_the_text_pipeline_answers_texts_and_conversations_without_items(writing, answers):
    assert writing("The molecule is", **GREEDY)[0]["generated_text"].startswith("The molecule is")
    prompt = writing.tokenizer.apply_chat_template(ask(), add_generation_prompt=True, tokenize=False)
    (output,) = writing(prompt, return_full_text=False, **GREEDY)
    assert [output["generated_text"]] == answers([ask()])
    # Of a conversation it leaves the start token to the template, and Llama's tokenizers add it themselves.
    ids = writing.tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
    written = writing.model.generate(ids, **GREEDY)[0, ids.shape[1] :]
    (output,) = writing(ask(), return_full_text=False, **GREEDY)
    assert output["generated_text"] == writing.tokenizer.decode(written, skip_special_tokens=True)
    assert len(writing(["Water is", "A much longer text about salt is"], batch_size=2, **GREEDY)) == 2


@pytest.mark.parametrize("question", ["What is <moleculeHere>?", "What is <proteinHere>?", ask("CCO")])
def test_the_text_pipeline_never_loses_an_item_without_a_word(writing, question):
    with pytest.raises(ValueError, match="came with it"):
        writing(question, **GREEDY)
