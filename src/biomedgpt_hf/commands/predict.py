"""`biomedgpt predict`: questions about every row of files."""

from typing import Annotated, Any

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.commands.restriction import show_restriction
from biomedgpt_hf.console import command, group, many, summarise
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION

commands = group("Many questions.")


@command(
    commands,
    "predict",
    'predict molecules.sdf --question "Describe this molecule." --output answers.jsonl',
    'predict proteins.fasta.gz --question "What is its function?" --question "Where is it?" --output answers.parquet',
    "predict table.csv --molecule-column smiles --question-column q --output answers.csv",
    'predict - --question "Describe this molecule." --output - < molecules.smi | head',
    note=USE_RESTRICTION,
)
def predict(
    inputs: options.Inputs,
    output: Annotated[str, typer.Option(metavar="FILE", help="File to write: .jsonl, .csv or .parquet; - for stdout.")],
    question: Annotated[list[str] | None, many("TEXT", "Asked about each row")] = None,
    question_column: Annotated[str | None, typer.Option(metavar="C", help="Column of each row's own question.")] = None,
    molecule_column: options.MoleculeColumn = None,
    protein_column: options.ProteinColumn = None,
    id_column: options.IdColumn = None,
    format: options.Format = None,
    output_format: Annotated[
        str | None, typer.Option(metavar="jsonl|csv", help="Of stdout; jsonl if none. A file's ending tells its own.")
    ] = None,
    checkpoint: options.Checkpoint = None,
    revision: options.Revision = None,
    batch_tokens: options.BatchTokens = 8192,
    max_new_tokens: options.MaxNewTokens = 256,
    num_beams: options.NumBeams = 1,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    top_k: options.TopK = None,
    seed: options.Seed = None,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    long_proteins: options.LongProteins = "report",
    items_as_text: options.ItemsAsText = False,
    chat_template: options.ChatTemplate = None,
    index: options.Index = None,
    neighbours: options.Neighbours = None,
    in_prompt: options.InPrompt = False,
    no_evidence: options.NoEvidence = False,
    min_confidence: options.MinConfidence = None,
) -> None:
    """Ask about every row of files. A killed run continues when the same command is given again.

    The checkpoint is a BioMedGPT, or any other causal language model, whose prompts have the items as text.

    Several processes share the work under torchrun: torchrun --nproc-per-node 8 -m biomedgpt_hf.cli predict …
    """
    from biomedgpt_hf.disk.streams import as_files, is_standard_output

    with as_files(inputs) as files:  # a missing file is told before torch is imported
        from biomedgpt_hf.files.items import Columns
        from biomedgpt_hf.inference.prediction.files import predict_files

        manifest = predict_files(
            files,
            output,
            question or (),
            columns=Columns(molecule_column or (), protein_column or (), question_column, id_column, format=format),
            output_format=output_format,
            checkpoint=checkpoint,
            revision=revision,
            batch_tokens=batch_tokens,
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            seed=seed,
            dtype=dtype,
            device=device,
            long_proteins=long_proteins,
            items_as_text=items_as_text,
            chat_template=chat_template,
            evidence=not no_evidence,
            index=index,
            neighbours=neighbours,
            in_prompt=in_prompt,
            min_confidence=min_confidence,
        )
    if "predictions" in manifest:  # only one process prints
        show_counts(manifest, output, is_standard_output(output))
        show_restriction()


def show_counts(manifest: dict[str, Any], output: str, on_stdout: bool) -> None:
    """Print how many answers there are, and warn of missing or invented ones."""
    from biomedgpt_hf.mini import DEMONSTRATION

    if manifest["checkpoint"] == "mini":
        typer.echo(f"Warning: {DEMONSTRATION}", err=True)
    if manifest["errors"]:
        typer.echo(
            f"Warning: {manifest['errors']:,} have status error, the first in {manifest['first_error']}", err=True
        )
    for column, rows in manifest.get("empty_cells", {}).items():
        typer.echo(
            f"Warning: {column!r} is empty in {rows:,} of the rows, which were asked about without it.", err=True
        )
    if incomplete := manifest.get("without_all_evidence"):
        typer.echo(
            f"Note: of {incomplete:,} answers, some known items did not stand in the prompt, for want of room or of "
            "words about them; in_prompt tells which did.",
            err=True,
        )
    if withheld := manifest.get("withheld"):
        typer.echo(
            f"Note: {withheld:,} left out, with the status withheld, for want of confidence (least wanted: "
            f"{manifest['min_confidence']:g}).",
            err=True,
        )
    if agreement := manifest.get("agreement"):
        compared = f"{agreement['same']} of {agreement['compared']} answers are the same when asked alone"
        typer.echo(f"In {manifest['dtype']}, {compared}.", err=True)
    summarise(output, f"{manifest['answered']:,} answers about {manifest['rows']:,} rows.", on_stdout=on_stdout)
