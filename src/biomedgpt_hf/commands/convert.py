"""`biomedgpt convert` and `biomedgpt init`: where checkpoints come from."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biomedgpt_hf.console import command, group

if TYPE_CHECKING:
    from biomedgpt_hf.conversion import ConversionReport

commands = group("Checkpoints.")
convert = group("Turn original checkpoints into folders that load here.")
commands.add_typer(convert, name="convert")

Output = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")]
Original = Annotated[Path, typer.Argument(metavar="FILE", help="The file as its authors publish it.")]
PartOption = Annotated[str | None, typer.Option(metavar="C", help="Take its config and tokenizer from here.")]
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
    language_model: PartOption = None,
    protein_encoder: PartOption = None,
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


def show_report(report: "ConversionReport") -> None:
    """Print what a conversion did; all of it is in conversion.json."""
    typer.echo(f"Wrote {report.output}: {report.parameters:,} parameters.")
    for reason, count in Counter(report.dropped.values()).items():
        typer.echo(f"Tensors left out, {count}: {reason}.")
    for note in report.notes:
        typer.echo(note)
    typer.echo("Sources, checksums and every tensor left out or added: conversion.json there.")


@command(
    commands,
    "init",
    "init --language-model LM --protein-encoder ENCODER --molecule-encoder random --output new-model",
    "init --checkpoint biomedgpt-10b --language-model fine-tuned-lm --output biomedgpt-10b-qa",
)
def init(
    language_model: Annotated[str, typer.Option(metavar="C", help="Folder or Hub id.")],
    output: Output,
    protein_encoder: Annotated[str | None, typer.Option(metavar="C", help="Folder or Hub id.")] = None,
    molecule_encoder: Annotated[
        str | None, typer.Option(metavar="C|random", help="Folder or Hub id, or a new GIN.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="C", help="Take everything else from this BioMedGPT, trained as it is.")
    ] = None,
    chat_template: Annotated[
        str | None, typer.Option(metavar="paper|language-model|FILE", help="Its prompts; the paper's if none.")
    ] = None,
    molecule_features: Annotated[
        str | None, typer.Option(metavar="graphmvp|ogb", help="What a new GIN reads; graphmvp if none.")
    ] = None,
    protein_feature_select: Annotated[
        str | None, typer.Option(metavar="full|residues", help="With or without the rows of <cls> and <eos>; with.")
    ] = None,
) -> None:
    """Put a new model together, with untrained projectors; or put another language model into one."""
    from biomedgpt_hf import assembly

    own = {
        "--protein-encoder": protein_encoder,
        "--molecule-encoder": molecule_encoder,
        "--chat-template": chat_template,
        "--molecule-features": molecule_features,
        "--protein-feature-select": protein_feature_select,
    }
    if checkpoint:
        if given := [option for option, value in own.items() if value]:
            raise ValueError(f"{given[0]} is the checkpoint's own: leave it out, or leave out --checkpoint.")
        assembly.exchange_language_model(checkpoint, language_model, output)
    elif protein_encoder is None or molecule_encoder is None:
        raise ValueError("A new model needs --protein-encoder and --molecule-encoder; or give --checkpoint.")
    else:
        parts = (language_model, protein_encoder, molecule_encoder)
        select = protein_feature_select or "full"
        template = chat_template or "paper"
        assembly.assemble(*parts, output, template, molecule_features, protein_feature_select=select)
    typer.echo(f"Wrote {output}")
