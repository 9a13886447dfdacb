"""`biomedgpt evaluate`, `biomedgpt score` and `biomedgpt report`: what answers are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.console import command, group, many

commands = group("What answers are worth.")

Tokenizer = Annotated[
    str,
    typer.Option(metavar="C", help="SciBERT's vocabulary for BLEU and METEOR: a folder with vocab.txt, or a Hub id."),
]
Ontology = Annotated[
    Path | None, typer.Option(metavar="OBO", help="Ontology that gives a class above the right one credit in part.")
]
NoWordNet = Annotated[
    bool, typer.Option("--no-wordnet", help="METEOR without synonyms, under the name meteor_no_wordnet.")
]
Resamples = Annotated[int, typer.Option(metavar="N", min=100, help="Resamples of the bootstrap.")]
Cutoff = Annotated[
    str | None, typer.Option(metavar="DATE", help="Score apart what was entered before this day, month or year.")
]


@command(
    commands,
    "evaluate",
    "evaluate chebi20 --output scores",
    "evaluate my_set --checkpoint my_run --split validation --limit 500 --output scores",
    "evaluate biomedical_qa --protocol loglik --few-shot 5 --shuffles 3 --output scores",
)
def evaluate(
    set_folder: Annotated[Path, typer.Argument(metavar="SET", help="A set of `biomedgpt data`, or the word safety.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for predictions, scores and report.")],
    checkpoint: options.Checkpoint = None,
    revision: options.Revision = None,
    split: Annotated[str | None, typer.Option(metavar="SPLIT", help="test, validation or train.")] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Score so many rows only.")] = None,
    memory: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Index for the nearest-neighbour row; else the set's training rows."),
    ] = None,
    no_controls: Annotated[
        bool, typer.Option("--no-controls", help="Do not ask about another item and about none.")
    ] = False,
    batch_tokens: options.BatchTokens = 8192,
    max_new_tokens: options.MaxNewTokens = 256,
    num_beams: options.NumBeams = 1,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    long_proteins: options.LongProteins = "report",
    tokenizer: Tokenizer = "allenai/scibert_scivocab_uncased",
    ontology: Ontology = None,
    no_wordnet: NoWordNet = False,
    resamples: Resamples = 1_000,
    cutoff: Cutoff = None,
    processes: options.Processes = None,
    protocol: Annotated[
        str, typer.Option(metavar="P", help="Of multiple choice: loglik, generate_lmflow or generate_strict.")
    ] = "loglik",
    few_shot: Annotated[int, typer.Option(metavar="N", min=0, help="Of multiple choice: answered examples.")] = 0,
    shuffles: Annotated[int, typer.Option(metavar="N", min=0, help="Of multiple choice: further orders.")] = 0,
) -> None:
    """Ask a checkpoint about a set, and score its answers beside the rows that tell what they are worth.

    A killed run continues when the same command is given again; under torchrun several processes share the work.
    """
    from biomedgpt_hf.evaluation.choice_sets import evaluate_choice_set, is_choice_set
    from biomedgpt_hf.evaluation.evaluate_set import evaluate_set
    from biomedgpt_hf.evaluation.report.markdown import as_markdown
    from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
    from biomedgpt_hf.evaluation.safety.questions import is_safety_set

    if not is_safety_set(set_folder) and is_choice_set(set_folder, split):
        chosen = evaluate_choice_set(
            set_folder,
            output,
            resamples=resamples,
            cutoff=cutoff,
            checkpoint=checkpoint,
            revision=revision,
            split=split,
            protocol=protocol,
            few_shot=few_shot,
            examples=set_folder if few_shot else (),
            shuffles=shuffles,
            batch_tokens=batch_tokens,
            dtype=dtype,
            device=device,
        )
        if chosen:  # only one process prints
            typer.echo(as_markdown(put_side_by_side([output / "metrics.json"])))
        return
    results = evaluate_set(
        set_folder,
        output,
        split=split,
        limit=limit,
        memory=memory,
        controls=not no_controls,
        tokenizer=tokenizer,
        ontology=ontology,
        wordnet=not no_wordnet,
        resamples=resamples,
        cutoff=cutoff,
        processes=processes,
        checkpoint=checkpoint,
        revision=revision,
        batch_tokens=batch_tokens,
        max_new_tokens=max_new_tokens,
        num_beams=num_beams,
        dtype=dtype,
        device=device,
        long_proteins=long_proteins,
    )
    if results:  # only one process prints
        typer.echo(as_markdown(put_side_by_side([output / "metrics.json"])))
        typer.echo(f"{output / 'report.md'} and its charts are written.", err=True)


@command(
    commands,
    "score",
    "score answers.jsonl --output metrics.json",
    "score answers.jsonl other.jsonl --set chebi20 --output metrics.json",
    "score molt5-large-smiles2caption.txt --tokenizer scibert_scivocab_uncased --output metrics.json",
)
def score(
    predictions: Annotated[list[Path], typer.Argument(metavar="PREDICTIONS", help="Files with answers, a run each.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="metrics.json to write.")],
    set_folder: Annotated[
        Path | None, typer.Option("--set", metavar="DIR", help="The set that has the references, where files do not.")
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="SPLIT", help="Of the set; test or else validation.")] = None,
    name: Annotated[list[str] | None, many("NAME", "Name of a run, in the order of the files")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Score though rows of the set have no answer.")] = False,
    tokenizer: Tokenizer = "allenai/scibert_scivocab_uncased",
    ontology: Ontology = None,
    no_wordnet: NoWordNet = False,
    resamples: Resamples = 1_000,
    cutoff: Cutoff = None,
    processes: options.Processes = None,
) -> None:
    """Score files of answers without a model: with intervals, by kind of question, and compared row by row."""
    from biomedgpt_hf.evaluation.report.markdown import as_markdown
    from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
    from biomedgpt_hf.evaluation.score_files import score_files

    score_files(
        predictions,
        output,
        set_folder=set_folder,
        split=split,
        names=name,
        partial=partial,
        tokenizer=tokenizer,
        ontology=ontology,
        wordnet=not no_wordnet,
        resamples=resamples,
        cutoff=cutoff,
        processes=processes,
    )
    typer.echo(as_markdown(put_side_by_side([output])))


@command(commands, "report", "report metrics.json", "report mini/metrics.json larger/metrics.json --output report")
def report(
    metrics: Annotated[
        list[Path], typer.Argument(metavar="METRICS", help="metrics.json files; the first is compared.")
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for report.md, scores.csv and a PNG of each metric.")
    ] = None,
) -> None:
    """Put runs side by side, paired row by row; to the terminal, or as a report with charts."""
    from biomedgpt_hf.evaluation.report.markdown import as_markdown
    from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
    from biomedgpt_hf.evaluation.report.writing import write_report

    results = put_side_by_side(metrics)
    if output is None:
        typer.echo(as_markdown(results))
        return
    write_report(output, results)
    typer.echo(f"{output / 'report.md'}: {len(results.runs)} runs side by side.")
