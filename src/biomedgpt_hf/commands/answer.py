"""`biomedgpt ask` and `biomedgpt chat`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from biomedgpt_hf.console import command, group, many, one_line

commands = group("Questions and answers.")

Checkpoint = Annotated[
    str | None, typer.Option(metavar="C", help="Folder or Hub id; without it, the embedded demonstration.")
]


@command(
    commands,
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


@command(commands, "chat", "chat", "chat --checkpoint biomedgpt-10b")
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
