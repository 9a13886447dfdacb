"""`biomedgpt reproduce`: tables and figures of the paper, filled by the command line."""

from pathlib import Path
from typing import Annotated

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.commands.evaluate import NoWordNet, Ontology, Resamples, Tokenizer
from biomedgpt_hf.console import command, group, is_given, many

commands = group("Tables of the paper.")


@command(
    commands,
    "reproduce",
    "reproduce table3 --output scores/table3",
    'reproduce table2 --only "BioMedGPT-10B, fine-tuned" --output scores/table2',
    "reproduce my_table.yaml --set my_set --limit 500 --output scores/mine",
)
def reproduce(
    context: typer.Context,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="table2, table3, table4, figure4, mmlu, medconceptsqa, or the path of a YAML file."
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the table and a folder of each row.")],
    only: Annotated[list[str] | None, many("ROW", "Fill this row of it")] = None,
    source: Annotated[
        Path | None, typer.Option("--set", metavar="DIR", help="The set, or file of cases; else the recipe's.")
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Score so many rows of the set only.")] = None,
    batch_tokens: options.BatchTokens = 8192,
    max_new_tokens: options.MaxNewTokens = 256,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    tokenizer: Tokenizer = "allenai/scibert_scivocab_uncased",
    ontology: Ontology = None,
    no_wordnet: NoWordNet = False,
    resamples: Resamples = 1_000,
) -> None:
    """Fill a table or figure of the paper: every row evaluated, beside what the paper prints.

    The recipe of a table says in its opening lines which set it needs, and how its checkpoints are made;
    `biomedgpt recipes` lists and copies it. A killed run continues when the same command is given again; under torchrun
    several processes share the work.
    """
    from biomedgpt_hf.evaluation.paper_tables.run import reproduce as fill

    written = fill(
        table,
        output,
        only=only or (),
        source=source,
        limit=limit,
        resamples=resamples,
        scoring={
            "tokenizer": tokenizer,
            "ontology": None if ontology is None else str(ontology),
            "wordnet": not no_wordnet,
        },
        batch_tokens=batch_tokens,
        dtype=dtype,
        device=device,
        **({"max_new_tokens": max_new_tokens} if is_given(context, "max_new_tokens") else {}),
    )
    if written is not None:  # only one process prints
        typer.echo(written.read_text("utf-8"))
        typer.echo(f"{written} is written.", err=True)
