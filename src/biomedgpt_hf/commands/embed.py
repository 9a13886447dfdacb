"""`biomedgpt embed`: vectors of the molecules or proteins of files."""

from typing import Annotated, Any

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.console import command, group, summarise

commands = group("Embeddings.")


@command(
    commands,
    "embed",
    "embed molecules.sdf --output molecules.parquet",
    "embed proteins.fasta.gz --features projected --output proteins.safetensors",
    "embed pairs.csv --modality protein --protein-column target --id-column name --output targets.parquet",
    "embed proteins.fasta --level tokens --output residues.safetensors",
)
def embed(
    inputs: options.Inputs,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="File to write: .parquet, .safetensors or .csv; - for CSV on stdout.")
    ],
    level: Annotated[
        str, typer.Option(metavar="pooled|tokens", help="One vector an item, or one an atom or residue.")
    ] = "pooled",
    features: Annotated[
        str, typer.Option(metavar="encoder|projected", help="Before, or after the projector to the language model.")
    ] = "encoder",
    modality: Annotated[
        str | None, typer.Option(metavar="molecule|protein", help="Which one to embed where rows have both.")
    ] = None,
    molecule_column: options.MoleculeColumn = None,
    protein_column: options.ProteinColumn = None,
    id_column: options.IdColumn = None,
    format: options.Format = None,
    checkpoint: options.Checkpoint = None,
    revision: options.Revision = None,
    batch_tokens: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most atoms or residues of a batch, padding included.")
    ] = 8192,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    long_proteins: options.LongProteins = "report",
) -> None:
    """Turn every molecule or protein of files into float16 vectors. A killed run continues when it is started again.

    A vector is the mean over an item's atoms or residues. Several processes share the work under torchrun.
    """
    from biomedgpt_hf.disk.streams import as_files, is_standard_output

    with as_files(inputs) as files:  # a missing file is told before torch is imported
        from biomedgpt_hf.files.items import Columns
        from biomedgpt_hf.inference.embedding.files import embed_files

        manifest = embed_files(
            files,
            output,
            columns=Columns(molecule_column or (), protein_column or (), None, id_column, format=format),
            modality=modality,
            level=level,
            features=features,
            checkpoint=checkpoint,
            revision=revision,
            batch_tokens=batch_tokens,
            dtype=dtype,
            device=device,
            long_proteins=long_proteins,
        )
    if "embedded" in manifest:  # only one process prints
        show_counts(manifest, output, is_standard_output(output))


def show_counts(manifest: dict[str, Any], output: str, on_stdout: bool) -> None:
    """Print how many embeddings there are, and warn of those that are missing."""
    if manifest["failed"]:
        first = manifest["failures"][0]
        where = f"the first in row {first['row']:,}: {first['error']}"
        typer.echo(f"Warning: {manifest['failed']:,} of {manifest['items']:,} have no embedding, {where}", err=True)
    if manifest["truncated"]:
        typer.echo(f"Warning: {manifest['truncated']:,} of {manifest['items']:,} were cut at their end.", err=True)
    vectors = f", {manifest['vectors']:,} vectors" if manifest["level"] == "tokens" else ""
    summarise(
        output,
        f"{manifest['embedded']:,} of {manifest['items']:,} {manifest['modality']}s{vectors}.",
        on_stdout=on_stdout,
    )
