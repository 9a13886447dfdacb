"""Time of the text metrics, against scoring row by row as MolT5's evaluator does.

    python benchmarks/text_metrics.py --tokenizer scibert_scivocab_uncased
        [--predictions MOLT5.txt] [--entries uniprot.dat …] [--pairs 189150] [--rows 1000] [--repeats 5] [--processes N]

Measures  processor time of BLEU, ROUGE and METEOR together on some rows, NLTK and rouge_score called for each row = 1;
          median of paired, alternating ratios; then the time of all pairs, in one process and in N
Input     answers about proteins as UniProtQA has them, a third of the texts twice: composed here, or those of entries
          of UniProtKB; captions of a table of MolT5 (SMILES, ground truth, output) and their first sentences
Excludes  loading the vocabulary and WordNet
Writes    tables with versions and commit; that both give the same scores to 1e-9 is asserted first
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import nltk
import transformers
from comparison import cpu_seconds, describe_software
from nltk.translate.bleu_score import corpus_bleu
from nltk.translate.meteor_score import meteor_score
from rouge_score.rouge_scorer import RougeScorer
from transformers import BertTokenizerFast

from biomedgpt_hf.disk.workers import available_cores
from biomedgpt_hf.evaluation.text_metrics import TextScorer
from biomedgpt_hf.evaluation.text_metrics.meteor import WordFormReader
from biomedgpt_hf.evaluation.text_metrics.rouge import load_words
from biomedgpt_hf.evaluation.text_metrics.splitting import Splitter
from biomedgpt_hf.evaluation.text_metrics.word_pieces import LEFT_OUT, WordPieces
from biomedgpt_hf.evaluation.text_metrics.wordnet import load_wordnet
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries
from biomedgpt_hf.sets.uniprotqa.builder import QUESTIONS

Texts = list[str]
# Of the four questions of UniProtQA: what answers are made of, and how many of these parts one has.
VERBS = "Catalyzes Mediates Binds Regulates Inhibits Transports Hydrolyzes Phosphorylates Represses Activates".split()
THINGS = (
    "ATP|GTP|the ribosome|double-stranded DNA|D-glucose 6-phosphate|the 30S subunit|actin filaments|ubiquitin|zinc ions"
    "|L-glutamine|cyclic AMP|the outer membrane|tRNA(Phe)|fatty acyl-CoA|heme|the spindle pole|cytochrome c|NAD(+)"
).split("|")
ENDS = (
    "in a calcium-dependent manner|during cell division|by an ordered mechanism|in response to DNA damage"
    "|and is required for virulence|as part of the type III secretion system|at the stationary phase|in vitro"
).split("|")
NAMES = "kinase synthase reductase hydrolase transporter ligase protease receptor chaperone helicase".split()
PLACES = "Cytoplasm|Nucleus|Cell membrane; Multi-pass membrane protein|Secreted|Mitochondrion inner membrane".split("|")


def main() -> None:
    """Read the command line, assert parity, and print ratios and times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--entries", type=Path, nargs="*", default=[])
    parser.add_argument("--pairs", type=int, default=189_150)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--processes", type=int, default=available_cores())
    arguments = parser.parse_args()
    print(describe_software(nltk, transformers))
    answers = list(entry_answers(arguments.entries)) if arguments.entries else None
    predictions, references = answer_pairs(arguments.pairs, answers)
    kinds = {"answers about proteins": (predictions[: arguments.rows], references[: arguments.rows])}
    if arguments.predictions:
        kinds |= caption_pairs(arguments.predictions, arguments.rows)
    print("| texts | rows | here / row by row | µs a row here |\n|---|---|---|---|")
    for name, texts in kinds.items():
        ratio, seconds = compare(*texts, arguments.tokenizer, arguments.repeats)
        print(f"| {name} | {len(texts[0])} | {ratio:.2f} | {1e6 * seconds / len(texts[0]):.0f} |", flush=True)
    words = sum(len(text.split()) for text in (*predictions, *references)) / (2 * len(predictions))
    print(f"\n{len(predictions):,} answers about proteins, {words:.0f} words each\n")
    print("| processes | seconds | seconds of this process |\n|---|---|---|")
    tables = []
    for processes in dict.fromkeys((1, arguments.processes)):
        scorer = TextScorer(arguments.tokenizer, processes=processes)
        started = time.perf_counter()
        own = cpu_seconds(lambda scorer=scorer: tables.append(scorer.statistics(predictions, references)))
        print(f"| {processes} | {time.perf_counter() - started:.0f} | {own:.0f} |", flush=True)
    assert all((table == tables[0]).all() for table in tables)


def answer_pairs(count: int, answers: Sequence[str] | None) -> tuple[Texts, Texts]:
    """Return predictions and references: the same text, the same with other words in it, or another answer."""
    chance = random.Random(0)
    known = answers or [composed_answer(chance) for _ in range(count // 3 * 2)]
    words = " ".join(known[:2000]).split()
    references = [chance.choice(known) for _ in range(count)]
    if answers:  # there are few, and most proteins have a wording of their own
        references = [text if chance.random() < 0.3 else changed(text, words, chance) for text in references]
    kinds: tuple[Callable[[str], str], ...] = (
        lambda text: text,
        lambda text: changed(text, words, chance),
        lambda text: chance.choice(known),
    )
    return [chance.choices(kinds, (1, 5, 4))[0](text) for text in references], references


def changed(text: str, words: Sequence[str], chance: random.Random) -> str:
    """Return a text in which some words are others, or missing."""
    kept = (chance.choice(words) if chance.random() < 0.12 else word for word in text.split())
    return " ".join(word for word in kept if chance.random() > 0.08) or text


def composed_answer(chance: random.Random) -> str:
    """Return an answer to one of the four questions of UniProtQA, of the lengths that these have."""
    kind = chance.choices(range(len(QUESTIONS)), (24, 30, 26, 20))[0]
    name = (
        f"{chance.choice(THINGS).split()[-1]} {chance.choice(NAMES)} {chance.choice('ABCDEFGH')}{chance.randrange(99)}"
    )
    if kind == 0:
        sentences = (
            f"{chance.choice(VERBS)} {chance.choice(THINGS)} and {chance.choice(THINGS)} {chance.choice(ENDS)}."
            for _ in range(1 + int(chance.expovariate(0.25)))
        )
        return " ".join(sentences)
    if kind == 1:
        number = ".".join(str(chance.randrange(1, 9)) for _ in range(4))
        return (
            f"{name.capitalize()} (EC {number}). Also known as {name.upper()}; {chance.choice(VERBS)[:4]}-{name[:3]}."
        )
    if kind == 2:
        return f"Belongs to the {chance.choice(THINGS)} {chance.choice(NAMES)} superfamily. {name.capitalize()} family."
    return ". ".join(chance.sample(PLACES, chance.randrange(1, 4))) + "."


def entry_answers(paths: Sequence[Path]) -> Iterator[str]:
    """Yield what entries of UniProtKB answer to the four questions."""
    for path in paths:
        for record in read_entries(path):
            if record.problem is None:
                entry = parse_entry(record.content)
                yield from filter(None, (question.answer(entry) for question in QUESTIONS))


def caption_pairs(path: Path, rows: int) -> dict[str, tuple[Texts, Texts]]:
    """Return the captions of a table of MolT5, and their first sentences as short answers."""
    lines = [line.split("\t") for line in path.read_text("utf-8").split("\n")[1 : rows + 1] if line]
    captions = [line[2] for line in lines], [line[1] for line in lines]
    first = [text.split(". ")[0] for text in captions[0]], [text.split(". ")[0] for text in captions[1]]
    return {"captions": captions, "first sentences of captions": first}


def compare(predictions: Sequence[str], references: Sequence[str], tokenizer: str, repeats: int) -> tuple[float, float]:
    """Return the median of paired ratios, and the median time of ours in seconds."""
    reader, wordnet = BertTokenizerFast.from_pretrained(tokenizer), load_wordnet()

    def theirs() -> dict[str, float]:
        return row_by_row(predictions, references, reader, wordnet)

    scorer = TextScorer(reader, processes=1)

    def ours() -> dict[str, float]:
        # So that no part of a text, no stem and no synonym is remembered from the last time.
        scorer._forms, scorer._splitter = WordFormReader(wordnet), Splitter(WordPieces(reader), load_words())
        sums = scorer.statistics(predictions, references).sum(axis=0)
        return {name: float(value) for name, value in scorer.scores(sums).items()}

    expected, found = theirs(), ours()
    for name, value in expected.items():
        assert abs(found[name] - value) < 1e-9, (name, found[name], value)
    pairs = [(cpu_seconds(ours), cpu_seconds(theirs)) for _ in range(repeats)]
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


if __name__ == "__main__":
    main()
