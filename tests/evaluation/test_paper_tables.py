"""Recipes of tables: what they may say, and how a table of one's own is filled."""

import csv
import re

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.honest_rows.published import PUBLISHED, published_rows
from biomedgpt_hf.evaluation.paper_tables.recipe import CasesRecipe, TableRecipeError, read_table_recipe, table_names
from biomedgpt_hf.evaluation.paper_tables.run import reproduce
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.rows.schema import question_row

from ..built_set import write_set


def write(path, text):
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", table_names())
def test_the_package_s_recipes_say_how_they_are_run(name):
    recipe = read_table_recipe(name)
    assert recipe.title and recipe.rows
    if not isinstance(recipe, CasesRecipe):
        named = {
            row.name
            for column in recipe.columns
            for row in PUBLISHED.get(column.of) or published_rows(recipe.published)
        }
        assert named & {row.name for row in recipe.rows} or name == "mmlu"  # which nobody measured as it is asked here


def test_published_rows_are_those_of_the_paper_s_text(shared):
    lines = [line.split("\t") for line in (shared / "paper.txt").read_text("utf-8").splitlines()]
    plain = [[re.sub(r"</?b>|\*| *\[[^]]*\]", "", cell).strip() for cell in cells] for cells in lines if len(cells) > 4]
    scores = [cells[-6:] for cells in plain if len(cells) == 8 and cells[-1][:1].isdigit()]
    for row, cells in zip(PUBLISHED["ChEBI-20"], scores[:3], strict=True):
        assert [f"{value:.3f}" for value in row.scores.values()] == cells
    for row, cells in zip(PUBLISHED["UniProtQA"], scores[3:], strict=True):
        assert [f"{value:.3f}" for value in row.scores.values()] == [cells[0], cells[1], cells[5]]
    table2 = [cells[-3:] for cells in plain if len(cells) == 5 and cells[-1][:1].isdigit()]
    for place, dataset in enumerate(("MedMCQA", "PubMedQA", "MedQA")):
        printed = [float(cells[place]) for cells in table2 if cells[place] != "-"]
        assert [round(100 * row.scores["accuracy"], 1) for row in PUBLISHED[dataset]] == printed


def test_rows_of_chebi_20_are_known_by_their_source():
    assert published_rows("ChEBI captions", {"ChEBI-20"}) == PUBLISHED["ChEBI-20"]
    assert published_rows("ChEBI captions", {"ChEBI-20", "ChEBI"}) == ()
    assert published_rows("UniProtQA", {"UniProtKB/Swiss-Prot"}) == PUBLISHED["UniProtQA"]


TABLE = "set: s\ncolumns: {A: bleu2}\nrows: {x: m}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "cannot be read as YAML"),
        ("- 1\n", "the file holds no keys"),
        ("set: s\nrows: {x: m}\n", "lacks the key 'columns'"),
        (TABLE + "colums: {}\n", "the key 'colums' in the file: did you mean 'columns'"),
        (TABLE + "protocols: [loglikelihood]\n", "the protocol 'loglikelihood'"),
        (TABLE + "protocols: loglik\n", "protocols is 'loglik', not a list"),
        (TABLE + "few_shot: 3\n", "has few_shot, which only questions under protocols"),
        ("set: s\ncolumns: {A: bleu2}\nrows: {}\n", "lacks the key 'rows'"),
        ("set: s\ncolumns: {A: bleu2}\nrows: {x: {}}\n", "lacks the key 'checkpoint' in rows: x"),
        ("set: s\ncolumns: {A: bleu2}\nrows: {x: {checkpoint: m, few_shot: 3}}\n", "the key 'few_shot' in rows: x"),
        ("set: s\ncolumns: {A: bleu2}\nrows: {x y: m, x-y: n}\n", "a name of its own"),
        ("set: s\ncolumns: {A: {of: all}}\nrows: {x: m}\n", "lacks the key 'score' in columns: A"),
        ("cases: f\nquestion: q\nsaid: {P1: no}\nrows: {x: m}\n", "said: P1 holds no keys"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_one_line(tmp_path, text, said):
    with pytest.raises(TableRecipeError, match=re.escape(said)):
        read_table_recipe(write(tmp_path / "t.yaml", text))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A set, and a recipe that asks the embedded checkpoint about it in two ways."""
    labels = {"task": "caption", "source": "s", "license": "CC0-1.0"}
    rows = [question_row("What is it?", f"{s} it is.", molecules=[s], id=s, **labels) for s in ("CCO", "CCN")]
    write_set(tmp_path / "captions", {"test": rows})
    mini = mini_checkpoint()
    write(
        tmp_path / "own.yaml",
        f"title: Mine\nset: captions\ncolumns: {{BLEU-2: bleu2, Right: exact}}\nrows:\n  seen: {mini}\n"
        f"  read: {{checkpoint: {mini}, items_as_text: true}}\n",
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_of_one_s_own_is_filled_and_filled_again(own, vocabulary, monkeypatch):
    for package in ("nltk", "rouge_score", "matplotlib"):
        pytest.importorskip(package)
    words = ["reproduce", "own.yaml", "--output", "scores", "--tokenizer", str(vocabulary), "--no-wordnet"]
    words += ["--resamples", "100", "--max-new-tokens", "4", "--device", "cpu"]
    one = CliRunner().invoke(app, [*words, "--only", "read"])
    assert one.exit_code == 0 and "| read | here |" in one.output and "| seen |" not in one.output
    both = CliRunner().invoke(app, words)
    assert both.exit_code == 0, both.output
    with open("scores/table.csv", newline="") as file:
        found = {(row["row"], row["column"]): row["value"] for row in csv.DictReader(file)}
    assert {("seen", "BLEU-2"), ("read", "BLEU-2"), ("seen, given another item", "BLEU-2")} <= found.keys()
    assert ("seen", "Right") not in found  # the metric has no rows here
    before = (own / "scores/read/predictions.jsonl").stat().st_mtime_ns
    assert CliRunner().invoke(app, words).exit_code == 0
    assert (own / "scores/read/predictions.jsonl").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table9"], "no table and no file 'table9': choose figure4, "),
        (["own.yaml", "--only", "nobody"], "own has no row 'nobody'. Its rows are: seen; read"),
        (["own.yaml", "--set", "absent"], "absent is missing, which own asks about"),
        (
            ["table3", "--set", "captions"],
            "The row 'Llama2-7B-Chat' needs the checkpoint meta-llama/Llama-2-7b-chat-hf",
        ),
        (["figure4"], "figure4.fasta is missing, which figure4 asks about: https://rest.uniprot.org/"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_asked(own, words, said):
    result = CliRunner().invoke(app, ["reproduce", *words, "--output", "scores"])
    assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1
    assert not (own / "scores").exists()


def test_a_case_that_the_file_lacks_is_named(own):
    write(
        own / "cases.yaml",
        f"cases: p.fasta\nquestion: What?\nsaid: {{P1: {{us: text}}}}\nrows: {{x: {mini_checkpoint()}}}\n",
    )
    write(own / "p.fasta", ">sp|P2|X_HUMAN\nMKT\n")
    with pytest.raises(ValueError, match=r"p\.fasta has no entry P1"):
        reproduce("cases.yaml", own / "scores")
    write(own / "p.fasta", ">sp|P2|X_HUMAN\nMKT\n>sp|P1|Y_HUMAN\nMKTAYI\n")
    text = reproduce("cases.yaml", own / "scores", max_new_tokens=4, device="cpu").read_text()
    assert "## P1: What?" in text and "**us, in the paper:** text" in text and "**x, here:**" in text
