"""A checkpoint and any set: the one evaluation that the command line and recipes give, and its options.

    evaluate("chebi20", "scores", checkpoint="DIR", options=EvaluationOptions(limit=500))

Sets with texts as answers go to `evaluate_set`, sets of multiple choice to `choice_sets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from biomedgpt_hf.evaluation.by_date import read_cutoff
from biomedgpt_hf.evaluation.choice_sets import evaluate_choice_set, is_choice_set
from biomedgpt_hf.evaluation.evaluate_set import evaluate_set
from biomedgpt_hf.evaluation.finding_sets import find_set
from biomedgpt_hf.evaluation.metrics.registry import load_metrics
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.safety.questions import is_safety_set
from biomedgpt_hf.evaluation.set_rows import chosen_split, read_asked_rows
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT
from biomedgpt_hf.inference.answering import DEFAULT_NEW_TOKENS
from biomedgpt_hf.inference.evidence import check_evidence
from biomedgpt_hf.neighbours import NeighbourIndex
from biomedgpt_hf.neighbours.known_items import set_files


@dataclass(frozen=True)
class EvaluationOptions:
    """How a set is put to a checkpoint and scored; what a kind of set has no use for says nothing there.

    Attributes:
        split: None for the first of test and validation that the set has.
        limit: score only so many rows, spread over the split; None for all.
        memory: an index for the nearest-neighbour row; None for the set's own training rows.
        controls: ask also about another row's item, and about none.
        tokenizer: SciBERT's vocabulary: a folder with vocab.txt, or a Hub id.
        ontology: an ontology in OBO format, for partial credit.
        wordnet: False for METEOR without synonyms.
        resamples: of the bootstrap.
        cutoff: a day, month or year; rows whose entries were made before it and from it on are scored apart.
        processes: how many score where there are many rows; None is as many as there are processor cores.
        batch_tokens, num_beams, dtype, long_proteins, index, neighbours, in_prompt: see `PredictionSettings`.
        items_as_text, chat_template: likewise.
        max_new_tokens: of an answer; None for the usual number of the kind of set.
        protocol, few_shot, shuffles, description: of multiple choice, see `evaluate_choices`.
    """

    split: Literal["test", "validation", "train"] | None = None
    limit: int | None = None
    memory: str | None = None
    controls: bool = True
    tokenizer: str = SCIBERT
    ontology: str | None = None
    wordnet: bool = True
    resamples: int = RESAMPLES
    cutoff: str | None = None
    processes: int | None = None
    batch_tokens: int = 8192
    max_new_tokens: int | None = None
    num_beams: int = 1
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    long_proteins: Literal["report", "crop"] = "report"
    index: str | None = None
    neighbours: int | None = None
    in_prompt: bool = False
    items_as_text: bool = False
    chat_template: str | None = None
    protocol: Literal["loglik", "generate_lmflow", "generate_strict"] = "loglik"
    few_shot: int = 0
    shuffles: int = 0
    description: str = ""


ONLY_TEXTS = (
    *("memory", "controls", "tokenizer", "ontology", "wordnet", "num_beams", "long_proteins", "processes"),
    *("index", "neighbours", "in_prompt"),
)
ONLY_CHOICES = ("protocol", "few_shot", "shuffles", "description")


def evaluate(
    source: str | PathLike,
    output: str | PathLike,
    *,
    checkpoint: str | PathLike | None = None,
    revision: str | None = None,
    device: str | None = None,
    options: EvaluationOptions | None = None,
) -> dict[str, Any]:
    """Ask a checkpoint about a set, and score its answers beside the rows that tell what they are worth.

    Args:
        source: folder or Hub id of a set that `biomedgpt data` made, a benchmark of multiple choice, or "safety".
        output: folder to write. A run that was killed goes on with the same call.
        checkpoint: folder or Hub id; None is the embedded demonstration.
        revision: branch, tag or commit of a checkpoint on the Hub.
        device: where to run; None is the first of cuda, mps, cpu.
        options: how; None for the usual.

    Returns:
        The results that `metrics.json` holds; on processes other than the first, an empty dictionary.

    Raises:
        ValueError, OSError: see `evaluate_set` and `evaluate_choice_set`.
    """
    source, given = find_set(source), dict(vars(options or EvaluationOptions()))
    written = given.pop("max_new_tokens")
    told: dict[str, Any] = {"checkpoint": checkpoint, "revision": revision, "device": device}
    if not is_safety_set(source) and is_choice_set(source, given["split"]):
        told |= {name: value for name, value in given.items() if name not in ONLY_TEXTS}
        told |= {} if written is None else {"new_tokens": written}
        return evaluate_choice_set(source, output, examples=source if given["few_shot"] else (), **told)
    told |= {name: value for name, value in given.items() if name not in ONLY_CHOICES}
    told["max_new_tokens"] = DEFAULT_NEW_TOKENS if written is None else written
    return evaluate_set(source, output, **told)


def check_evaluation(source: str | PathLike, options: EvaluationOptions) -> None:
    """Find what an evaluation would fail at, without a model: a missing set or split, file, package or word list.

    Args:
        source, options: as for `evaluate`.

    Raises:
        MissingPackageError: a package is not installed.
        ValueError: the set cannot be scored, or not by this model.
        OSError: a set, an index, an ontology, the vocabulary or WordNet is missing.
    """
    source = find_set(source)
    if options.cutoff is not None:
        read_cutoff(options.cutoff)
    check_evidence(True, options.index, options.neighbours, options.in_prompt)
    if options.index is not None:
        NeighbourIndex.open(Path(options.index))
    if is_safety_set(source):
        return
    if is_choice_set(source, options.split):
        if options.few_shot and source.is_dir():
            set_files(source, ["train"])  # where examples come from
        return
    first = next(read_asked_rows(source, options.split or chosen_split(source)), None)
    if first is None:
        raise ValueError(f"{source} has no row to score in its split {options.split}.")
    if options.memory is not None:
        NeighbourIndex.open(Path(options.memory))
    load_metrics(tokenizer=options.tokenizer, wordnet=options.wordnet, ontology=options.ontology)
