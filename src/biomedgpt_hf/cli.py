"""The command line: `biomedgpt --help`, and `biomedgpt COMMAND --help` with an example of each.

Commands import what they use when they run, so that `--help` answers without loading torch. Each
only reads its arguments, calls one function of the package and prints what that returns.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from biomedgpt_hf.console import Commands, command, group, many, one_line

app = group("Ask about molecules and proteins in plain words.", cls=Commands)
convert = group("Turn original checkpoints into folders that load here.")
data = group("Turn public datasets into rows to train on.")
app.add_typer(convert, name="convert")
app.add_typer(data, name="data")

Checkpoint = Annotated[
    str | None, typer.Option(metavar="C", help="Folder or Hub id; without it, the embedded demonstration.")
]
Output = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")]
Sources = Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Files, plain or .gz.")]
Original = Annotated[Path, typer.Argument(metavar="FILE", help="The file as its authors publish it.")]
Part = Annotated[str | None, typer.Option(metavar="C", help="Take its config and tokenizer from here.")]
Dtype = Annotated[str | None, typer.Option(metavar="DTYPE", help="Such as bfloat16; the file's own if none.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Another seed gives another split.")]


@app.callback()
def biomedgpt(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="BIOMEDGPT_DEBUG", help="Show tracebacks of errors.")
    ] = False,
) -> None:
    """Ask about molecules and proteins in plain words."""


@command(
    app,
    "ask",
    'ask "Describe this molecule." --molecule "CC(=O)OC1=CC=CC=C1C(=O)O"',
    'ask "What is the function of this protein?" --protein-file protein.fasta',
)
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.")],
    molecule: Annotated[list[str] | None, many("SMILES|INCHI", "A molecule")] = None,
    molecule_file: Annotated[list[Path] | None, many("FILE", "SDF, MOL or SMILES file")] = None,
    protein: Annotated[list[str] | None, many("SEQUENCE", "A protein, by its residues")] = None,
    protein_file: Annotated[list[Path] | None, many("FILE", "FASTA file")] = None,
    checkpoint: Checkpoint = None,
    max_new_tokens: Annotated[int, typer.Option(metavar="N", min=1, help="Longest answer, in tokens.")] = 256,
    num_beams: Annotated[int, typer.Option(metavar="N", min=1, help="Beams; 1 is greedy.")] = 1,
) -> None:
    """Answer one question; the answer goes to stdout, warnings go to stderr."""
    from biomedgpt_hf.inference import chat
    from biomedgpt_hf.inference.structure_files import read_molecules, read_proteins

    molecules: list[Any] = list(molecule or [])
    proteins = list(protein or [])
    for file in molecule_file or []:
        molecules += read_molecules(file)
    for file in protein_file or []:
        proteins += read_proteins(file)
    generation = {"max_new_tokens": max_new_tokens, "num_beams": num_beams}
    show(chat.Chat(checkpoint).ask(question, molecules, proteins, **generation), set())


@command(app, "chat", "chat", "chat --checkpoint biomedgpt-10b")
def chat(checkpoint: Checkpoint = None) -> None:
    """Ask in turns, until Ctrl-D; the model sees the turns before."""
    from biomedgpt_hf.inference.chat import Chat

    conversation = Chat(checkpoint)
    typer.echo("/molecule SMILES and /protein SEQUENCE go before a question; Ctrl-D ends.", err=True)
    items: dict[str, list[str]] = {"/molecule": [], "/protein": []}
    warned: set[str] = set()
    while (line := next_line()) is not None:
        word, _, item = line.partition(" ")
        if word in items:
            items[word].append(item.strip())
        elif line:
            try:
                show(conversation.ask(line, items["/molecule"], items["/protein"]), warned)
            except ValueError as error:  # the conversation goes on without this turn
                typer.echo(f"Error: {one_line(error)}", err=True)
            items = {name: [] for name in items}


def next_line() -> str | None:
    """Read a line; None at the end of the input."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None


def show(answer: Any, warned: set[str]) -> None:
    """Print an `Answer`, each of its warnings once."""
    for warning in answer.warnings:
        if warning not in warned:
            typer.echo(f"Warning: {warning}", err=True)
    warned.update(answer.warnings)
    typer.echo(answer.text)


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


@command(app, "init", "init --language-model LM --protein-encoder ENCODER --molecule-encoder random --output new-model")
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


@command(
    data,
    "chebi20",
    "data chebi20 train.txt validation.txt --output chebi20",
    "data chebi20 chebi.obo --exclude test.txt --output definitions",
)
def data_chebi20(
    sources: Sources,
    output: Output,
    exclude: Annotated[list[Path] | None, many("FILE", "Leave out its molecules")] = None,
    seed: Seed = 0,
) -> None:
    """Build rows from ChEBI-20 files and ChEBI ontology modules."""
    from biomedgpt_hf.data import chebi20

    show_counts(chebi20.build(sources, output, exclude=exclude or [], seed=seed), output)


@command(data, "uniprotqa", "data uniprotqa uniprot_sprot.dat.gz --output uniprotqa")
def data_uniprotqa(
    sources: Sources,
    output: Output,
    reviewed_only: Annotated[bool, typer.Option("--reviewed-only", help="Keep Swiss-Prot entries only.")] = False,
    seed: Seed = 0,
) -> None:
    """Build rows from UniProtKB flat files."""
    from biomedgpt_hf.data import uniprotqa

    show_counts(uniprotqa.build(sources, output, reviewed_only=reviewed_only, seed=seed), output)


def show_counts(manifest: dict[str, Any], output: Path) -> None:
    """Print what a builder made."""
    counts = manifest["counts"]
    splits = ", ".join(f"{split} {rows}" for split, rows in counts["rows_by_split"].items())
    typer.echo(f"Wrote {counts['rows']} rows to {output} ({splits}).")
    if counts["records_rejected"]:
        typer.echo(f"Left out {counts['records_rejected']} records: see rejected.jsonl there.")


@command(app, "env", "env")
def env() -> None:
    """Print what a bug report needs."""
    from biomedgpt_hf.environment import describe_environment

    for name, value in describe_environment().items():
        typer.echo(f"{name:24} {value}")


def main() -> None:
    """Run the command line."""
    app(prog_name="biomedgpt")


if __name__ == "__main__":
    main()
