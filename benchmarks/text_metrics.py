"""Time of the text metrics, against scoring row by row as MolT5's evaluator does.

    python benchmarks/text_metrics.py PREDICTIONS.txt --tokenizer scibert_scivocab_uncased [--rows 1000] [--repeats 5]

Measures  processor time of BLEU, ROUGE and METEOR together, NLTK and rouge_score called for each row = 1; median of
          paired, alternating ratios; on the captions, and on their first sentences as short answers
Input     a table of MolT5 (SMILES, ground truth, output); WordNet as `score_texts` finds it
Excludes  loading the vocabulary and WordNet
Writes    a table with versions and commit; that both give the same scores to 1e-9 is asserted first
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import nltk
import transformers
from comparison import describe_software
from nltk.translate.bleu_score import corpus_bleu
from nltk.translate.meteor_score import meteor_score
from rouge_score.rouge_scorer import RougeScorer
from transformers import BertTokenizerFast

from biomedgpt_hf.evaluation.text_metrics import TextScorer
from biomedgpt_hf.evaluation.text_metrics.meteor import Meteor
from biomedgpt_hf.evaluation.text_metrics.word_pieces import LEFT_OUT
from biomedgpt_hf.evaluation.text_metrics.wordnet import load_wordnet


def main() -> None:
    """Read the command line, assert parity, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    lines = arguments.predictions.read_text("utf-8").split("\n")[1 : arguments.rows + 1]
    rows = [line.split("\t") for line in lines if line]
    captions = [row[2] for row in rows], [row[1] for row in rows]
    short = tuple([text.split(". ")[0] for text in texts] for texts in captions)
    print(describe_software(nltk, transformers))
    print(f"{len(rows)} rows\n\n| texts | here / row by row | µs a row here |\n|---|---|---|")
    for name, (predictions, references) in (("captions", captions), ("first sentences", short)):
        ratio, seconds = compare(predictions, references, arguments.tokenizer, arguments.repeats)
        print(f"| {name} | {ratio:.2f} | {1e6 * seconds / len(rows):.0f} |")


def compare(predictions: Sequence[str], references: Sequence[str], tokenizer: str, repeats: int) -> tuple[float, float]:
    """Return the median of paired ratios, and the median time of ours in seconds."""
    reader, wordnet = BertTokenizerFast.from_pretrained(tokenizer), load_wordnet()

    def theirs() -> dict[str, float]:
        return row_by_row(predictions, references, reader, wordnet)

    scorer = TextScorer(reader)

    def ours() -> dict[str, float]:
        scorer._meteor = Meteor(wordnet)  # so that no stem or synonym is remembered from the last time
        sums = scorer.statistics(predictions, references).sum(axis=0)
        return {name: float(value) for name, value in scorer.scores(sums).items()}

    expected, found = theirs(), ours()
    for name, value in expected.items():
        assert abs(found[name] - value) < 1e-9, (name, found[name], value)
    pairs = [(timed(ours), timed(theirs)) for _ in range(repeats)]
    return median(one / other for one, other in pairs), median(one for one, _ in pairs)


def row_by_row(
    predictions: Sequence[str], references: Sequence[str], reader: BertTokenizerFast, wordnet: object
) -> dict[str, float]:
    """Score as MolT5's evaluator is written: one row after another, each metric by its package."""
    pieces = [
        [[piece for piece in reader.tokenize(text)[:512] if piece not in LEFT_OUT] for text in texts]
        for texts in (predictions, references)
    ]
    listed = [[reference] for reference in pieces[1]]
    rouge = RougeScorer(["rouge1", "rouge2", "rougeL"])
    scores = [rouge.score(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)]
    meteors = [
        meteor_score([reference], prediction, wordnet=wordnet)
        for prediction, reference in zip(pieces[0], pieces[1], strict=True)
    ]
    return {
        "bleu2": corpus_bleu(listed, pieces[0], weights=(0.5, 0.5)),
        "bleu4": corpus_bleu(listed, pieces[0], weights=(0.25,) * 4),
        **{name: sum(row[name].fmeasure for row in scores) / len(scores) for name in ("rouge1", "rouge2", "rougeL")},
        "meteor": sum(meteors) / len(meteors),
    }


def timed(work: Callable[[], object]) -> float:
    """Return the processor time of some work, in seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
