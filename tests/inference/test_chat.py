"""Asking the embedded checkpoint: one question, several, and what goes wrong."""

import math
from pathlib import Path

import pytest
import torch
from rdkit import Chem
from typer.testing import CliRunner

import biomedgpt_hf
from biomedgpt_hf.cli import app
from biomedgpt_hf.inference.chat import Answer, Chat
from biomedgpt_hf.inference.loading import load
from biomedgpt_hf.mini import DEMONSTRATION
from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.sets.table import builder as table

ASPIRIN = "CC(=O)OC1=CC=CC=C1C(=O)O"
QUESTION = "Please describe this molecule."
UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def test_a_question_about_a_molecule_is_answered_with_a_warning_that_mini_is_a_demonstration():
    answer = biomedgpt_hf.ask(QUESTION, molecules=ASPIRIN)
    assert isinstance(answer, Answer)
    assert len(answer.text.split()) > 3
    assert DEMONSTRATION in answer.warnings
    assert answer.log_probability < 0


def test_the_answer_depends_on_the_molecule():
    molecules = (ASPIRIN, "[Na+].[Cl-]", "CCCCCCCCCC(=O)O")
    assert len({biomedgpt_hf.ask(QUESTION, molecules=smiles).text for smiles in molecules}) == 3


def test_one_item_and_a_list_of_one_are_the_same():
    assert biomedgpt_hf.ask(QUESTION, molecules=ASPIRIN) == biomedgpt_hf.ask(QUESTION, molecules=[ASPIRIN])


def test_proteins_molecules_and_text_alone_can_be_asked_about():
    for items in ({"proteins": UBIQUITIN}, {"molecules": [ASPIRIN, "CCO"], "proteins": UBIQUITIN}, {}):
        assert biomedgpt_hf.ask("What is the function?", **items, max_new_tokens=8).log_probability < 0


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_log_probability_is_that_of_the_answers_tokens(num_beams):
    model, processor = load(device="cpu")
    answer = biomedgpt_hf.ask(QUESTION, molecules=ASPIRIN, device="cpu", num_beams=num_beams, max_new_tokens=400)
    assert len(answer.warnings) == 1  # it ended by itself
    content = [{"type": "molecule", "molecule": ASPIRIN}, {"type": "text", "text": QUESTION}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    batch = processor(text=[prompt], molecules=[[ASPIRIN]], return_tensors="pt")
    new = processor.tokenizer(answer.text, add_special_tokens=False)["input_ids"] + [processor.tokenizer.eos_token_id]
    length = batch["input_ids"].shape[1]
    batch["input_ids"] = torch.cat([batch["input_ids"], torch.tensor([new])], 1)
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    with torch.no_grad():
        logits = model(**batch).logits[0, length - 1 : -1].log_softmax(-1)
    expected = logits[torch.arange(len(new)), new].sum().item()
    assert math.isclose(answer.log_probability, expected, abs_tol=1e-4)


def test_an_answer_that_was_cut_says_so():
    answer = biomedgpt_hf.ask(QUESTION, molecules=ASPIRIN, max_new_tokens=3)
    assert any("cut at 3 tokens" in warning for warning in answer.warnings)


def test_a_chat_remembers_its_turns():
    chat = Chat()
    first = chat.ask(QUESTION, molecules=ASPIRIN, max_new_tokens=12)
    second = chat.ask("What is its role?", max_new_tokens=12)
    assert [message["role"] for message in chat.messages] == ["user", "assistant"] * 2
    assert chat.messages[1]["content"][0]["text"] == first.text
    alone = Chat().ask("What is its role?", max_new_tokens=12)
    assert second.log_probability != alone.log_probability


def test_a_failed_question_leaves_the_conversation_as_it_was():
    chat = Chat()
    chat.ask(QUESTION, molecules=ASPIRIN, max_new_tokens=4)
    before = list(chat.messages)
    with pytest.raises(biomedgpt_hf.InvalidMoleculeError):
        chat.ask(QUESTION, molecules="CN(C)(C)(C)C")
    assert chat.messages == before


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_model_whose_numbers_are_not_finite_gives_an_error_and_no_answer(monkeypatch, num_beams):
    chat = Chat()
    weight = chat.model.get_output_embeddings().weight
    monkeypatch.setattr(weight, "data", torch.full_like(weight, torch.nan))
    with pytest.raises(ValueError, match="numbers that are not finite.* loaded as torch.*convert the checkpoint again"):
        chat.ask(QUESTION, molecules=ASPIRIN, max_new_tokens=4, num_beams=num_beams)
    if num_beams == 1:
        with pytest.raises(ValueError, match="numbers that are not finite"):
            list(chat.stream(QUESTION, molecules=ASPIRIN, max_new_tokens=4))
    assert not chat.messages
    result = CliRunner().invoke(app, ["ask", QUESTION, "--molecule", ASPIRIN, "--num-beams", str(num_beams)])
    assert result.exit_code == 1 and "numbers that are not finite" in result.stderr and not result.stdout


def test_a_conversation_beyond_the_models_context_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match="2048|2,048"):
        biomedgpt_hf.ask("why? " * 3000, molecules=ASPIRIN)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"question": ""}, ValueError, "must be a text that is not empty"),
        ({"question": None}, ValueError, "must be a text that is not empty"),
        ({"question": "?", "molecules": ""}, biomedgpt_hf.InvalidMoleculeError, "empty"),
        ({"question": "?", "molecules": "aspirin"}, biomedgpt_hf.InvalidMoleculeError, "looks like a name"),
        ({"question": "?", "molecules": [None]}, ValueError, "None"),
        ({"question": "?", "molecules": 3}, ValueError, "int"),
        ({"question": "?", "proteins": ""}, biomedgpt_hf.InvalidProteinError, "empty"),
        ({"question": "?", "proteins": ">sp|P1|X\nMKT"}, biomedgpt_hf.InvalidProteinError, "FASTA"),
        ({"question": "?", "proteins": ASPIRIN}, biomedgpt_hf.InvalidProteinError, "Pass it as one"),
        ({"question": "?", "molecules": UBIQUITIN}, biomedgpt_hf.InvalidMoleculeError, "protein"),
        ({"question": "What is <moleculeHere>?"}, ValueError, "<moleculeHere>"),
        ({"question": "?", "checkpoint": "no-such/checkpoint"}, OSError, "no-such/checkpoint"),
        ({"question": "?", "checkpoint": "/no/such/folder"}, OSError, "/no/such/folder"),
        ({"question": "?", "checkpoint": str(Path(__file__).parent)}, OSError, "has no config.json"),
    ],
)
def test_what_cannot_be_asked_gets_one_clear_error(arguments, error, words):
    with pytest.raises(error, match=words):
        biomedgpt_hf.ask(**arguments)


# Known items beside an answer.


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    known = [("CCO", "", "It is ethanol."), ("CCN", "", "It is ethylamine."), ("", UBIQUITIN, "It is ubiquitin.")]
    lines = [f"{molecule},{protein},What is it?,{answer},train" for molecule, protein, answer in known]
    (folder / "known.csv").write_text("smiles,sequence,q,a,split\n" + "\n".join(lines))
    table.build_table(
        [folder / "known.csv"],
        folder / "set",
        molecule_columns=["smiles"],
        protein_columns=["sequence"],
        optional_items=True,
        question_column="q",
        answer_column="a",
        split_column="split",
    )
    build_index([folder / "set"], folder / "index")
    return folder / "index"


def test_an_answer_comes_with_the_nearest_known_items(index):
    items = {"molecules": ["CCO", "CCCO"], "proteins": UBIQUITIN[:60]}
    answer = biomedgpt_hf.ask("What is it?", **items, index=index, neighbours=1, max_new_tokens=4)
    assert [(one.modality, one.item, one.same) for one in answer.neighbours] == [
        ("molecule", "CCO", True),
        ("molecule", "CCO", False),
        ("protein", UBIQUITIN, False),
    ]
    assert answer.neighbours[0].texts == (("What is it?", "It is ethanol."),)
    assert biomedgpt_hf.ask("What is it?", **items, max_new_tokens=4).neighbours == ()


def test_each_turn_of_a_chat_gets_the_neighbours_of_its_own_items(index):
    chat = Chat(index=index, neighbours=2)
    assert len(chat.ask("What is it?", molecules=Chem.MolFromSmiles("OCC"), max_new_tokens=4).neighbours) == 2
    assert chat.ask("Why?", max_new_tokens=4).neighbours == ()


def test_the_command_shows_what_is_known_of_the_nearest_item(index):
    words = ["ask", "What is it?", "--molecule", "CCCO", "--index", str(index), "--neighbours", "1"]
    result = CliRunner().invoke(app, [*words, "--max-new-tokens", "4"])
    assert result.exit_code == 0, result.stderr
    answer, _, known, computed = result.stdout.split("\n\n")  # the second tells the confidence
    assert "ethanol" not in answer
    assert known.startswith("Not known itself; nearest known molecule: known.csv:1 (similarity 0.")
    assert known.endswith("unknown):\nIt is ethanol.")
    assert computed.startswith("Computed by RDKit of CCCO: formula C3H8O, weight 60.10 g/mol, charge 0;")
    assert "no embedded index" in CliRunner().invoke(app, ["ask", "?", "--neighbours", "2"]).stderr
