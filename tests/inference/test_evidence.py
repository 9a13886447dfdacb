"""What is known beside the model's words: in fields of its own, out of which index, in the prompt or not."""

import json

import pytest
from rdkit import Chem
from typer.testing import CliRunner

import biomedgpt_hf
from biomedgpt_hf.cli import app
from biomedgpt_hf.inference import chat as chat_module
from biomedgpt_hf.inference import predict
from biomedgpt_hf.inference.chat import Chat
from biomedgpt_hf.inference.evidence import check_evidence
from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.processors.molecular_graph import smiles_to_graph

from ..built_set import row, write_set

ALANINE = "C[C@H](N)C(O)=O"
FILLER = " and so on" * 40
SHORT = {"max_new_tokens": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("known")
    rows = [
        row("CHEBI:1", molecules=["CCO"]),
        row("CHEBI:2", molecules=[ALANINE]),
        row("CHEBI:3", molecules=["CCCCO"]),
        row("P1", proteins=["MKVAACDEFGHIKLMN"]),
    ]
    rows[2]["messages"][1]["content"][0]["text"] = "Long" + FILLER
    (path / "names.tsv").write_text("id\tname\nCHEBI:1\tethanol\n")
    build_index([write_set(path / "set", {"train": rows})], path / "index", names=[path / "names.tsv"], compact=True)
    return path / "index"


@pytest.fixture
def embedded(folder, monkeypatch):
    monkeypatch.setenv("BIOMEDGPT_KNOWN", str(folder))
    return folder


def command(*words):
    return CliRunner().invoke(app, [*words[:1], "What is it?", *map(str, words[1:]), "--max-new-tokens", "4"])


def test_without_options_the_embedded_index_tells_what_is_known(embedded):
    answer = biomedgpt_hf.ask("What is it?", molecules="OCC", **SHORT)
    (known,) = answer.neighbours
    assert (known.id, known.name, known.identical, known.in_prompt) == ("CHEBI:1", "ethanol", True, False)
    assert "It is CHEBI:1." not in answer.text
    assert [one.formula for one in answer.computed] == ["C2H6O"]
    alone = biomedgpt_hf.ask("What is it?", molecules="OCC", evidence=False, **SHORT)
    assert alone == answer._replace(neighbours=(), computed=(), confidence=alone.confidence)


def test_what_the_model_reads_answers_the_question_and_what_stands_beside_it_is_the_nearest(tmp_path):
    rows = [
        row("near", molecules=["CCCCCCO"], question="Which class is it?"),
        row("far", molecules=["CCCO"], question="What is it?"),
    ]
    build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index")
    settings = {"molecules": "CCCCCCCO", "index": tmp_path / "index", "neighbours": 1, **SHORT}
    ids = {
        in_prompt: [one.id for one in biomedgpt_hf.ask("What is it?", in_prompt=in_prompt, **settings).neighbours]
        for in_prompt in (False, True)
    }
    assert ids == {False: ["near"], True: ["far"]}
    (prediction,) = predict("What is it?", **{**settings, "molecules": ["CCCCCCCO"]}, in_prompt=True)
    assert [(one.id, one.in_prompt) for one in prediction.neighbours] == [("far", True)]


def test_the_command_names_what_is_known_apart_from_the_answer(embedded):
    shown = command("ask", "--molecule", "OCC").stdout.split("\n\n")
    assert shown[2] == "Known: ethanol, CHEBI:1 (s, CC0-1.0):\nIt is CHEBI:1."
    assert shown[3].startswith("Computed by RDKit of OCC: formula C2H6O,")
    other = command("ask", "--molecule", "C[C@@H](N)C(O)=O").stdout
    assert "Known in another form (stereo, salt or charge differs): CHEBI:2 (s, CC0-1.0):" in other
    alone = command("ask", "--molecule", "OCC", "--no-evidence").stdout.split("\n\n")
    assert alone[0] == shown[0] and [part[:10] for part in alone[1:]] == ["Confidence"]
    protein = command("ask", "--protein", "mkvaacdefghiklmn").stdout
    assert "Known: P1 (s, CC0-1.0):" in protein and "Computed" not in protein


def test_one_answer_as_json_keeps_evidence_in_fields_of_its_own(embedded):
    told = json.loads(command("ask", "--molecule", "OCC", "--json").stdout)
    assert told["neighbours"][0]["name"] == "ethanol" and told["computed"][0]["charge"] == 0
    assert "ethanol" not in told["answer"]
    alone = json.loads(command("ask", "--molecule", "OCC", "--json", "--no-evidence").stdout)
    evidence = ("neighbours", "computed", "confidence")  # what is known makes an answer surer
    assert alone.keys() == told.keys() - {"neighbours", "computed"}
    assert all(alone[name] == value for name, value in told.items() if name not in evidence)


def test_without_an_index_nothing_is_known_and_facts_are_computed():
    answer = biomedgpt_hf.ask("What is it?", molecules="OCC", **SHORT)
    assert answer.neighbours == () and answer.computed[0].formula == "C2H6O"
    (prediction,) = predict("What is it?", molecules=["OCC"], **SHORT)
    assert prediction.neighbours is None and prediction.computed == answer.computed


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_tables_have_columns_of_evidence_unless_it_is_not_wanted(embedded, tmp_path, suffix):
    (tmp_path / "in.smi").write_text("CCO a\nC(C b\n")
    for name, options in (("with", []), ("without", ["--no-evidence"])):
        words = ["predict", str(tmp_path / "in.smi"), "--question", "What is it?", *options, "--max-new-tokens", "4"]
        result = CliRunner().invoke(app, [*words, "--output", str(tmp_path / f"{name}{suffix}")])
        assert result.exit_code == 0, result.stderr
    if suffix == ".jsonl":
        read = lambda name: [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]  # noqa: E731
    elif suffix == ".csv":
        import csv

        read = lambda name: list(csv.DictReader((tmp_path / f"{name}.csv").open()))  # noqa: E731
    else:
        import pyarrow.parquet as pq

        read = lambda name: pq.read_table(tmp_path / f"{name}.parquet").to_pylist()  # noqa: E731
    first, second = read("with")
    known = json.loads(first["neighbours"]) if suffix == ".csv" else first["neighbours"]
    assert known[0]["name"] == "ethanol" and known[0]["in_prompt"] is False and not second["neighbours"]
    assert first.keys() - read("without")[0].keys() == {"neighbours", "computed"}
    assert read("without")[0]["answer"] == first["answer"]


def test_items_that_cannot_be_compared_are_passed_over_unless_somebody_asked(embedded, folder):
    graph = smiles_to_graph("CCO", features="ogb")
    from torch import as_tensor
    from torch_geometric.data import Data

    data = Data(x=as_tensor(graph[0]), edge_index=as_tensor(graph[1]), edge_attr=as_tensor(graph[2]))
    answer = biomedgpt_hf.ask("What is it?", molecules=data, **SHORT)
    assert answer.neighbours == answer.computed == ()
    with pytest.raises(ValueError, match="cannot be compared with known ones"):
        biomedgpt_hf.ask("What is it?", molecules=data, neighbours=1, **SHORT)
    assert biomedgpt_hf.ask("What is it?", molecules=Chem.MolFromSmiles("OCC"), **SHORT).neighbours[0].same


@pytest.fixture
def prompts(monkeypatch):
    """The prompts that the model was given."""
    given = []
    generate = chat_module.generate_answers

    def note(model, processor, inputs, *arguments, **generation):
        given.append(processor.batch_decode(inputs["input_ids"])[0])
        return generate(model, processor, inputs, *arguments, **generation)

    monkeypatch.setattr(chat_module, "generate_answers", note)
    return given


def test_what_is_known_stands_in_the_prompt_if_that_is_wanted(embedded, prompts):
    for in_prompt in (True, False):
        answer = biomedgpt_hf.ask("What is it?", molecules="OCC", neighbours=2, in_prompt=in_prompt, **SHORT)
        assert ("Known molecule, the same: It is CHEBI:1." in prompts[-1]) == in_prompt
        assert {one.in_prompt for one in answer.neighbours} == {in_prompt}
    lists = predict("What is it?", molecules=["OCC", "CCCCO"], neighbours=1, in_prompt=True, **SHORT)
    alone = [
        biomedgpt_hf.ask("What is it?", molecules=one, neighbours=1, in_prompt=True, **SHORT)
        for one in ("OCC", "CCCCO")
    ]
    assert [one.answer for one in lists] == [one.text for one in alone]
    assert [one.neighbours for one in lists] == [one.neighbours for one in alone]


def test_known_items_without_room_are_left_out_and_told(embedded, prompts):
    chat = Chat(neighbours=3, in_prompt=True)
    context = chat.config.text_config.max_position_embeddings
    most = context - 130  # there is room for the short texts, but not for the long one
    turn = chat._read("What is it?", {"molecules": "CCCCCO", "max_new_tokens": most}, "ask")
    inside = {one.id: one.in_prompt for one in turn.evidence.neighbours}
    assert inside.pop("CHEBI:3") is False and not all(inside.values()) or set(inside.values()) == {True}
    assert any("known items do not stand in the prompt" in note for note in turn.notes)
    assert turn.generation["max_new_tokens"] == most


def test_a_chat_keeps_what_stood_in_its_prompts(embedded, prompts):
    chat = Chat(in_prompt=True)
    chat.ask("What is it?", molecules="CCO", **SHORT)
    chat.ask("Why?", **SHORT)
    assert prompts[1].count("Known molecule, the same") == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((False, "known", None, False), "index is known, but no evidence is wanted"),
        ((False, None, 2, False), "neighbours is 2, but no evidence is wanted"),
        ((False, None, None, True), "in_prompt is True, but no evidence is wanted"),
        ((True, "known", 0, False), "neighbours is 0, so nothing"),
        ((True, None, -1, False), "neighbours is -1"),
        ((True, None, None, True), "no embedded index of known items"),
    ],
)
def test_what_contradicts_itself_is_an_error(wanted, said):
    with pytest.raises(ValueError, match=said):
        check_evidence(*wanted)


def test_a_missing_or_damaged_index_is_one_line(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("BIOMEDGPT_KNOWN", str(tmp_path / "absent"))
    missing = command("ask", "--molecule", "CCO")
    assert missing.exit_code == 1 and missing.stderr.count("\n") == 1 and "there is no such folder" in missing.stderr
    assert command("ask", "--molecule", "CCO", "--no-evidence").exit_code == 0
    (tmp_path / "foreign").mkdir()
    foreign = command("ask", "--molecule", "CCO", "--index", tmp_path / "foreign")
    assert foreign.exit_code == 1 and "is not an index: it has no index.json" in foreign.stderr
