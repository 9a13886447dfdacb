"""Conversations as the paper and its code write them, and as a language model's own template does."""

import json

import pytest
from jinja2 import TemplateError

from biomedgpt_hf.processors.chat_templates import find_template, paper_template
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

MOLECULE = {"type": "molecule", "molecule": "CCO"}
PROTEIN = {"type": "protein", "protein": "MKT"}
MOLECULE_TEXT, PROTEIN_TEXT = "<molecule><moleculeHere></molecule>", "<protein><proteinHere></protein>"
CHEMISTRY = (
    "You are working as an excellent assistant in chemistry and molecule discovery. Below a human gives the "
    "representation of a molecule. Answer a question about it. ### "
)
BIOLOGY = (
    "You are working as an excellent assistant in biology. Below a human gives the representation of a protein. Answer "
    "a question about it. ### "
)
CHAT = (
    "You are working as an excellent assistant in chemistry and molecule discovery. Below a human expert gives the "
    "representation of a molecule or a protein. Answer questions about it. ### "
)


def user(*blocks):
    return {"role": "user", "content": [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]}


def assistant(text):
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": " Be brief. "}


def test_the_originals_prompts_come_out(llama_processor, shared):
    expected = json.loads((shared / "reference/biomedgpt_tiny_original/expected.json").read_text())
    for sample in expected["samples"]:
        kind = "molecule" if "molecule" in sample else "protein"
        question = sample["text_input"] + (" ." if "literal_period" in sample["prompt_kind"] else "")
        messages = [user({"type": kind}, question)]
        prompt = llama_processor.apply_chat_template(messages, add_generation_prompt=True)
        assert prompt == sample["rendered_prompt"]


def test_the_originals_chats_come_out(llama_processor, shared):
    expected = json.loads((shared / "reference/biomedgpt_tiny_original/expected.json").read_text())
    for chat in expected["chats"]:
        messages = [{"role": "system", "content": chat["system"]}]
        turns = iter(chat["turns"])
        for kind, value in chat["steps"]:
            if kind != "ask":
                messages.append(user({"type": kind, kind: value}))
                continue
            messages.append(user(value))
            turn = next(turns)
            assert llama_processor.apply_chat_template(messages, add_generation_prompt=True) == turn["prompt"]
            messages.append(assistant(turn["original_answer_text"]))


WRITTEN = {
    "a molecule alone brings Table 1's sentence": (
        [user(MOLECULE, "What is it?")],
        f"{CHEMISTRY}Human: {MOLECULE_TEXT} What is it? ### Assistant: ",
    ),
    "a protein alone brings the other": (
        [user(PROTEIN, "What is it?")],
        f"{BIOLOGY}Human: {PROTEIN_TEXT} What is it? ### Assistant: ",
    ),
    "both bring the chat's, and take a turn each": (
        [user(MOLECULE, PROTEIN, "Do they bind?")],
        f"{CHAT}Human: {MOLECULE_TEXT} ### Human: {PROTEIN_TEXT} Do they bind? ### Assistant: ",
    ),
    "so does text alone": ([user("What is EGFR?")], f"{CHAT}Human: What is EGFR? ### Assistant: "),
    "a string is a text": (
        [{"role": "user", "content": "What is EGFR?"}],
        f"{CHAT}Human: What is EGFR? ### Assistant: ",
    ),
    "an item may stand alone": ([user(MOLECULE)], f"{CHEMISTRY}Human: {MOLECULE_TEXT} ### Assistant: "),
    "text after an item goes on in its turn, whatever message it is in": (
        [user(MOLECULE), user("What is it?")],
        f"{CHEMISTRY}Human: {MOLECULE_TEXT} What is it? ### Assistant: ",
    ),
    "an item after text begins a turn": (
        [user("Look:", MOLECULE)],
        f"{CHEMISTRY}Human: Look: ### Human: {MOLECULE_TEXT} ### Assistant: ",
    ),
    "texts of one message are one text, those of two are two": (
        [user("One", "two."), user("Three.")],
        f"{CHAT}Human: One two. ### Human: Three. ### Assistant: ",
    ),
    "a system message is stripped": ([SYSTEM, user("Hi")], "Be brief. ### Human: Hi ### Assistant: "),
    "earlier answers are inlined, without an end token": (
        [SYSTEM, user("Hi"), assistant("Hello."), user("Bye")],
        "Be brief. ### Human: Hi ### Assistant: Hello. ### Human: Bye ### Assistant: ",
    ),
}


@pytest.mark.parametrize(("messages", "prompt"), WRITTEN.values(), ids=WRITTEN)
def test_the_paper_template_writes(messages, prompt, processor):
    assert processor.apply_chat_template(messages, add_generation_prompt=True) == prompt


def test_the_last_answer_ends_with_the_end_token(processor):
    messages = [SYSTEM, user("Hi"), assistant("Hello."), user("Bye"), assistant("Good bye.")]
    written = processor.apply_chat_template(messages)
    end = processor.tokenizer.eos_token
    assert written == f"Be brief. ### Human: Hi ### Assistant: Hello. ### Human: Bye ### Assistant: Good bye.{end}"


def test_an_answer_can_be_continued(processor):
    messages = [SYSTEM, user("Hi"), assistant("Hello, I")]
    written = processor.apply_chat_template(messages, continue_final_message=True)
    assert written == "Be brief. ### Human: Hi ### Assistant: Hello, I"


def test_a_prompt_is_the_beginning_of_its_conversation(processor):
    messages = [user(MOLECULE, "What?"), assistant("Ethanol.")]
    prompt = processor.apply_chat_template(messages[:1], add_generation_prompt=True)
    assert processor.apply_chat_template(messages).startswith(prompt)
    assert prompt.startswith(processor.apply_chat_template(messages[:1]))


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"role": "doctor", "content": "Hi"}], "message 0 has the role doctor"),
        ([user("Hi"), SYSTEM], "message 1 has the role system"),
    ],
)
def test_other_roles_are_refused_by_an_error_that_trl_catches_too(messages, complaint, processor):
    for error in (ValueError, TemplateError):
        with pytest.raises(error, match=complaint):
            processor.apply_chat_template(messages)


def test_a_language_models_template_gets_items_as_text(qwen_like):
    processor = BioMedGPTProcessor.from_parts(qwen_like, chat_template="language-model")
    messages = [user(MOLECULE, "What is it?"), assistant("Ethanol."), user("Sure?")]
    assert processor.apply_chat_template(messages, add_generation_prompt=True) == (
        f"<|im_start|>user\n{MOLECULE_TEXT} What is it?<|im_end|>\n<|im_start|>assistant\nEthanol.<|im_end|>\n"
        "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_reads_blocks_gets_blocks(processor):
    template = "{% for m in messages %}{% for b in m.content %}[{{ b.text }}]{% endfor %}{% endfor %}"
    messages = [user(MOLECULE, "What is it?"), user("One", "two")]
    written = processor.apply_chat_template(messages, chat_template=template)
    assert written == f"[{MOLECULE_TEXT} What is it?][One][two]"


def test_templates_are_found_by_name_file_and_text(qwen_like, llama_like, tmp_path):
    own = "{{ messages[0].content }}"
    (tmp_path / "own.jinja").write_text(own)
    assert find_template("paper", qwen_like) == paper_template()
    assert find_template("language-model", qwen_like) == qwen_like.chat_template
    assert find_template(tmp_path / "own.jinja", qwen_like) == own
    assert find_template(str(tmp_path / "own.jinja"), qwen_like) == own
    assert find_template(own, qwen_like) == own
    with pytest.raises(ValueError, match="There is no chat template 'papr'"):
        find_template("papr", qwen_like)
    with pytest.raises(ValueError, match="language model's tokenizer has no chat template"):
        find_template("language-model", llama_like)
