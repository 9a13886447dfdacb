"""`biomedgpt ask` and `biomedgpt chat`."""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.console import command, group, in_one_line, many

if TYPE_CHECKING:
    from biomedgpt_hf.inference.chat import Answer
    from biomedgpt_hf.neighbours import Neighbour

commands = group("Questions and answers.")


@command(
    commands,
    "ask",
    'ask "Describe this molecule." --molecule "CC(=O)OC1=CC=CC=C1C(=O)O"',
    'ask "What is the function of this protein?" --protein-file protein.fasta',
)
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.")],
    molecule: Annotated[list[str] | None, many("SMILES|INCHI", "A molecule")] = None,
    molecule_file: Annotated[list[Path] | None, many("FILE", "SDF, MOL, MOL2, SMILES or table file")] = None,
    protein: Annotated[list[str] | None, many("SEQUENCE", "A protein, by its residues")] = None,
    protein_file: Annotated[list[Path] | None, many("FILE", "FASTA, PDB, mmCIF or table file")] = None,
    chain: Annotated[list[str] | None, many("NAME", "A chain of a PDB or mmCIF file")] = None,
    checkpoint: options.Checkpoint = None,
    max_new_tokens: options.MaxNewTokens = 256,
    num_beams: options.NumBeams = 1,
    index: options.Index = None,
    neighbours: options.Neighbours = 0,
) -> None:
    """Answer one question. The answer goes to stdout, warnings go to stderr."""
    from biomedgpt_hf.files import items as files  # reads no library until a file is read
    from biomedgpt_hf.inference import chat

    molecules = list(molecule or [])
    proteins = list(protein or [])
    for file in molecule_file or []:
        molecules += files.read_molecules(file)
    if chain and not protein_file:
        raise ValueError("--chain chooses from a PDB or mmCIF file. Name that file with --protein-file.")
    for file in protein_file or []:
        distinct = files.read_distinct_chains(file, chain or ())
        proteins += distinct.proteins
        for note in distinct.notes:
            typer.echo(f"Warning: {note}", err=True)
    generation = {"max_new_tokens": max_new_tokens, "num_beams": num_beams}
    conversation = chat.Chat(checkpoint, index=index, neighbours=neighbours)
    answer = conversation.ask(question, molecules, proteins, **generation)
    show(answer, set())
    for neighbour in answer.neighbours:
        typer.echo(describe(neighbour))


@command(commands, "chat", "chat", "chat --checkpoint biomedgpt-10b")
def chat(checkpoint: options.Checkpoint = None) -> None:
    """Ask in turns, until Ctrl-D. The model sees all earlier turns. Ctrl-C stops an answer."""
    from biomedgpt_hf.inference.chat import Chat
    from biomedgpt_hf.modalities import MODALITIES

    conversation = Chat(checkpoint)
    columns = {f"/{name}": modality.column for name, modality in MODALITIES.items()}
    usage = " and ".join(f"/{name} ({modality.notation})" for name, modality in MODALITIES.items())
    typer.echo(f"{usage} go before a question; Ctrl-D ends.", err=True)
    items: dict[str, list[str]] = {column: [] for column in columns.values()}
    warned: set[str] = set()
    while (line := next_line()) is not None:
        word, _, item = line.partition(" ")
        if word in columns:
            items[columns[word]].append(item.strip())
        elif line:
            try:
                answer = say(conversation.stream(line, **items))
                warn(answer, warned)
            except ValueError as error:  # the conversation continues without this turn
                typer.echo(f"Error: {in_one_line(error)}", err=True)
            except KeyboardInterrupt:  # the conversation continues without this turn
                typer.echo("\nStopped.", err=True)
            items = {column: [] for column in items}


def next_line() -> str | None:
    """Read a line; None at the end of the input."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None


def say(pieces: "Generator[str, None, Answer]") -> "Answer":
    """Print an answer while it is written, and return the `Answer`."""
    while True:
        try:
            typer.echo(next(pieces), nl=False)
        except StopIteration as end:
            typer.echo()
            return end.value


def show(answer: "Answer", warned: set[str]) -> None:
    """Print an `Answer` after its warnings."""
    warn(answer, warned)
    typer.echo(answer.text)


def describe(neighbour: "Neighbour") -> str:
    """Return how similar a known item is, and what is known of it."""
    name = neighbour.id or neighbour.item[:60]
    known = " ".join(text.answer for text in neighbour.texts)
    nearness = "the same" if neighbour.same else f"similarity {neighbour.similarity:.2f}"
    return f"\nKnown {neighbour.modality} {name}, {nearness} ({neighbour.measure}; {neighbour.source}):\n{known}"


def warn(answer: "Answer", warned: set[str]) -> None:
    """Print an answer's warnings to stderr, each once."""
    for warning in answer.warnings:
        if warning not in warned:
            typer.echo(f"Warning: {warning}", err=True)
    warned.update(answer.warnings)
