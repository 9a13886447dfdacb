"""`biomedgpt evaluate`, `biomedgpt score` and `biomedgpt report`: what answers are worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biomedgpt_hf.commands import hub, options
from biomedgpt_hf.commands.restriction import show_restriction
from biomedgpt_hf.console import command, group, is_given, many, refuse_options
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION

if TYPE_CHECKING:
    from biomedgpt_hf.publishing.destination import Destination

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


# Options of `evaluate` that have no use for a kind of set.
OF_CHOICES = ("protocol", "few_shot", "shuffles")
OF_TEXTS = ("tokenizer", "ontology", "no_wordnet", "processes")
OF_ITEMS = ("memory", "no_controls", "long_proteins", "index", "neighbours", "in_prompt")


@command(
    commands,
    "evaluate",
    "evaluate chebi20 --output scores",
    "evaluate my_set --checkpoint my_run --split validation --limit 500 --output scores",
    "evaluate chebi20 --in-prompt --index known --neighbours 3 --output scores-with-evidence",
    "evaluate biomedical_qa --protocol loglik --few-shot 5 --shuffles 3 --output scores",
    "evaluate chebi20 --checkpoint my_run --output scores --update-card",
    "evaluate pubchemqa --checkpoint my_run --output scores --push-to-hub my-name/scores",
    note=USE_RESTRICTION,
)
def evaluate(
    context: typer.Context,
    set_folder: Annotated[
        Path, typer.Argument(metavar="SET", help="A set of `biomedgpt data`: folder or Hub id; or safety.")
    ],
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
    items_as_text: options.ItemsAsText = False,
    chat_template: options.ChatTemplate = None,
    tokenizer: Tokenizer = "allenai/scibert_scivocab_uncased",
    ontology: Ontology = None,
    no_wordnet: NoWordNet = False,
    resamples: Resamples = 1_000,
    cutoff: Cutoff = None,
    index: options.Index = None,
    neighbours: options.Neighbours = None,
    in_prompt: options.InPrompt = False,
    processes: options.Processes = None,
    protocol: Annotated[
        str, typer.Option(metavar="P", help="Of multiple choice: loglik, generate_lmflow or generate_strict.")
    ] = "loglik",
    few_shot: Annotated[int, typer.Option(metavar="N", min=0, help="Of multiple choice: answered examples.")] = 0,
    shuffles: Annotated[int, typer.Option(metavar="N", min=0, help="Of multiple choice: further orders.")] = 0,
    update_card: Annotated[
        bool, typer.Option("--update-card", help="Write the scores into the card of the checkpoint's folder, too.")
    ] = False,
    push_to_hub: hub.PushToHub = None,
    private: hub.Private = False,
    permit_license: hub.PermitLicense = None,
    hub_revision: hub.HubRevision = None,
    create_pr: hub.CreatePr = False,
    commit_message: hub.CommitMessage = None,
) -> None:
    """Ask a checkpoint about a set, and score its answers beside the rows that tell what they are worth.

    The checkpoint is a BioMedGPT, or any other causal language model, whose prompts have the items as text.
    A killed run continues when the same command is given again; under torchrun several processes share the work.
    """
    from biomedgpt_hf.evaluation.evaluate import EvaluationOptions
    from biomedgpt_hf.evaluation.evaluate import evaluate as evaluate_checkpoint
    from biomedgpt_hf.evaluation.finding_sets import find_set
    from biomedgpt_hf.evaluation.report.markdown import as_markdown
    from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side

    set_folder = find_set(set_folder)
    destination = hub.find_destination(push_to_hub, private, permit_license, hub_revision, create_pr, commit_message)
    if destination is not None:
        check_scored_licenses(set_folder, split, destination)
    if update_card:
        check_has_card(checkpoint)
    refuse_idle_options(context, set_folder, split, protocol)
    asked: dict[str, Any] = {
        "split": split,
        "limit": limit,
        "memory": None if memory is None else str(memory),
        "controls": not no_controls,
        "tokenizer": tokenizer,
        "ontology": None if ontology is None else str(ontology),
        "wordnet": not no_wordnet,
        "resamples": resamples,
        "cutoff": cutoff,
        "processes": processes,
        "batch_tokens": batch_tokens,
        "max_new_tokens": max_new_tokens if is_given(context, "max_new_tokens") else None,
        "num_beams": num_beams,
        "dtype": dtype,
        "long_proteins": long_proteins,
        "index": None if index is None else str(index),
        "neighbours": neighbours,
        "in_prompt": in_prompt,
        "items_as_text": items_as_text,
        "chat_template": chat_template,
        "protocol": protocol,
        "few_shot": few_shot,
        "shuffles": shuffles,
    }
    results = evaluate_checkpoint(
        set_folder,
        output,
        checkpoint=checkpoint,
        revision=revision,
        device=device,
        options=EvaluationOptions(**asked),
    )
    if not results:  # only one process prints
        return
    typer.echo(as_markdown(put_side_by_side([output / "metrics.json"])))
    typer.echo(f"{output / 'report.md'} and its charts are written.", err=True)
    if update_card:
        put_into_card(str(checkpoint), set_folder, results)
    show_restriction()
    if destination is not None:
        hub.upload_result(output, destination)


def refuse_idle_options(context: typer.Context, set_folder: Path, split: str | None, protocol: str) -> None:
    """Raise a ValueError for an option that was given and has no use for the kind of set."""
    from biomedgpt_hf.evaluation.choice_sets import is_choice_set
    from biomedgpt_hf.evaluation.safety.questions import is_safety_set

    if is_safety_set(set_folder):
        refuse_options(context, (*OF_CHOICES, *OF_TEXTS, *OF_ITEMS, "split"), "the safety set")
    elif is_choice_set(set_folder, split):
        refuse_options(context, (*OF_TEXTS, *OF_ITEMS, "num_beams"), "questions of multiple choice")
        if protocol == "loglik":
            refuse_options(context, ["max_new_tokens"], "the protocol loglik, in which no text is written")
        if set_folder.is_file():
            refuse_options(context, ["split"], "a file of questions")
    else:
        refuse_options(context, OF_CHOICES, "a set without questions of multiple choice")


def check_has_card(checkpoint: str | None) -> None:
    """Raise a ValueError, before anything is asked, unless scores can be written into a checkpoint's card."""
    from biomedgpt_hf.publishing.card_file import why_not_recorded

    if checkpoint is None or not Path(checkpoint).is_dir():
        shown = "the embedded demonstration" if checkpoint is None else f"{checkpoint}, which is no folder here"
        raise ValueError(f"--update-card is for a checkpoint's folder, and this is {shown}. Leave it out.")
    if reason := why_not_recorded(checkpoint):
        raise ValueError(f"--update-card cannot be heeded: {reason}.")


def put_into_card(checkpoint: str, set_folder: Path, results: Mapping[str, Any]) -> None:
    """Write scores into the configuration and the card of a checkpoint's folder."""
    from biomedgpt_hf.evaluation.finding_sets import set_title
    from biomedgpt_hf.evaluation.report.card_record import card_record
    from biomedgpt_hf.publishing.card_file import CARD, record_scores

    record_scores(checkpoint, [card_record(results, title=set_title(set_folder))])
    typer.echo(f"{Path(checkpoint, CARD)} tells these scores.", err=True)


def check_scored_licenses(source: Path, split: str | None, destination: Destination) -> None:
    """Check, before anything is asked, that predictions with the set's references may be published.

    Raises:
        LicenseError: they may not.
    """
    from biomedgpt_hf.evaluation.finding_sets import scored_depositors
    from biomedgpt_hf.rows.licenses import check_licenses

    if not destination.private:
        check_licenses(scored_depositors(source, split), permitted=destination.permitted)


@command(
    commands,
    "score",
    "score answers.jsonl --output metrics.json",
    "score answers.jsonl other.jsonl --set chebi20 --output metrics.json",
    "score biomedgpt.jsonl gpt_batch_output.jsonl llama.csv molt5.txt --set chebi20 --output metrics.json",
    "score molt5-large-smiles2caption.txt --tokenizer scibert_scivocab_uncased --output metrics.json",
)
def score(
    predictions: Annotated[list[Path], typer.Argument(metavar="PREDICTIONS", help="Files with answers, a run each.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="metrics.json to write.")],
    set_folder: Annotated[
        Path | None,
        typer.Option("--set", metavar="DIR", help="The set, or a table, that has the references, where files do not."),
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
