"""The scripts that make and measure the embedded checkpoint run from raw files to figures."""

import gzip
import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from datasets import load_dataset
from safetensors.torch import load_file
from transformers import AutoProcessor, LlamaConfig, LlamaForCausalLM

import biomedgpt_hf
from biomedgpt_hf import BioMedGPTDataCollator, mini_checkpoint
from biomedgpt_hf.neighbours import Neighbour, NeighbourIndex, Text
from biomedgpt_hf.neighbours.folder import ITEMS, ItemFile
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.similarity.structure_key import structure_key

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMILES = ["C" * n + end for n in range(2, 12) for end in ("O", "N", "(=O)O")]
FLAT_FILE = """\
ID   TEST{i}_HUMAN              Reviewed;          {length} AA.
AC   Q0000{i};
DE   RecName: Full=Test protein {i};
OS   Homo sapiens (Human).
CC   -!- FUNCTION: Does thing number {i} in the cell.
CC   -!- SUBCELLULAR LOCATION: Cytoplasm.
SQ   SEQUENCE   {length} AA;  1000 MW;  0000000000000000 CRC64;
     {sequence}
//
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Raw files in the original formats, small and made up."""
    folder = tmp_path / "raw"
    captions, ontology = folder / "captions" / "chebi20", folder / "captions" / "chebi_ontology"
    flat, small = folder / "proteins" / "uniprot_flat", folder / "proteins" / "small_files"
    names = folder / "captions" / "pubchem_iupac"
    for path in (captions, ontology, names, flat, small / "uniprot_core"):
        path.mkdir(parents=True)
    rows = [f"{i}\t{smiles}\tThe molecule is number {i} of a series." for i, smiles in enumerate(SMILES)]
    for name, lines in (("validation", rows[:-2]), ("test", rows[-2:])):
        (captions / f"{name}.txt").write_text("\n".join(["CID\tSMILES\tdescription", *lines]) + "\n")
    names_of = "".join(f"{i}\t{smiles}\tname-{i}\n" for i, smiles in enumerate(SMILES))
    (names / "train.txt").write_text(f"cid\tSMILES\tdescription\n{names_of}")
    structures = "".join(f"{i}\t{smiles}\n" for i, smiles in enumerate(SMILES))
    table = gzip.compress(f"CID\tSMILES\n{structures}".encode())
    (folder / "captions" / "chebi20_all_cid_smiles.tsv.gz").write_bytes(table)
    (ontology / "module.obo").write_text(
        "format-version: 1.2\n\n[Term]\nid: CHEBI:1\nname: benzene\n"
        'def: "A six-membered aromatic ring." []\n'
        'property_value: http://purl.obolibrary.org/obo/chebi/smiles "c1ccccc1" xsd:string\n'
    )
    entries = []
    for i in range(6):
        sequence = "".join("ACDEFGHIKLMNPQRSTVWY"[(i * 7 + k * (i + 3)) % 20] for k in range(30))
        groups = " ".join(sequence[k : k + 10] for k in range(0, 30, 10))
        entries.append(FLAT_FILE.format(i=i, sequence=groups, length=len(sequence)))
    (flat / "swissprot_some.dat").write_text("".join(entries[:3]))
    for i, path in enumerate((small / "one.txt", small / "two.dat", small / "uniprot_core" / "three.dat"), 3):
        path.write_text(entries[i])
    return folder


def run(name: str, arguments: list, monkeypatch: pytest.MonkeyPatch, **constants: int) -> None:
    """Runs a script's `main` as the command line would, with some constants made small."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for constant, value in constants.items():
        assert hasattr(module, constant)
        monkeypatch.setattr(module, constant, value)
    module.main()


def train(data: Path, work: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Path:
    """Trains two steps of a small model and returns its folder."""
    options = [
        "--steps",
        "2",
        "--evaluate-every",
        "1",
        "--tokens",
        "400",
        "--batches-of-a-step",
        "1",
        "--repetitions",
        "2",
    ]
    arguments = [data, "--work", work, "--output", work / "made", *options, *more]
    run("train_mini.py", arguments, monkeypatch, QUESTIONS=2)
    return work / "made"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the vocabulary and the answers of the scripts small."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(importlib.import_module("mini.model"), "VOCAB_SIZE", 400)
    monkeypatch.setattr(importlib.import_module("mini.trainer"), "ANSWER_TOKENS", 4)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_raw_files_become_sets_and_a_checkpoint_and_a_run_that_was_cut_off_goes_on(raw, tmp_path, monkeypatch, capsys):
    table = "chebi_id\tname\tdefinition\tstructure\nCHEBI:7\thexanal\tAn aldehyde.\tCCCCCC=O\n"
    (raw / "captions" / "chebi_ontology" / "merged_chebi_terms.tsv.gz").write_bytes(gzip.compress(table.encode()))
    data = tmp_path / "data"
    run("mini_data.py", [raw, data], monkeypatch)
    assert "Passed over" in capsys.readouterr().out  # most kinds of files are not there
    index = NeighbourIndex.open(data / "known")
    (aldehyde,), tested = index.molecules(["O=CCCCCC", SMILES[-1]], 1)
    assert (aldehyde.name, aldehyde.id, aldehyde.identical) == ("hexanal", "CHEBI:7", True)
    assert not tested or not tested[0].same
    assert index.proteins([index_sequence(index)], 1)[0][0].same
    held_out, learnt = (keys_of(data, split) for split in (["validation"], ["train", "test"]))
    assert held_out and learnt and held_out.isdisjoint(learnt)
    assert {structure_key(smiles) for smiles in SMILES[-2:]}.isdisjoint(held_out | learnt)

    whole = train(data, tmp_path / "whole", monkeypatch)
    train(data, tmp_path / "cut", monkeypatch, "--stop-after", "1")
    assert not (tmp_path / "cut" / "checkpoint-2").exists()
    resumed = train(data, tmp_path / "cut", monkeypatch)
    names = {path.name for path in whole.iterdir()}
    assert {"config.json", "model.safetensors", "README.md"} <= names == {path.name for path in resumed.iterdir()}
    assert not list(whole.glob("*.py"))
    weights, others = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others[name], msg=name)
    card = (whole / "README.md").read_text()
    assert "`validation.txt`" not in card and "`captions.txt`" in card and "## Sources" in card
    assert biomedgpt_hf.ask("What is it?", molecules="CCO", checkpoint=whole, max_new_tokens=2).log_probability < 0


def keys_of(data: Path, splits: list[str]) -> set[str]:
    """The structure keys of all molecules in some splits of all sets."""
    rows = (row for name in ("molecules", "facts", "names") for row in load_splits(data / name, splits))
    return {structure_key(molecule) for row in rows for molecule in row["molecules"]}


def load_splits(folder: Path, splits: list[str]) -> list[dict]:
    """The rows of those of the splits that a set has."""
    loaded = load_dataset(str(folder), cache_dir=folder.parent / "cache")
    return [row for split in splits if split in loaded for row in loaded[split]]


def sample(rows, *answers: str, task: str = "molecule_caption"):
    """A row that may be drawn, with known items that say something."""
    question = {"role": "user", "content": [{"type": "molecule"}, {"type": "text", "text": "What is it?"}]}
    answer = {"role": "assistant", "content": [{"type": "text", "text": "An acid."}]}
    row = {"id": "x", "messages": [question, answer], "molecules": ["CC"], "proteins": []}
    facts = {"modality": "molecule", "measure": "m", "source": "s", "license": "MIT", "same": False}
    near = (Neighbour(item="C", id="y", similarity=0.5, texts=(Text("What is it?", one),), **facts) for one in answers)
    return rows.Sample(row, task, tuple(near), rows.estimated_length(row))


def test_known_items_stand_before_a_drawn_question_unless_they_are_too_long(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    rows = importlib.import_module("mini.rows")
    asked = lambda known, *answers: rows.question_of(rows.drawn_row(sample(rows, *answers), known))  # noqa: E731
    assert asked(0, "A base.") == "What is it?"
    assert asked(2, "A base.", "A salt.", "An oil.").splitlines() == [
        "Known molecule, similarity 0.50: A base.",
        "Known molecule, similarity 0.50: A salt.",
        "What is it?",
    ]
    assert "z" not in asked(2, "A base.", "z" * rows.LONGEST_EVIDENCE) and "base" in asked(2, "A base.", "z" * 9999)


def test_what_known_items_say_is_learnt_like_an_answer_and_no_question_without_them(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    trainer = importlib.import_module("mini.trainer")
    processor = AutoProcessor.from_pretrained(mini_checkpoint())
    evidence = "Known molecule, similarity 0.50: The molecule is an alcohol.\nDescribe this molecule."
    rows = [
        question_row(question, "A thiol.", task="t", source="s", id=question, license="CC0-1.0", molecules=["CCS"])
        for question in (evidence, "Describe this molecule.")
    ]
    ours, ordinary = (kind(processor)(rows) for kind in (trainer.EvidenceCollator, BioMedGPTDataCollator))
    assert torch.equal(ours["input_ids"], ordinary["input_ids"])
    assert torch.equal(ours["labels"][1], ordinary["labels"][1])
    learnt = ours["labels"][0][ours["labels"][0] != -100]
    assert processor.tokenizer.decode(learnt).replace("</s>", "") == f"{evidence}A thiol."


def test_draws_are_the_same_in_every_run_and_take_every_row_before_any_again(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    rows = importlib.import_module("mini.rows")
    samples = [sample(rows, "A base.") for _ in range(40)]
    drawn = list(rows.Draws(samples, 12, tokens=400))
    assert drawn == list(rows.Draws(samples, 12, tokens=400)) and len(drawn) == 12
    assert drawn != list(rows.Draws(samples, 12, tokens=400, seed=1))
    one_by_one = rows.Draws(samples, 100, tokens=400, pool=1)
    numbers = [number for ((number, _, _),) in one_by_one if number >= 0]  # the others are repetitions
    assert sorted(numbers[:40]) == sorted(numbers[40:80]) == list(range(40))


@pytest.mark.usefixtures("small")
def test_heads_that_copy_are_found_after_a_few_steps_where_others_learn_nothing(monkeypatch):
    """A repeated sequence is continued rightly; without the heads, a model this small needs two thousand steps."""
    heads = importlib.import_module("mini.copying").write_copying_heads
    config = {"hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    right = {}
    for with_heads in (True, False):
        torch.manual_seed(0)
        rotary = {"rope_type": "default", "rope_theta": 1e6}
        model = LlamaForCausalLM(
            LlamaConfig(vocab_size=300, attention_bias=True, tie_word_embeddings=True, rope_parameters=rotary, **config)
        )
        if with_heads:
            assert heads(model.model) == 64
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        for _ in range(40):
            ids, accuracy = repeated(model)
            logits = model(ids).logits[:, 16:-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 17:].flatten())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        right[with_heads] = accuracy
    assert right[True] > 0.9 and right[False] < 0.2


@torch.no_grad()
def repeated(model: torch.nn.Module) -> tuple[torch.Tensor, float]:
    """Random sequences of 16 tokens, each twice, and the share of the second half that a model foretells."""
    ids = torch.randint(3, 300, (16, 16)).repeat(1, 2)
    foretold = model(ids).logits[:, 16:-1].argmax(-1)
    return ids, (foretold == ids[:, 17:]).float().mean().item()


def test_heads_that_copy_need_a_model_of_a_fitting_form(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    heads = importlib.import_module("mini.copying").write_copying_heads
    model = LlamaForCausalLM(LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_attention_heads=2))
    with pytest.raises(ValueError, match="attention_bias"):
        heads(model.model)


def index_sequence(index: NeighbourIndex) -> str:
    """The sequence of the first protein that is known."""
    (row,) = ItemFile(index.folder / ITEMS).read([index.manifest["counts"]["molecules"]]).values()
    return row["item"]
