"""Text, molecules and proteins to one batch, and every wrong thing that can be handed in."""

import copy
import json
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem
from transformers import AutoTokenizer, EsmConfig, LlamaConfig, PreTrainedTokenizerBase

from biomedgpt_hf.modeling.configuration_biomedgpt import BioMedGPTConfig, GINConfig
from biomedgpt_hf.processors.molecular_graph import InvalidMoleculeError, smiles_to_graph
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor, InvalidProteinError

ONE, TWO = "See <moleculeHere> now.", "<proteinHere> and <moleculeHere>, then <proteinHere>?"


def user(*blocks):
    return {"role": "user", "content": [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]}


def molecule(smiles="CCO"):
    return {"type": "molecule", "molecule": smiles}


def protein(sequence="MKT"):
    return {"type": "protein", "protein": sequence}


def assistant(text):
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def tokens(processor, text):
    return processor.tokenizer(text, add_special_tokens=False)["input_ids"]


def start(processor):
    bos = processor.tokenizer.bos_token_id
    return [] if bos is None else [bos]


def golden(shared):
    folder = shared / "reference/biomedgpt_tiny_original"
    processor = BioMedGPTProcessor.from_parts(folder / "llm", folder / "esm")
    return processor, json.loads((folder / "expected.json").read_text())


# The original


def test_the_originals_token_layout_and_labels_come_out(shared):
    processor, expected = golden(shared)
    assert (processor.tokenizer.pad_token_id, processor.molecule_token_id, processor.protein_token_id) == (
        480,
        481,
        482,
    )
    for sample in expected["samples"]:
        if "molecule" in sample:
            items, token_id = {"molecules": [sample["molecule"]["smiles"]]}, processor.molecule_token_id
        else:
            items, token_id = {"proteins": [sample["protein"]["sequence"]]}, processor.protein_token_id
        before, after = sample["segment_ids"]
        prompt = [sample["bos_id"], *before, *[token_id] * sample["modality_len"], *after]
        answer = sample["answer_ids_with_eos"]
        batch = processor(sample["rendered_prompt"], **items, suffix=sample["text_output"])
        assert batch["input_ids"] == [prompt + answer]
        assert batch["labels"] == [[-100] * len(prompt) + answer]
        assert prompt.index(token_id) == sample["modality_start"]
        assert len(prompt) == sample["prompt_len"]


def test_the_originals_chats_become_its_segments(shared):
    processor, expected = golden(shared)
    placeholders = processor.molecule_token_id, processor.protein_token_id
    for chat in expected["chats"]:
        messages = [{"role": "system", "content": chat["system"]}]
        turns = iter(chat["turns"])
        for kind, value in chat["steps"]:
            messages.append(user(value if kind == "ask" else {"type": kind, kind: value}))
            if kind == "ask":
                turn = next(turns)
                ids = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)[0]
                assert [i for i in ids if i not in placeholders] == [i for of in turn["segment_ids"] for i in of]
                assert len(ids) == turn["context_len"]
                messages.append(assistant(turn["original_answer_text"]))


def test_a_conversation_with_its_answer_has_the_layout_of_training(shared):
    processor, expected = golden(shared)
    for sample in expected["samples"]:
        if "literal_period" in sample["prompt_kind"]:
            continue
        kind, value = ("molecule", "smiles") if "molecule" in sample else ("protein", "sequence")
        messages = [user({"type": kind, kind: sample[kind][value]}, sample["text_input"])]
        answered = [*messages, assistant(sample["text_output"])]
        items = {f"{kind}s": [sample[kind][value]]}
        by_hand = processor(sample["rendered_prompt"], **items, suffix=sample["text_output"])
        batch = processor.apply_chat_template(
            answered, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        assert batch["input_ids"] == by_hand["input_ids"]
        masked = [i for i, mine in zip(batch["input_ids"][0], batch["assistant_masks"][0], strict=True) if mine]
        assert masked == sample["answer_ids_with_eos"]
        continued = processor.apply_chat_template(answered, tokenize=True, continue_final_message=True)
        assert continued[0] == by_hand["input_ids"][0][:-1]


# Splicing


def test_a_slow_tokenizer_gives_the_ids_of_a_fast_one(llama_processor, monkeypatch):
    expected = llama_processor(ONE, "CCO", suffix="Yes.")["input_ids"]
    monkeypatch.setattr(type(llama_processor.tokenizer), "is_fast", False)
    assert llama_processor(ONE, "CCO", suffix="Yes.")["input_ids"] == expected


def test_segments_are_tokenised_apart_and_placeholders_repeated(processor):
    batch = processor(TWO, molecules=["CCO"], proteins=["MKTAY", "GG"])
    m, p = processor.molecule_token_id, processor.protein_token_id
    assert batch["input_ids"][0] == [
        *start(processor),
        *[p] * 7,
        *tokens(processor, " and "),
        *[m] * 3,
        *tokens(processor, ", then "),
        *[p] * 4,
        *tokens(processor, "?"),
    ]


@pytest.mark.parametrize(("select", "extra"), [("full", 2), ("residues", 0)])
def test_a_protein_takes_its_start_and_end_tokens_along_or_not(select, extra, tokenizer):
    processor = BioMedGPTProcessor(tokenizer, protein_feature_select=select)
    ids = processor("<proteinHere>", proteins=["MKTAY"])["input_ids"][0]
    assert ids.count(processor.protein_token_id) == 5 + extra


def test_a_batch_is_its_samples_padded(processor):
    texts = [ONE, "No item.", TWO, "<moleculeHere><moleculeHere>"]
    molecules = [["CCO"], [], ["C"], ["[Na+].[Cl-]", "c1ccccc1"]]
    proteins = [[], None, ["MKTAYIAK", "GG"], []]
    batch = processor(texts, molecules, proteins, padding=True, return_tensors="np")
    assert list(batch)[0] == "input_ids"
    for row, text in enumerate(texts):
        alone = processor(text, [molecules[row]], [proteins[row]], return_tensors="np")
        length = alone["input_ids"].shape[1]
        assert batch["attention_mask"][row].tolist() == [0] * (len(batch["input_ids"][row]) - length) + [1] * length
        assert batch["input_ids"][row, -length:].tolist() == alone["input_ids"][0].tolist()
        for name in ("atom_features", "atom_molecule", "bond_features", "bond_index"):
            mask = batch["bond_mask" if name.startswith("bond") else "atom_mask"][row].astype(bool)
            ours = batch[name][row][..., mask] if name == "bond_index" else batch[name][row][mask]
            assert ours.tolist() == alone[name][0].tolist() if name in alone else ours.size == 0
        real = batch["protein_attention_mask"][row].astype(bool)
        mine = batch["protein_input_ids"][row][real].tolist()
        if "protein_input_ids" in alone:
            assert mine == alone["protein_input_ids"][0][alone["protein_attention_mask"][0].astype(bool)].tolist()
        else:
            assert mine == []
    counts = batch["atom_mask"].sum(1), batch["protein_attention_mask"].sum((1, 2))
    for token_id, count in zip((processor.molecule_token_id, processor.protein_token_id), counts, strict=True):
        assert (batch["input_ids"] == token_id).sum(1).tolist() == count.tolist()


def test_a_modality_that_no_sample_has_leaves_no_tensor(processor):
    assert list(processor(["a", "b"])) == processor.model_input_names == ["input_ids", "attention_mask"]
    assert "atom_features" not in processor("<proteinHere>", proteins="MKT")
    every = processor(TWO, "C", ["M", "K"])
    assert list(every)[0] == "input_ids"  # the first tensor tells trainers the batch's size
    assert {"atom_features", "atom_molecule", "protein_input_ids"} < set(every)


def test_lists_arrays_and_tensors_hold_the_same(processor):
    lists = processor(ONE, "CCO")
    for kind, of in (("np", np.ndarray), ("pt", torch.Tensor)):
        batch = processor(ONE, "CCO", return_tensors=kind)
        assert all(isinstance(value, of) and str(value.dtype).endswith("int64") for value in batch.values())
        assert {name: value.tolist() for name, value in batch.items()} == dict(lists)


@pytest.mark.parametrize(
    "molecules",
    [
        "CCO",
        ["CCO"],
        [["CCO"]],
        [Chem.MolFromSmiles("CCO")],
        smiles_to_graph("CCO"),
        [smiles_to_graph("CCO")],
        ["InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"],
    ],
)
def test_molecules_come_in_many_forms(molecules, processor):
    assert len(processor(ONE, molecules)["atom_features"][0]) == 3


@pytest.mark.parametrize("molecules", [[None], [[None]], ["C", None], [["C", None]]])
def test_none_in_place_of_a_molecule_is_refused_by_its_position(molecules, processor):
    text = ONE if len(molecules) == 1 and molecules[0] != ["C", None] else f"{ONE} {ONE}"
    with pytest.raises(InvalidMoleculeError, match="None"):
        processor(text, molecules)


def test_a_message_without_content_is_refused(processor):
    with pytest.raises(ValueError, match="has no text"):
        processor.apply_chat_template([{"role": "user", "content": []}])


def test_a_flat_list_is_dealt_out_in_the_order_of_the_placeholders(processor):
    nested = processor([ONE, "none", ONE + ONE], [["C"], [], ["CC", "CCC"]])
    assert dict(processor([ONE, "none", ONE + ONE], ["C", "CC", "CCC"])) == dict(nested)


def test_items_without_text_give_their_tensors_alone(processor):
    batch = processor(molecules=["C", "CC"], proteins=[["M"], ["K", "T"]], return_tensors="np")
    assert batch["atom_mask"].sum(1).tolist() == [1, 2]
    assert batch["protein_input_ids"].shape == (2, 2, 3)
    assert "input_ids" not in batch


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from(["m", "p", "word", " ", "</s>", "é"]), max_size=6), min_size=1, max_size=4))
def test_placeholders_always_match_the_items(processor, samples):
    texts = ["Q " + "".join({"m": "<moleculeHere>", "p": "<proteinHere>"}.get(x, x) for x in of) for of in samples]
    molecules = [["CC" for x in of if x == "m"] for of in samples]
    proteins = [["MKT" for x in of if x == "p"] for of in samples]
    ids = processor(texts, molecules, proteins)["input_ids"]
    assert [of.count(processor.molecule_token_id) for of in ids] == [2 * len(of) for of in molecules]
    assert [of.count(processor.protein_token_id) for of in ids] == [5 * len(of) for of in proteins]


def test_an_earlier_call_of_the_tokenizer_leaves_nothing_behind(llama_like):
    processor = BioMedGPTProcessor.from_parts(llama_like)
    before = processor(ONE, "CCO")["input_ids"]
    processor.tokenizer("x", padding="max_length", truncation=True, max_length=50, padding_side="left")
    assert processor(ONE, "CCO")["input_ids"] == before


# Padding, labels, lengths


def test_padding_goes_left_to_generate_and_right_to_train(processor):
    pad = processor.tokenizer.pad_token_id
    texts = ["A", "A longer text"]
    assert processor(texts, padding=True)["input_ids"][0][0] == pad
    assert processor(texts, suffix=["b", "b"], padding=True)["input_ids"][0][-1] == pad
    assert processor(texts, suffix=["b", "b"], padding=True, padding_side="left")["input_ids"][0][0] == pad
    assert processor(texts, padding=True, padding_side="right")["input_ids"][0][-1] == pad


def test_labels_are_the_answer_and_its_end_token(processor):
    for side in ("left", "right"):
        batch = processor(
            [ONE, "Hi"], [["CCO"], []], suffix=["Yes.", "A longer answer"], padding=True, padding_side=side
        )
        for ids, labels, mask, answer in zip(
            batch["input_ids"], batch["labels"], batch["attention_mask"], ["Yes.", "A longer answer"], strict=True
        ):
            learned = [label for label in labels if label != -100]
            assert learned == [*tokens(processor, answer), processor.tokenizer.eos_token_id]
            kept = [i for i, real in zip(ids, mask, strict=True) if real]
            assert kept[-len(learned) :] == learned


def test_lengths_round_up_and_fill_up(processor):
    assert len(processor("Hi", padding=True, pad_to_multiple_of=64)["input_ids"][0]) == 64
    assert len(processor("Hi", padding="max_length", max_length=50)["input_ids"][0]) == 50
    with pytest.raises(ValueError, match="padding='max_length' needs max_length"):
        processor("Hi", padding="max_length")
    with pytest.raises(ValueError, match="use padding=True|Use padding=True"):
        processor(["Hi", "A longer text"], return_tensors="pt")


def test_a_text_longer_than_allowed_raises_with_both_numbers(tokenizer):
    processor = BioMedGPTProcessor.from_parts(tokenizer, max_context_length=40)
    message = (
        r"Text 1 makes [\d,]+ tokens \(0 of a molecule, 52 of a protein\), more than the limit of 40\. A text is not"
    )
    with pytest.raises(ValueError, match=message):
        processor(["short", "<proteinHere>"], proteins=[[], ["M" * 50]])
    with pytest.raises(ValueError, match="more than the limit of 20"):
        processor("<proteinHere>", proteins="M" * 25, max_length=20, truncation=True)


def test_a_protein_longer_than_allowed_is_cut_only_on_demand(tokenizer):
    processor = BioMedGPTProcessor.from_parts(tokenizer, max_protein_length=10)
    with pytest.raises(InvalidProteinError, match=r"protein 1, .* 11 tokens, more than the limit of 10") as caught:
        processor(["<proteinHere>"] * 2, proteins=[["MKT"], ["M" * 9]])
    assert caught.value.position == 1
    for asked in ({"truncation": True}, {"protein_kwargs": {"truncation": True}}):
        with pytest.warns(UserWarning, match="Protein 1 was cut: its 9 residues make 11 tokens"):
            batch = processor(["<proteinHere>"] * 2, proteins=["MKT", "M" * 9], **asked)
        assert batch["input_ids"][1].count(processor.protein_token_id) == 10
    with pytest.raises(InvalidProteinError):
        processor("<proteinHere>", proteins="M" * 9, truncation=True, protein_kwargs={"truncation": False})


# Conversations

CONVERSATION = [
    user(molecule("C"), "One?"),
    assistant("First answer."),
    user(protein("MKTAY"), molecule("CCO"), "Two?"),
    assistant("Second answer."),
]


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_assistant_mask_covers_answers_and_the_end_token_only(side, processor):
    batch = processor.apply_chat_template(
        [CONVERSATION, [user("Hi"), assistant("Yes")]],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
        processor_kwargs={"padding": True, "padding_side": side},
    )
    masks = batch["assistant_masks"].bool()
    end = processor.tokenizer.eos_token_id
    long, short = (ids[mask].tolist() for ids, mask in zip(batch["input_ids"], masks, strict=True))
    assert short == [*tokens(processor, "Yes"), end]
    last = [*tokens(processor, "Second answer."), end]
    assert long[-len(last) :] == last
    assert processor.decode(long[: -len(last)]).strip().startswith("First answer")
    assert not (masks & (batch["attention_mask"] == 0)).any()
    assert "offset_mapping" not in batch and "labels" not in batch


def test_inline_items_and_columns_give_the_same_batch(processor):
    inline = [user(molecule("C"), protein("MK"), molecule("CC"), "What?")]
    bare = [user({"type": "molecule"}, {"type": "protein"}, {"type": "molecule"}, "What?")]
    options = {"tokenize": True, "return_dict": True, "add_generation_prompt": True}
    expected = processor.apply_chat_template(inline, **options)
    columns = {"molecules": ["C", "CC"], "proteins": ["MK"]}
    assert dict(processor.apply_chat_template(bare, **columns, **options)) == dict(expected)
    assert dict(processor.apply_chat_template(bare, processor_kwargs=columns, **options)) == dict(expected)
    both = processor.apply_chat_template(
        [bare, inline], molecules=[["C", "CC"], []], proteins=[["MK"], None], **options
    )
    assert both["input_ids"] == expected["input_ids"] * 2
    assert both["atom_features"] == expected["atom_features"] * 2


def test_absent_keys_filled_in_with_none_count_as_absent(processor):
    def filled(block):
        return {"type": None, "text": None, "molecule": None, "protein": None, **block}

    plain = [user(molecule(), "What?"), assistant("Ethanol.")]
    rows = [{**message, "content": [filled(block) for block in message["content"]], "name": None} for message in plain]
    options = {"tokenize": True, "return_dict": True}
    expected = dict(processor.apply_chat_template(plain, **options))
    assert dict(processor.apply_chat_template(rows, **options)) == expected
    bare = copy.deepcopy(rows)
    bare[0]["content"][0]["molecule"] = None
    assert dict(processor.apply_chat_template(bare, molecules=["CCO"], proteins=[], **options)) == expected
    assert dict(processor.apply_chat_template(rows, molecules=[], proteins=None, **options)) == expected


def test_conversations_are_left_as_they_were(processor):
    messages = copy.deepcopy(CONVERSATION)
    processor.apply_chat_template(messages, tokenize=True, return_dict=True)
    assert messages == CONVERSATION


def test_a_language_models_own_template_gets_its_items(qwen_like):
    processor = BioMedGPTProcessor.from_parts(qwen_like, chat_template="language-model")
    batch = processor.apply_chat_template(CONVERSATION, tokenize=True, return_dict=True)
    ids = batch["input_ids"][0]
    assert ids.count(processor.molecule_token_id) == 4 and ids.count(processor.protein_token_id) == 7
    assert ids.count(processor.tokenizer.convert_tokens_to_ids("<|im_start|>")) == 4
    assert len(batch["atom_features"][0]) == 4


def test_special_tokens_in_a_message_are_text_unless_somebody_asks_for_them(processor):
    end = processor.tokenizer.eos_token
    messages = [user(molecule(), f"What is {end}?")]
    read = processor.apply_chat_template(messages, tokenize=True, sanitize_control_tokens=False)[0]
    assert read.count(processor.tokenizer.eos_token_id) == 1
    text = processor.apply_chat_template(messages, tokenize=True)[0]
    assert text == processor.apply_chat_template(messages, tokenize=True, sanitize_control_tokens=True)[0]
    assert text.count(processor.tokenizer.eos_token_id) == 0
    assert text.count(processor.molecule_token_id) == 3


def test_sanitising_keeps_the_placeholders_of_a_language_models_template(qwen_like):
    processor = BioMedGPTProcessor.from_parts(qwen_like, chat_template="language-model")
    messages = [user(molecule(), "What is <|im_end|>?")]
    ids = processor.apply_chat_template(messages, tokenize=True, sanitize_control_tokens=True)[0]
    assert ids.count(processor.molecule_token_id) == 3
    assert ids.count(processor.tokenizer.eos_token_id) == 1


def test_replacements_are_told_in_the_expanded_text(processor):
    batch = processor(TWO, "CCO", ["MK", "T"], return_text_replacement_offsets=True, return_offsets_mapping=True)
    (replacements,) = batch["text_replacement_offsets"]
    assert [r["type"] for r in replacements] == ["protein", "molecule", "protein"]
    expanded = TWO
    for replacement in replacements:
        assert TWO[slice(*replacement["span"])] == replacement["text"]
        expanded = expanded.replace(replacement["text"], "#" * len(replacement["replacement"]), 1)
    for replacement in replacements:
        assert set(expanded[slice(*replacement["new_span"])]) == {"#"}
    placeholders = processor.molecule_token_id, processor.protein_token_id
    for token_id, span in zip(batch["input_ids"][0], batch["offset_mapping"][0], strict=True):
        assert (set(expanded[slice(*span)]) == {"#"}) == (token_id in placeholders)


def test_token_types_name_the_modality(processor):
    batch = processor(TWO, "CCO", ["MK", "T"], return_mm_token_type_ids=True, return_tensors="np")
    kinds = batch["mm_token_type_ids"]
    assert ((kinds == 1) == (batch["input_ids"] == processor.molecule_token_id)).all()
    assert ((kinds == 2) == (batch["input_ids"] == processor.protein_token_id)).all()


# Bad input

BAD_CALLS = {
    "nothing": ({}, ValueError, "Nothing to process"),
    "an empty text": ({"text": ""}, ValueError, "text 0 is empty"),
    "an empty text among others": ({"text": ["Hi", " \n"]}, ValueError, "text 1 is empty"),
    "half a character": ({"text": ["Hi", "a\udcff"]}, ValueError, "text 1 has '\\udcff' at index 1, which is half a"),
    "no texts": ({"text": []}, ValueError, "text is to be a string or a list of strings, but is []"),
    "a number": ({"text": 5}, ValueError, "but is 5"),
    "a text that is None": ({"text": ["Hi", None]}, ValueError, "a list of strings, but is ['Hi', None]"),
    "more placeholders than items": (
        {"text": ["Hi", ONE + ONE], "molecules": [[], ["C"]]},
        ValueError,
        "Text 1 has 2 <moleculeHere>, but 1 molecules were given for it",
    ),
    "placeholders without items": ({"text": ONE}, ValueError, "Text 0 has 1 <moleculeHere>, but 0 molecules"),
    "items without placeholders": (
        {"text": "Hi", "proteins": ["MKT"]},
        ValueError,
        "Text 0 has 0 <proteinHere>, but 1 proteins were given",
    ),
    "items of the wrong text": (
        {"text": [ONE, "Hi"], "molecules": [[], ["C"]]},
        ValueError,
        "Text 0 has 1 <moleculeHere>, but 0 molecules",
    ),
    "a flat list of another length": (
        {"text": [ONE, ONE, ONE], "molecules": ["C", "C"]},
        ValueError,
        "The 3 texts hold 3 <moleculeHere>, but molecules has 2 items",
    ),
    "a nested list of another length": (
        {"text": [ONE, ONE], "molecules": [["C"]]},
        ValueError,
        "molecules has 1 entries, one per text, but there are 2 texts",
    ),
    "a bad molecule": (
        {"text": [ONE, ONE], "molecules": ["C", "CN(C)(C)(C)C"]},
        InvalidMoleculeError,
        "molecule 1",
    ),
    "a protein as a molecule": ({"text": ONE, "molecules": "MKTAYIAKQR"}, InvalidMoleculeError, "MKTAYIAKQR"),
    "a missing molecule": ({"text": ONE, "molecules": [[None]]}, InvalidMoleculeError, "molecule 0"),
    "a molecule as a protein": (
        {"text": "<proteinHere>", "proteins": "CC(=O)O"},
        InvalidProteinError,
        "It looks like a molecule",
    ),
    "a FASTA record": (
        {"text": "<proteinHere>", "proteins": ">sp|P1|X\nMKT"},
        InvalidProteinError,
        "FASTA header line",
    ),
    "a bad protein far into the batch": (
        {"text": [TWO, TWO], "molecules": ["C", "C"], "proteins": ["M", "K", "T", "M1"]},
        InvalidProteinError,
        "Cannot read protein 3, 'M1': '1' at index 1",
    ),
    "a placeholder in an answer": (
        {"text": "Hi", "suffix": "Like <moleculeHere>."},
        ValueError,
        "suffix 0 holds a placeholder",
    ),
    "too few answers": ({"text": ["Hi", "Ho"], "suffix": ["a"]}, ValueError, "suffix has 1 entries for 2 texts"),
    "answers without texts": ({"suffix": "a"}, ValueError, "pass text= as well"),
    "offsets of answers": (
        {"text": "Hi", "suffix": "a", "return_offsets_mapping": True},
        ValueError,
        "cannot be returned with suffix",
    ),
    "an empty answer": ({"text": "Hi", "suffix": ""}, ValueError, "suffix 0 is empty"),
    "an image": ({"text": "Hi", "images": [1]}, ValueError, "BioMedGPT reads text, molecules and proteins, but got im"),
    "another padding": ({"text": "Hi", "padding": "no"}, ValueError, "padding"),
    "an option without meaning": ({"text": "Hi", "stride": 3}, ValueError, "does not support stride"),
    "unequal numbers of samples": (
        {"molecules": ["C"], "proteins": ["M", "K"]},
        ValueError,
        "need a list per sample, but have {'molecule': 1, 'protein': 2} samples",
    ),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_call_refuses(arguments, error, message, llama_processor):
    with pytest.raises(error, match=re.escape(message)):
        llama_processor(**arguments)


BAD_CONVERSATIONS = {
    "nothing": ([], {}, "Expected a list of messages"),
    "a string": ("Hi", {}, "Expected a list of messages, or of conversations, but got 'Hi'"),
    "a message alone": (user("Hi"), {}, "Expected a list of messages"),
    "no messages": ([[]], {}, "Conversation 0 is empty"),
    "a text in place of a message": (["Hi"], {}, "Message 0 of conversation 0 is 'Hi', not a dict"),
    "no role": ([{"content": "Hi"}], {}, "Message 0 of conversation 0 is {'content': 'Hi'}"),
    "no content": ([{"role": "user"}], {}, "Message 0 of conversation 0 has no text: its content is None"),
    "a block of another type": (
        [[user("Hi")], [user("Hi"), user({"type": "image", "url": "x"})]],
        {},
        "Message 1 of conversation 1 has a block {'type': 'image', 'url': 'x'}. Blocks are",
    ),
    "a block without a type": ([user({"molecule": "C"})], {}, "has a block {'molecule': 'C'}"),
    "a text block without text": ([user({"type": "text", "text": None})], {}, "text block whose text is None"),
    "a typed placeholder": (
        [user("Tell me about <moleculeHere>.")],
        {},
        "Message 0 of conversation 0 has <moleculeHere> in its text",
    ),
    "a typed placeholder in a string": ([{"role": "user", "content": "a <proteinHere>"}], {}, "has <proteinHere>"),
    "a reserved character": ([user("a\ufdd0b")], {}, "reserved character U+FDD0"),
    "a mark": ([user("a\U000f0001b")], {}, "reserved character U+F0001"),
    "half a character": (
        [user("a\ud83d b")],
        {},
        "Message 0 of conversation 0 has a text block that has '\\ud83d' at index 1, which is half a character.",
    ),
    "an item of the assistant": (
        [user("Hi"), {"role": "assistant", "content": [molecule()]}],
        {},
        "Message 1 of conversation 0 is the assistant's and has a molecule",
    ),
    "items inline and in a column": (
        [user(molecule())],
        {"molecules": ["CC"]},
        "Conversation 0 has 1 molecule blocks with their molecule, 0 without, and 1 in molecules=",
    ),
    "items inline and bare": (
        [user(molecule(), {"type": "molecule"})],
        {},
        "1 molecule blocks with their molecule, 1 without",
    ),
    "a bare block without a column": (
        [user({"type": "protein"})],
        {},
        "Conversation 0 has 1 <proteinHere>, but 0 proteins were given",
    ),
    "a column without blocks": (
        [[user("Hi")], [user("Hi")]],
        {"proteins": [[], ["MKT"]]},
        "Conversation 1 has 0 <proteinHere>, but 1 proteins were given",
    ),
}


@pytest.mark.parametrize(("conversation", "columns", "message"), BAD_CONVERSATIONS.values(), ids=BAD_CONVERSATIONS)
def test_a_conversation_is_refused(conversation, columns, message, llama_processor):
    with pytest.raises(ValueError, match=re.escape(message)):
        llama_processor.apply_chat_template(conversation, tokenize=True, return_dict=True, **columns)


# Parts, saving, agreement with a model


def test_the_callers_tokenizer_is_left_as_it_was(tokenizer):
    length, pad, side = len(tokenizer), tokenizer.pad_token, tokenizer.padding_side
    for processor in (BioMedGPTProcessor(tokenizer), BioMedGPTProcessor.from_parts(tokenizer)):
        assert processor.molecule_token_id == length + (pad is None)
        assert processor.protein_token_id == length + (pad is None) + 1
        assert processor.tokenizer.pad_token == (pad or "[PAD]")
    assert (len(tokenizer), tokenizer.pad_token, tokenizer.padding_side) == (length, pad, side)


def test_a_tokenizer_is_copied_once_and_stays_as_it_was(llama_like, monkeypatch):
    copied = []
    monkeypatch.setattr(copy, "deepcopy", lambda one, deepcopy=copy.deepcopy: copied.append(one) or deepcopy(one))
    side, template, size = llama_like.padding_side, llama_like.chat_template, len(llama_like)
    processor = BioMedGPTProcessor.from_parts(llama_like)
    again = BioMedGPTProcessor.from_parts(processor.tokenizer)
    assert [one for one in copied if isinstance(one, PreTrainedTokenizerBase)] == [llama_like, processor.tokenizer]
    assert again.tokenizer is not processor.tokenizer and again.tokenizer.padding_side == "left"
    assert (llama_like.padding_side, llama_like.chat_template, len(llama_like)) == (side, template, size)


def test_a_processor_survives_saving_and_pickling(processor, tmp_path):
    made = BioMedGPTProcessor.from_parts(
        processor.tokenizer,
        chat_template="{{ messages[0].content }}",
        molecule_features="ogb",
        protein_feature_select="residues",
        max_protein_length=100,
        max_context_length=500,
    )
    made.save_pretrained(tmp_path)
    assert (tmp_path / "protein_tokenizer").is_dir()
    expected = dict(made(TWO, "CCO", ["MKT", "J"]))
    for again in (BioMedGPTProcessor.from_pretrained(tmp_path), pickle.loads(pickle.dumps(made))):
        assert again.to_dict() == made.to_dict()
        assert again.chat_template == made.chat_template
        assert dict(again(TWO, "CCO", ["MKT", "J"])) == expected
        assert again.tokenizer.padding_side == "left"
    changed = BioMedGPTProcessor.from_pretrained(tmp_path, max_protein_length=200)
    assert changed.max_protein_length == 200


def test_parts_are_loaded_from_folders(qwen_like, processor, tmp_path):
    qwen_like.save_pretrained(tmp_path / "lm")
    processor.protein_tokenizer.save_pretrained(tmp_path / "protein")
    made = BioMedGPTProcessor.from_parts(tmp_path / "lm", str(tmp_path / "protein"), "language-model")
    assert made.chat_template == qwen_like.chat_template
    assert made.protein_tokenizer.get_vocab() == processor.protein_tokenizer.get_vocab()
    assert len(AutoTokenizer.from_pretrained(tmp_path / "lm")) == len(qwen_like)


def test_answers_decode(processor):
    ids = processor("Hi", suffix="It is ethanol.")["input_ids"]
    assert processor.batch_decode(ids, skip_special_tokens=True)[0].replace(" ", "") == "HiItisethanol."


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"molecule_features": "ecfp"}, "molecule_features='ecfp' is unknown: choose one of graphmvp, ogb"),
        ({"protein_feature_select": "cls"}, "protein_feature_select='cls' is unknown: choose one of full, residues"),
        ({"max_protein_length": 2}, "max_protein_length=2 leaves no room"),
    ],
)
def test_settings_are_checked(settings, message, llama_like):
    with pytest.raises(ValueError, match=message):
        BioMedGPTProcessor(llama_like, **settings)


def test_a_processor_needs_a_tokenizer_and_no_foreign_protein_tokenizer(llama_like):
    with pytest.raises(ValueError, match="needs the language model's tokenizer"):
        BioMedGPTProcessor()
    large = copy.deepcopy(llama_like)
    large.add_tokens([f"word{i}" for i in range(1000)])
    with pytest.raises(ValueError, match="is no protein tokenizer: it has 1,300 tokens"):
        BioMedGPTProcessor(llama_like, large)


def config_for(processor, **changes):
    length = len(processor.tokenizer)
    settings = {
        "text_config": LlamaConfig(vocab_size=length),
        "protein_config": EsmConfig(vocab_size=33, pad_token_id=1, position_embedding_type="rotary"),
        "molecule_config": GINConfig(feature_set=processor.molecule_features),
        "molecule_token_id": processor.molecule_token_id,
        "protein_token_id": processor.protein_token_id,
    }
    return BioMedGPTConfig(**{**settings, **changes})


@pytest.mark.parametrize("features", ["graphmvp", "ogb"])
def test_a_processor_agrees_with_its_own_model(features, tokenizer):
    processor = BioMedGPTProcessor.from_parts(tokenizer, molecule_features=features, max_context_length=2048)
    processor.check_model(config_for(processor))
    larger = LlamaConfig(vocab_size=len(processor.tokenizer) + 100)
    processor.check_model(config_for(processor, text_config=larger))


def test_every_mismatch_with_a_model_is_listed(llama_like):
    processor = BioMedGPTProcessor.from_parts(llama_like, max_context_length=4096)
    config = config_for(
        processor,
        text_config=LlamaConfig(vocab_size=300, max_position_embeddings=2048),
        protein_config=EsmConfig(vocab_size=30, pad_token_id=0, max_position_embeddings=1024),
        molecule_config=GINConfig(feature_set="ogb"),
        molecule_token_id=5,
        protein_token_id=6,
        protein_feature_select="residues",
    )
    with pytest.raises(ValueError) as caught:
        processor.check_model(config)
    for line in (
        "molecule features: processor 'graphmvp', model 'ogb'",
        "atom_vocab_sizes: processor",
        "bond_vocab_sizes: processor",
        "protein_feature_select: processor 'full', model 'residues'",
        "molecule_token_id: processor 301, model 5",
        "protein_token_id: processor 302, model 6",
        "protein padding id: processor 1, model 0",
        "protein vocabulary: processor 33 ids, model 30 rows",
        "language model's vocabulary: processor 303 ids, model 300 rows",
        "max_protein_length: processor 1024, model 1023",
        "max_context_length: processor 4096, model 2048",
    ):
        assert line in str(caught.value)
