"""The commands of examples/reproduce_paper.md, read out of the page and run on small models and made-up files."""

import csv
import glob
import gzip
import json
import re
import shlex
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import EsmConfig, EsmModel
from typer.testing import CliRunner

from biomedgpt_hf import GINConfig, GINModel
from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.paper_tables.recipe import CasesRecipe, read_table_recipe, table_names
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.processors.protein_tokenizer import build_protein_tokenizer
from biomedgpt_hf.training.recipe.files import recipe_names

from ..conftest import write_vocabulary
from ..evaluation.multiple_choice.conftest import byte_tokenizer, make_llama

PAGE = Path(__file__).resolve().parents[2] / "examples" / "reproduce_paper.md"
CHAT = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[it]{% endif %}"
)
SUBJECTS = "anatomy clinical_knowledge college_biology college_medicine medical_genetics professional_medicine".split()
MOLECULES = ["CCO", "CCN", "CC(=O)O", "CCCO", "CCCN", "CCC(=O)O", "c1ccccc1", "CCCCO"]
# What takes the place of eight GPUs, half precision and fifty epochs.
SMALL = {
    "train": "--max-steps 1 --bf16 false --use-cpu --report-to none --dataloader-num-workers 0 --eval-strategy no "
    "--save-strategy no --global-batch-size 2 --per-device-train-batch-size 2 --max-length 1000",
    "reproduce": "--no-wordnet --resamples 100 --max-new-tokens 4 --device cpu",
    "score": "--no-wordnet --resamples 100",
    "data": "--processes 1",
}


def commands() -> list[list[str]]:
    """The words of each command of the page, in order."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    plain = [
        re.sub(r"^torchrun --nproc-per-node \d+ -m biomedgpt_hf\.cli", "biomedgpt", line) for line in lines if line
    ]
    return [shlex.split(line) for line in plain]


def test_the_page_makes_all_that_the_recipes_ask_for():
    said = commands()
    made = {
        words[words.index(option) + 1] for words in said for option in ("--output", "--output-dir") if option in words
    }
    given = re.findall(r"`([^`\s]+)`", PAGE.read_text("utf-8").split("## The sets")[0])
    filled = [words[2] for words in said if words[1] == "reproduce"]
    assert (
        filled == ["table2", "table3", "table4", "figure4", "mmlu", "medconceptsqa"] and sorted(filled) == table_names()
    )
    for name in filled:
        recipe = read_table_recipe(name)
        assert isinstance(recipe, CasesRecipe) or recipe.source in made
        assert {row.options["checkpoint"] for row in recipe.rows} <= {*made, *given}
    assert {words[2] for words in said if words[1] == "train"} <= set(recipe_names())


def save_language_model(folder, template=None):
    tokenizer = byte_tokenizer(chat_template=template, pad_token="<s>")
    make_llama(tokenizer, max_position_embeddings=2048).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_questions(raw):
    """The benchmarks' own files."""

    def pubmedqa(label, **more):
        return {
            "QUESTION": f"Is it {label}?",
            "CONTEXTS": ["A.", "B."],
            "LONG_ANSWER": "C.",
            "final_decision": label,
            **more,
        }

    (raw / "ori_pqaa.json").write_text(json.dumps({"1": pubmedqa("yes"), "2": pubmedqa("no")}))
    guesses = {"reasoning_required_pred": "yes", "reasoning_free_pred": "yes"}
    (raw / "ori_pqal.json").write_text(
        json.dumps({str(n): pubmedqa(x, **guesses) for n, x in ((3, "no"), (4, "maybe"))})
    )
    for part in ("train", "dev"):
        file = raw / "medmcqa" / f"{part}.json"
        file.parent.mkdir(exist_ok=True)
        records = [
            {
                "id": f"{part}{n}",
                "question": f"{part} {n}?",
                "opa": "a",
                "opb": "b",
                "opc": "c",
                "opd": "d",
                "cop": n % 4 + 1,
            }
            for n in range(4)
        ]
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    records = [
        {"question": f"Case {n}?", "options": {"A": "one", "B": "two", "C": "three", "D": "four"}, "answer_idx": "B"}
        for n in range(3)
    ]
    (raw / "phrases_no_exclude_test.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def write_mmlu(raw):
    """Without a header, and with line breaks inside cells."""
    for part, count in (("dev", 6), ("test", 2)):
        (raw / "mmlu" / part).mkdir(parents=True)
        for subject in (*SUBJECTS, "sociology"):
            with (raw / "mmlu" / part / f"{subject}_{part}.csv").open("w", newline="") as file:
                rows = [
                    (f"{part} of {subject}\nnumber {n}?", "a", 'b "b"', "c,\nc", "d", "ABCD"[n % 4])
                    for n in range(count)
                ]
                csv.writer(file).writerows(rows)


def write_medconceptsqa(raw):
    """As the Hub has it: the choices stand in columns and at the end of the question."""
    folder = raw / "medconceptsqa"
    folder.mkdir()

    def row(number, vocabulary, level):
        options = [f"Code {number} {letter}" for letter in "wxyz"]
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
        question = f"What is the description of the medical code {number} in {vocabulary}?\n{listed}"
        answer = {"question_id": number, "answer": options[number % 4], "answer_id": "ABCD"[number % 4]}
        return {**answer, **dict(zip(("option1", "option2", "option3", "option4"), options, strict=True)),
                "question": question, "vocab": vocabulary, "level": level}  # fmt: skip

    kinds = [("ICD10CM", "easy"), ("ATC", "hard")]
    for part, count in (("dev", 5), ("test", 3)):
        start = 100 if part == "dev" else 1
        rows = [row(start + 10 * k + n, *kind) for k, kind in enumerate(kinds) for n in range(count)]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{part}-00000-of-00001.parquet")


def write_items(raw, folder):
    for split, places in (("train", range(5)), ("validation", range(5, 6)), ("test", range(6, 8))):
        lines = [f"{n}\t{MOLECULES[n]}\tThe molecule is number {n} of {split}." for n in places]
        (raw / f"{split}.txt").write_text("\n".join(["CID\tSMILES\tdescription", *lines]) + "\n")
    value = {"StringWithMarkup": [{"String": "Ethanol is an alcohol.", "Markup": []}]}
    data = [{"TOCHeading": {"type": "Compound", "#TOCHeading": "Record Description"}, "Value": value}]
    page = [
        {"SourceName": "Depositor", "ANID": n, "Data": data, "LinkedRecords": {"CID": [n]}} for n in range(700, 712)
    ]
    (raw / "annotations").mkdir()
    (raw / "annotations" / "1.json").write_text(
        json.dumps({"Annotations": {"Annotation": page, "Page": 1, "TotalPages": 1}})
    )
    with gzip.open(raw / "CID-SMILES.gz", "wt") as file:
        file.writelines(f"{n}\t{'C' * (n - 699)}O\n" for n in range(700, 712))
    with gzip.open(raw / "uniprot_sprot.dat.gz", "wt") as file:
        file.writelines(map(uniprot_entry, range(40)))
    (folder / "figure4.fasta").write_text(">sp|P52341|DUT_HHV7J\nMKTAYIAKQR\n>sp|Q9LW62|CKL10_ARATH\nMAYIAKQRQIS\n")


def uniprot_entry(number):
    letters = "ACDEFGHIKLMNPQRSTVWY"
    sequence = "M" + "".join(letters[(number * 7 + place * place + place) % 20] for place in range(29))
    return (
        f"ID   P{number}_HUMAN              Reviewed;          30 AA.\nAC   P{number:05};\n"
        f"DE   RecName: Full=Protein {number};\nCC   -!- FUNCTION: Does thing number {number % 5}.\n"
        f"CC   -!- SUBCELLULAR LOCATION: Cytoplasm.\nCC   -!- SIMILARITY: Belongs to the family {number % 3}.\n"
        f"SQ   SEQUENCE   30 AA;  3000 MW;  0123456789ABCDEF CRC64;\n     {sequence}\n//\n"
    )


def write_answers(folder):
    """What other models said about ChEBI-20's test split."""
    (folder / "answers").mkdir()
    test = [line.split("\t") for line in (folder / "raw/test.txt").read_text().splitlines()[1:]]
    said = ["## It\n\n**is** a molecule", ""]
    batch = [
        {
            "custom_id": f"CID:{cid}",
            "response": {"status_code": 200, "body": {"choices": [{"message": {"content": text}}]}},
        }
        for (cid, *_), text in zip(test, said, strict=True)
    ]
    (folder / "answers/gpt.jsonl").write_text("".join(json.dumps(one) + "\n" for one in batch))
    with (folder / "answers/llama.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "answer"), *((f"CID:{cid}", "I cannot tell.") for cid, *_ in test)])
    lines = ["SMILES\tground truth\toutput", *(f"{smiles}\t{text}\tThe molecule is one." for _, smiles, text in test)]
    (folder / "answers/molt5-large-smiles2caption.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder in which the page's commands are given, with small things under the real names."""
    folder = tmp_path_factory.mktemp("paper")
    raw = folder / "raw"
    raw.mkdir()
    write_questions(raw)
    write_mmlu(raw)
    write_medconceptsqa(raw)
    write_items(raw, folder)
    write_answers(folder)
    (folder / "scibert").mkdir()
    write_vocabulary(folder / "scibert")
    shutil.copytree(mini_checkpoint(), folder / "biomedgpt-10b", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in ("meta-llama/Llama-2-7b-hf", "huggyllama/llama-7b", "PharMolix/BioMedGPT-LM-7B"):
        save_language_model(folder / name)
    save_language_model(folder / "meta-llama/Llama-2-7b-chat-hf", CHAT)
    torch.manual_seed(0)
    GINModel(GINConfig(hidden_size=16, num_hidden_layers=2)).save_pretrained(folder / "graphmvp")
    save_protein_encoder(folder / "facebook/esm2_t36_3B_UR50D")
    return folder


def save_protein_encoder(folder):
    config = EsmConfig(
        **{"vocab_size": 33, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 1},
        **{"intermediate_size": 32, "position_embedding_type": "rotary", "mask_token_id": 32, "token_dropout": True},
    )
    EsmModel(config, add_pooling_layer=False).save_pretrained(folder)
    build_protein_tokenizer().save_pretrained(folder)


@pytest.fixture(scope="module")
def scores(folder):
    """Every command of the page, once, and the folder of scores."""
    for package in ("nltk", "rouge_score", "matplotlib"):
        pytest.importorskip(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in commands():
            if words[0] != "curl":
                run(words[1:])
    return folder / "scores"


def run(words):
    words = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else [word])]
    more = shlex.split(SMALL.get(words[0], ""))
    more += ["--tokenizer", "scibert"] if words[0] in ("reproduce", "score") else []
    result = CliRunner().invoke(app, [*words, *more])
    assert result.exit_code == 0, f"{' '.join(words)}\n{result.output[-3000:]}\n{result.exception!r}"


def table(scores, name):
    with (scores / name / "table.csv").open(newline="") as file:
        return {(row["row"], row["source"], row["column"]): row["value"] for row in csv.DictReader(file)}


@pytest.mark.slow
def test_every_table_has_the_paper_s_rows_and_ours(scores):
    found = table(scores, "table2")
    paper = "Luo et al., 2023 (arXiv:2308.09442), Table 2"
    assert found["human, to pass", paper, "PubMedQA"] == "0.6" and found["human expert", paper, "USMLE"] == "0.87"
    for row in read_table_recipe("table2").rows:
        assert (row.name, paper, "MedMCQA") in found
        for protocol in ("loglik", "generate_lmflow", "generate_strict"):
            ours = [found[row.name, f"here, {protocol}", column] for column in ("MedMCQA", "PubMedQA", "USMLE")]
            assert all(0 <= float(value) <= 1 for value in ours)
    found = table(scores, "table3")
    assert found["BioMedGPT-10B", paper.replace("Table 2", "Table 3"), "ROUGE-L"] == "0.332"
    assert {"Llama2-7B-Chat", "BioMedGPT-10B", "best constant answer", "nearest known item"} <= {
        row for row, *_ in found
    }
    assert ("BioMedGPT-10B, given another item", "here", "BLEU-2") in found
    assert ("Llama2-7B-Chat, aligned", "here", "METEOR") not in table(
        scores, "table4"
    )  # without WordNet it has another name
    assert ("Llama2-7B-Chat, aligned", "here", "BLEU-4") in table(scores, "table4")
    found = table(scores, "mmlu")
    assert ("BioMedGPT-LM-7B, fine-tuned by others", "Anatomy") in {(row, column) for row, _, column in found}
    assert all(
        ("BioMedGPT-LM-7B", "here, loglik", column.heading) in found for column in read_table_recipe("mmlu").columns
    )
    found = table(scores, "medconceptsqa")
    assert {"BioMedGPT-LM-7B, zero-shot", "BioMedGPT-LM-7B, 4 examples"} <= {
        row for row, source, _ in found if source != "here"
    }


@pytest.mark.slow
def test_rows_are_asked_as_the_recipes_say(scores):
    def manifest(path):
        return json.loads((scores / path / "predictions.jsonl.manifest.json").read_text())

    assert manifest("table3/llama2-7b-chat")["chat_template"] == "paper"
    assert manifest("table3/llama2-7b-chat")["items"] == "as text"
    assert manifest("table3/biomedgpt-10b")["items"] == "encoded"
    assert manifest("table2/llama2-chat-zero-shot-loglik")["chat_template"] == "language-model"
    assert manifest("table2/llama2-zero-shot-loglik")["chat_template"] is None
    assert manifest("medconceptsqa/biomedgpt-lm-7b-4-examples-loglik")["few_shot"] == 4
    prompt = json.loads((scores / "table4/llama2-7b-chat-not-aligned/predictions.jsonl").read_text().splitlines()[0])[
        "prompt"
    ]
    assert re.search(r"### Human: <protein>M[A-Z]+</protein> What ", prompt)


@pytest.mark.slow
def test_the_figure_has_what_the_paper_prints_and_what_the_models_say(scores):
    text = (scores / "figure4/cases.md").read_text()
    assert text.index("## Q9LW62") < text.index("## P52341")
    assert "**Ground truth, in the paper:** Involved in nucleotide metabolism: produces dUMP" in text
    assert text.count(", here:**") == 6


@pytest.mark.slow
def test_other_models_are_compared_with_ours(scores):
    text = (scores / "general/report.md").read_text()
    assert "1 empty" in text and "2 declined" in text and "BioMedGPT-10B less the other run" in text
    assert all(f"| {name} |" in text for name in ("BioMedGPT-10B", "GPT", "Llama", "MolT5-large"))
