"""Molecules and proteins as text in the prompts of language models that do not see them."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from biomedgpt_hf import predict
from biomedgpt_hf.inference.language_models import load_as_text, open_as_text
from biomedgpt_hf.inference.text_prompts import TextProcessor
from biomedgpt_hf.mini import mini_checkpoint

from ..evaluation.multiple_choice.conftest import byte_tokenizer, make_llama

PAPER = (
    "You are working as an excellent assistant in chemistry and molecule discovery. Below a human gives the "
    "representation of a molecule. Answer a question about it. ### Human: <molecule>CCO</molecule> What is it? ### "
    "Assistant: "
)
CHAT = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[it]{% endif %}"
)
QUIET = {"progress": False, "device": "cpu"}


def save(folder, template=None, **options):
    tokenizer = byte_tokenizer(chat_template=template)
    make_llama(tokenizer, **options).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A language model without a chat template."""
    return save(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    """One with a chat template of its own."""
    return save(tmp_path_factory.mktemp("chatty"), CHAT)


def about(molecule="CCO", question="What is it?"):
    return [
        {"role": "user", "content": [{"type": "molecule", "molecule": molecule}, {"type": "text", "text": question}]}
    ]


def written(checkpoint, messages, **options):
    _, processor = open_as_text(checkpoint, **options)
    return processor.apply_chat_template(messages, add_generation_prompt=True)


def test_the_prompt_is_the_paper_s_with_the_smiles_in_the_place_of_the_features(plain):
    assert written(plain, about()) == PAPER
    _, processor = open_as_text(plain)
    assert (processor.facts["items"], processor.facts["chat_template"]) == ("as text", "paper")


def test_a_template_of_the_model_s_own_comes_first_and_another_can_be_named(chatty, tmp_path):
    assert written(chatty, about()) == "[user] <molecule>CCO</molecule> What is it?\n[it]"
    assert written(chatty, about(), chat_template="paper") == PAPER
    file = tmp_path / "short.jinja"
    file.write_text("{% for m in messages %}{{ m.content }}{% endfor %} =>")
    assert written(chatty, about(), chat_template=file) == "<molecule>CCO</molecule> What is it? =>"
    with pytest.raises(ValueError, match="no chat template 'absent'"):
        open_as_text(chatty, chat_template="absent")


def test_items_of_several_kinds_and_turns_stand_in_their_places(plain):
    messages = [
        *about("C"),
        {"role": "assistant", "content": "Methane."},
        {"role": "user", "content": [{"type": "protein", "protein": "MKT"}, {"type": "molecule", "molecule": "N"}]},
    ]
    prompt = written(plain, messages)
    assert prompt.index("<molecule>C<") < prompt.index("Methane.") < prompt.index("<protein>MKT<")
    assert prompt.index("<protein>MKT<") < prompt.index("<molecule>N<")


@pytest.mark.parametrize("checkpoint", ["plain", "chatty"])
def test_tokens_are_those_of_the_text_with_one_start(checkpoint, request):
    folder = request.getfixturevalue(checkpoint)
    _, processor = open_as_text(folder)
    ids = processor.apply_chat_template([about()], add_generation_prompt=True, tokenize=True)["input_ids"][0]
    assert ids == AutoTokenizer.from_pretrained(folder)(written(folder, about()))["input_ids"]
    assert ids.count(0) == 1


def test_special_tokens_in_items_and_questions_are_text(plain):
    _, processor = open_as_text(plain)
    prompt = processor.apply_chat_template([about("C</s>C", "Is <s> odd?")], tokenize=True)["input_ids"][0]
    assert prompt.count(1) == 0 and prompt.count(0) == 1
    assert "<molecule>C</s>C</molecule> Is <s> odd?" in processor.tokenizer.decode(prompt)


def test_answers_are_the_model_s_greedy_ones_in_batches_as_alone(plain):
    molecules = ["CCO", "C" * 60, "c1ccccc1", "N"]
    found = predict("What is it?", molecules=molecules, checkpoint=plain, max_new_tokens=9, **QUIET)
    model, tokenizer = (auto.from_pretrained(plain) for auto in (AutoModelForCausalLM, AutoTokenizer))
    for smiles, answer in zip(molecules, found, strict=True):
        inputs = tokenizer(PAPER.replace("CCO", smiles), return_tensors="pt").input_ids
        with torch.no_grad():
            output = model.eval().generate(inputs, do_sample=False, max_new_tokens=9, pad_token_id=1)[0]
        assert answer.answer == tokenizer.decode(output[inputs.shape[1] :], skip_special_tokens=True).strip()
        assert answer.log_probability < 0 and not answer.truncated
    assert len({answer.log_probability for answer in found}) == len(molecules)


def test_an_answer_in_the_paper_s_format_ends_where_the_model_asks_on():
    tokenizer = byte_tokenizer()
    said = "An acid. ### Human: And now? ### Assistant: Yes."
    for template, kept in (("paper", "An acid. "), (CHAT, said)):
        processor = TextProcessor(tokenizer, template, vocabulary_size=len(tokenizer))
        assert processor.decode(tokenizer.encode(said), skip_special_tokens=True) == kept


def test_a_protein_beyond_the_context_is_the_error_of_its_row_or_cut(plain):
    proteins = ["MKT", "MKTAYIAK" * 150]
    short, long = predict("What?", proteins=proteins, checkpoint=plain, max_new_tokens=8, **QUIET)
    assert short.status == "ok" and long.status == "error"
    assert "tokens long, but the model reads at most 1,024" in long.error
    cut = predict("What?", proteins=proteins, checkpoint=plain, max_new_tokens=8, long_proteins="crop", **QUIET)
    assert [one.truncated for one in cut] == [False, True] and cut[1].status == "ok"
    assert cut[0].answer == short.answer


def test_as_many_residues_as_fit_are_kept(plain):
    _, processor = open_as_text(plain, new_tokens=24)
    block = {"type": "protein", "protein": "MKTAYIAK" * 150}
    options = {"tokenize": True, "add_generation_prompt": True, "processor_kwargs": {"truncation": True}}
    messages = [{"role": "user", "content": [block, {"type": "text", "text": "What?"}]}]
    (ids,) = processor.apply_chat_template([messages], **options)["input_ids"]
    assert len(ids) == 1000
    messages[0]["content"][1]["text"] = "What? " * 200
    with pytest.raises(ValueError, match="no room for a residue"):
        processor.apply_chat_template([messages], **options)


def test_a_padding_token_that_the_embedding_lacks_is_not_used(tmp_path):
    folder = save(tmp_path)
    tokenizer = byte_tokenizer(pad_token="[PAD]")
    tokenizer.save_pretrained(folder)
    assert tokenizer.pad_token_id == len(byte_tokenizer())
    found = predict("What is it?", molecules=["CCO", "C" * 60], checkpoint=folder, max_new_tokens=4, **QUIET)
    assert [one.status for one in found] == ["ok", "ok"]


def test_a_biomedgpt_can_be_asked_in_text_too():
    seen, read = (
        predict("What is it?", molecules=["CCO"], max_new_tokens=6, items_as_text=as_text, **QUIET)[0]
        for as_text in (False, True)
    )
    assert seen.status == read.status == "ok" and seen.log_probability != read.log_probability
    assert written(mini_checkpoint(), about()) == PAPER


def test_what_does_not_go_together_is_one_line(plain):
    with pytest.raises(ValueError, match="chat_template is 'paper', but a BioMedGPT"):
        predict("What?", molecules=["C"], chat_template="paper", **QUIET)
    with pytest.raises(ValueError, match="revision is 'main', but"):
        load_as_text(plain, "cpu", revision="main")
    with pytest.raises(ValueError, match="max_new_tokens is 2,000, but .* reads 1,024 tokens in all"):
        predict("What?", molecules=["C"], checkpoint=plain, max_new_tokens=2000, **QUIET)
    with pytest.raises(ValueError, match="<moleculeHere>"):
        predict("What is <moleculeHere>?", molecules=["C"], checkpoint=plain, **QUIET)
