"""`biomedgpt convert` and `biomedgpt init`: where checkpoints come from."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from biomedgpt_hf.console import command, group

commands = group("Checkpoints.")
convert = group("Turn original checkpoints into folders that load here.")
commands.add_typer(convert, name="convert")

Output = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")]
Original = Annotated[Path, typer.Argument(metavar="FILE", help="The file as its authors publish it.")]
Part = Annotated[str | None, typer.Option(metavar="C", help="Take its config and tokenizer from here.")]
Dtype = Annotated[str | None, typer.Option(metavar="DTYPE", help="Such as bfloat16; the file's own if none.")]


@command(
    convert,
    "biomedgpt",
    "convert biomedgpt biomedgpt_10b.pth --language-model PharMolix/BioMedGPT-LM-7B --output biomedgpt-10b",
    "convert biomedgpt part1.bin part2.bin --language-model Llama-2-7b --output biomedgpt-10b",
)
def convert_biomedgpt(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Its parts, in any order.")],
    output: Output,
    language_model: Part = None,
    protein_encoder: Part = None,
    dtype: Dtype = None,
) -> None:
    """Convert an original BioMedGPT; configs not given are inferred."""
    from biomedgpt_hf import conversion

    show_report(conversion.convert_biomedgpt(files, output, language_model, protein_encoder, dtype))


@command(convert, "graphmvp", "convert graphmvp GraphMVP.pth --output graphmvp")
def convert_graphmvp(file: Original, output: Output, dtype: Dtype = None) -> None:
    """Convert GraphMVP's graph encoder."""
    from biomedgpt_hf import conversion

    show_report(conversion.convert_graphmvp(file, output, dtype=dtype))


@command(convert, "esm", "convert esm esm2_t36_3B_UR50D.pt --output esm2-3b")
def convert_esm(file: Original, output: Output, dtype: Dtype = None) -> None:
    """Convert an ESM-2 as fair-esm publishes it."""
    from biomedgpt_hf import conversion

    show_report(conversion.convert_fair_esm(file, output, dtype=dtype))


@command(convert, "language-model", "convert language-model biomedgpt-10b --output biomedgpt-lm")
def convert_language_model(
    checkpoint: Annotated[str, typer.Argument(metavar="C", help="A BioMedGPT: folder or Hub id.")], output: Output
) -> None:
    """Take the language model out of a BioMedGPT."""
    from biomedgpt_hf import conversion, register_auto_classes

    register_auto_classes()
    show_report(conversion.export_language_model(checkpoint, output))


def show_report(report: Any) -> None:
    """Print what a conversion did; all of it is in conversion.json."""
    typer.echo(f"Wrote {report.output}: {report.parameters:,} parameters.")
    for reason, count in Counter(report.dropped.values()).items():
        typer.echo(f"Tensors left out, {count}: {reason}.")
    for note in report.notes:
        typer.echo(note)
    typer.echo("Sources, checksums and every tensor left out or added: conversion.json there.")


@command(
    commands, "init", "init --language-model LM --protein-encoder ENCODER --molecule-encoder random --output new-model"
)
def init(
    language_model: Annotated[str, typer.Option(metavar="C", help="Folder or Hub id.")],
    protein_encoder: Annotated[str, typer.Option(metavar="C", help="Folder or Hub id.")],
    molecule_encoder: Annotated[str, typer.Option(metavar="C|random", help="Folder or Hub id, or a new GIN.")],
    output: Output,
    chat_template: Annotated[str, typer.Option(metavar="paper|language-model|FILE", help="Its prompts.")] = "paper",
    molecule_features: Annotated[
        str | None, typer.Option(metavar="graphmvp|ogb", help="What a new GIN reads; graphmvp if none.")
    ] = None,
    protein_feature_select: Annotated[
        str, typer.Option(metavar="full|residues", help="With or without the rows of <cls> and <eos>.")
    ] = "full",
) -> None:
    """Put a new model together; its projectors are untrained."""
    from biomedgpt_hf.assembly import assemble

    parts = (language_model, protein_encoder, molecule_encoder)
    assemble(*parts, output, chat_template, molecule_features, protein_feature_select=protein_feature_select)
    typer.echo(f"Wrote {output}")
