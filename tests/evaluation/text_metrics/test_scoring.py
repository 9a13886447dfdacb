import json
import random
import subprocess
import sys

import numpy as np
import pytest

from biomedgpt_hf.evaluation.text_metrics import (
    MissingVocabularyError,
    MissingWordNetError,
    TextScorer,
    score_texts,
    scoring,
)

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")

WORDS = (
    "the molecule is an acid",
    "base",
    "methyl",
    "role as a drug",
    "conjugate",
    "it is",
    "running",
    "runs",
    "[SEP]",
)


@pytest.fixture(scope="module")
def scorer(vocabulary):
    return TextScorer(vocabulary, wordnet=False)


@pytest.fixture(scope="module")
def texts():
    chance = random.Random(5)
    return [" ".join(chance.choices(WORDS, k=chance.randrange(0, 9))) for _ in range(60)]


def total(scorer, predictions, references):
    scores = scorer.scores(scorer.statistics(predictions, references).sum(axis=0))
    return {name: float(value) for name, value in scores.items()}


def pieces_of(vocabulary, texts):
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(vocabulary)
    return [[p for p in tokenizer.tokenize(t)[:512] if p not in ("[PAD]", "[CLS]", "[SEP]")] for t in texts]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("rows", [60, 2, 1])
def test_bleu_is_that_of_nltk_for_every_number_of_rows(scorer, vocabulary, texts, rows):
    from nltk.translate.bleu_score import corpus_bleu

    predictions, references = texts[:rows], texts[::-1][:rows]
    ours = total(scorer, predictions, references)
    pairs = pieces_of(vocabulary, references), pieces_of(vocabulary, predictions)
    for name, weights in (("bleu2", (0.5, 0.5)), ("bleu4", (0.25,) * 4)):
        expected = corpus_bleu([[reference] for reference in pairs[0]], pairs[1], weights)
        assert ours[name] == pytest.approx(expected, abs=1e-12)


def test_rouge_is_that_of_rouge_score(scorer, texts):
    from rouge_score.rouge_scorer import RougeScorer

    kinds = ("rouge1", "rouge2", "rougeL")
    theirs = RougeScorer(kinds)
    expected = [theirs.score(prediction, reference) for prediction, reference in zip(texts, texts[::-1], strict=True)]
    ours = total(scorer, texts, texts[::-1])
    for kind in kinds:
        assert ours[kind] == pytest.approx(np.mean([row[kind].fmeasure for row in expected]), abs=1e-12)


def test_meteor_without_synonyms_matches_equal_words_and_stems_and_has_a_name_of_its_own(scorer):
    scores = total(scorer, ["it is running"], ["it is runs"])
    # Three words match in one piece: penalty 0.5 · (1/3)³.
    assert scores["meteor_no_wordnet"] == pytest.approx(1 - 0.5 / 27, abs=1e-12)
    assert "meteor" not in scores


def test_a_perfect_answer_scores_one_and_an_empty_one_nothing(scorer):
    text = "the molecule is an acid"
    perfect, empty = total(scorer, [text], [text]), total(scorer, [""], [text])
    assert {name: round(value, 2) for name, value in perfect.items()} == dict.fromkeys(perfect, 1.0)
    assert set(empty.values()) == {0.0}


def test_a_leading_cls_is_cut_off_predictions_only(scorer):
    text = "the molecule is an acid"
    assert total(scorer, [f"[CLS] {text}"], [text]) == total(scorer, [text], [text])
    assert total(scorer, [text], [f"[CLS] {text}"])["rouge1"] < 1


def test_special_tokens_in_a_text_are_no_pieces(scorer, vocabulary):
    counts = scorer.statistics(["[SEP] it is [PAD]"], ["it [CLS] is"])[0]
    assert counts[8:10].tolist() == [2, 2]


def test_only_the_first_512_pieces_count(scorer):
    counts = scorer.statistics(["acid " * 700], ["acid " * 513])[0]
    assert counts[8:10].tolist() == [512, 512]


def test_repeated_pairs_are_scored_once_and_counted_each_time(scorer, monkeypatch):
    counted = []
    monkeypatch.setattr(scorer, "_count", lambda pairs, count=scorer._count: counted.append(pairs) or count(pairs))
    table = scorer.statistics(["it is"] * 3 + ["acid"], ["it is"] * 3 + ["base"])
    assert counted == [[("it is", "it is"), ("acid", "base")]]
    assert (table[0] == table[2]).all() and (table[0] != table[3]).any()


def test_rows_are_the_same_whatever_the_blocks_and_chunks(scorer, texts, monkeypatch):
    expected = scorer.statistics(texts, texts[::-1])
    monkeypatch.setattr(scoring, "BLOCK", 7)
    monkeypatch.setattr(scoring, "CHUNK", 3)
    np.testing.assert_array_equal(scorer.statistics(texts, texts[::-1]), expected)


PROGRAM = """
import sys
from biomedgpt_hf.evaluation.text_metrics import TextScorer, scoring

scoring.CHUNK = 4
texts = [f"the acid {place} is running" for place in range(60)]
scorer = TextScorer(sys.argv[1], wordnet=False, processes=2)
print(scorer.statistics(texts, texts[::-1]).tolist())
"""


@pytest.mark.slow
@pytest.mark.parametrize("as_file", [True, False], ids=["program without a guard", "python -c"])
def test_several_processes_count_the_same_whatever_program_starts_them(scorer, vocabulary, tmp_path, as_file):
    (tmp_path / "program.py").write_text(PROGRAM)
    program = [str(tmp_path / "program.py")] if as_file else ["-c", PROGRAM]
    run = subprocess.run([sys.executable, *program, str(vocabulary)], capture_output=True, text=True, check=True)
    texts = [f"the acid {place} is running" for place in range(60)]
    (line,) = run.stdout.splitlines()  # the program ran once
    assert json.loads(line) == scorer.statistics(texts, texts[::-1]).tolist()


@pytest.mark.parametrize(
    ("predictions", "references", "words"),
    [
        (["a"], ["a", "b"], "1 predictions and 2 references"),
        ([], [], "nothing to score"),
        (["a", None], ["a", "b"], "Prediction 1 is None"),
        (["a"], [3], "Reference 0 is 3"),
        ("a", ["a"], "lists of texts"),
    ],
)
def test_what_cannot_be_scored_is_named(vocabulary, predictions, references, words):
    with pytest.raises(ValueError, match=words):
        score_texts(predictions, references, tokenizer=vocabulary)


def test_a_missing_vocabulary_is_no_reason_for_another_one(tmp_path):
    with pytest.raises(MissingVocabularyError, match=r"vocab\.txt"):
        TextScorer(tmp_path, wordnet=False)


def test_a_missing_wordnet_is_no_reason_for_another_score(vocabulary, monkeypatch, tmp_path):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.delenv("BIOMEDGPT_WORDNET", raising=False)
    with pytest.raises(MissingWordNetError, match="meteor_no_wordnet"):
        score_texts(["a"], ["a"], tokenizer=vocabulary)
    monkeypatch.setenv("BIOMEDGPT_WORDNET", str(tmp_path))
    with pytest.raises(MissingWordNetError, match=r"data\.adj"):
        score_texts(["a"], ["a"], tokenizer=vocabulary)


def test_versions_tell_which_vocabulary_was_used(scorer, vocabulary):
    import hashlib

    versions = scorer.versions()
    assert versions["tokenizer"]["sha256"] == hashlib.sha256((vocabulary / "vocab.txt").read_bytes()).hexdigest()
    assert versions["wordnet"] is None and versions["nltk"]


@pytest.fixture(scope="module", params=[True, False], ids=["wordnet", "no_wordnet"])
def real_scorer(request, shared):
    tokenizer = shared / "data" / "tokenizers" / "scibert_scivocab_uncased"
    try:
        return TextScorer(tokenizer, wordnet=request.param)
    except MissingWordNetError as error:
        pytest.skip(f"METEOR's parity needs WordNet 3.0: {error}")


@pytest.mark.parametrize("name", ["edge", "molt5-small", "molt5-large", "t5-v1_1-base"])
def test_every_score_and_row_equals_the_reference_evaluators_to_a_billionth(real_scorer, shared, name):
    folder = shared / "reference" / "metrics"
    rows = [line.split("\t") for line in (folder / f"{name}.tsv").read_text("utf-8").split("\n")[1:] if line]
    golden = json.loads((folder / f"{name}.expected.json").read_text())
    table = real_scorer.statistics([row[2] for row in rows], [row[1] for row in rows])
    scores = real_scorer.scores(table.sum(axis=0))
    compared = {key: value for key, value in golden["expected"].items() if key in scores}
    assert len(compared) >= 5
    assert {key: float(scores[key]) for key in compared} == pytest.approx(compared, abs=1e-9)
    columns = golden["per_row_columns"]
    expected = np.array(golden["per_row"])
    ours = dict(zip(("rouge1_f", "rouge2_f", "rougeL_f", real_scorer.meteor_name), table[:, 10:14].T, strict=True))
    for column, values in ours.items():
        np.testing.assert_allclose(values, expected[:, columns.index(column)], atol=1e-9)
