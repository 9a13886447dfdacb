"""`biomedgpt ask` and `biomedgpt chat`."""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.commands.restriction import show_restriction
from biomedgpt_hf.console import command, group, in_one_line, many
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION

if TYPE_CHECKING:
    from biomedgpt_hf.chemistry.computed import ComputedFacts
    from biomedgpt_hf.inference.chat import Answer
    from biomedgpt_hf.inference.evidence import EvidenceSource
    from biomedgpt_hf.neighbours import Neighbour

commands = group("Questions and answers.")


@command(
    commands,
    "ask",
    'ask "Describe this molecule." --molecule "CC(=O)OC1=CC=CC=C1C(=O)O"',
    'ask "What is the function of this protein?" --protein-file protein.fasta',
    note=USE_RESTRICTION,
)
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.")],
    molecule: Annotated[list[str] | None, many("SMILES|INCHI", "A molecule")] = None,
    molecule_file: Annotated[list[Path] | None, many("FILE", "SDF, MOL, MOL2, SMILES or table file")] = None,
    protein: Annotated[list[str] | None, many("SEQUENCE", "A protein, by its residues")] = None,
    protein_file: Annotated[list[Path] | None, many("FILE", "FASTA, PDB, mmCIF or table file")] = None,
    chain: Annotated[list[str] | None, many("NAME", "A chain of a PDB or mmCIF file")] = None,
    molecule_column: options.MoleculeColumn = None,
    protein_column: options.ProteinColumn = None,
    format: options.Format = None,
    checkpoint: options.Checkpoint = None,
    revision: options.Revision = None,
    max_new_tokens: options.MaxNewTokens = 256,
    num_beams: options.NumBeams = 1,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    top_k: options.TopK = None,
    seed: options.Seed = None,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    index: options.Index = None,
    neighbours: options.Neighbours = None,
    in_prompt: options.InPrompt = False,
    no_evidence: options.NoEvidence = False,
    min_confidence: options.MinConfidence = None,
    json: Annotated[bool, typer.Option("--json", help="Print an object with the fields of predict's lines.")] = False,
) -> None:
    """Answer one question: the model's words first, then its confidence, what is known and computed.

    Warnings go to stderr.
    """
    if chain and not protein_file:
        raise ValueError("--chain chooses from a PDB or mmCIF file. Name that file with --protein-file.")
    check_file_options(molecule_file, protein_file, molecule_column, protein_column, format)
    molecules = Given(molecule, molecule_file, molecule_column)
    items = read_given(molecules, Given(protein, protein_file, protein_column), chain, format)
    from biomedgpt_hf.inference import chat

    generation: dict[str, float] = {"max_new_tokens": max_new_tokens, "num_beams": num_beams}
    sampling = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "seed": seed}
    generation |= {name: value for name, value in sampling.items() if value is not None}
    known: dict[str, Any] = {
        "evidence": not no_evidence,
        "index": index,
        "neighbours": neighbours,
        "in_prompt": in_prompt,
        "min_confidence": min_confidence,
    }
    conversation = chat.Chat(checkpoint, device, dtype=dtype, revision=revision, **known)
    answer = conversation.ask(question, *items, **generation)
    if json:
        show_json(question, answer, conversation.evidence)
    else:
        show(answer, set())
        show_evidence(answer, question)
    show_restriction()


def check_file_options(
    molecule_file: list[Path] | None,
    protein_file: list[Path] | None,
    molecule_column: list[str] | None,
    protein_column: list[str] | None,
    format: str | None,
) -> None:
    """Check that what is said about files belongs to files that are named.

    Raises:
        ValueError: it does not.
    """
    for option, given, files in (
        ("--molecule-column", molecule_column, molecule_file),
        ("--protein-column", protein_column, protein_file),
        ("--format", format, molecule_file or protein_file),
    ):
        if given and not files:
            raise ValueError(
                f"{option} tells how to read a file. Name that file with --molecule-file or --protein-file."
            )


class Given(NamedTuple):
    """What the command line says of the items of a modality: themselves, files with them, and columns of the files."""

    items: list[str] | None
    files: list[Path] | None
    columns: list[str] | None


def read_given(
    molecule: Given, protein: Given, chain: list[str] | None, format: str | None
) -> tuple[list[str], list[str]]:
    """Return the molecules and the proteins of a question, those of files included. `-` is standard input."""
    from biomedgpt_hf.disk.streams import as_files

    molecules, proteins = list(molecule.items or []), list(protein.items or [])
    first = len(molecule.files or [])
    named = [*(molecule.files or []), *(protein.files or [])]
    if not named:
        return molecules, proteins
    with as_files(named) as files:  # a missing file is told before the readers are imported
        from biomedgpt_hf.files.items import read_distinct_chains, read_molecules

        for name, file in zip(named[:first], files, strict=False):
            found = read_molecules(file, columns=molecule.columns or (), format=format)
            hint_at_many(name, len(found), "molecules")
            molecules += found
        for name, file in zip(named[first:], files[first:], strict=True):
            distinct = read_distinct_chains(file, chain or (), columns=protein.columns or (), format=format)
            hint_at_many(name, len(distinct.proteins), "proteins")
            proteins += distinct.proteins
            for note in distinct.notes:
                typer.echo(f"Warning: {note}", err=True)
    return molecules, proteins


def hint_at_many(file: Path, count: int, what: str) -> None:
    """Tell on stderr that all items of a file go into one question, where there are several."""
    if count > 1:
        name = "Standard input" if str(file) == "-" else file
        typer.echo(
            f"Note: {name} holds {count:,} {what}, and all of them go into this one question. "
            "For an answer about each, use `biomedgpt predict`.",
            err=True,
        )


def show_json(question: str, answer: "Answer", evidence: "EvidenceSource | None") -> None:
    """Print an `Answer` as a line of `biomedgpt predict`, after its warnings."""
    from biomedgpt_hf.inference.prediction.predictor import WITHHELD, Prediction
    from biomedgpt_hf.inference.prediction.writing import to_bytes

    warn(answer, set())
    is_there = answer.withheld is None
    status = ("ok" if is_there else WITHHELD, answer.withheld, question.strip(), answer.text if is_there else None)
    told = (answer.log_probability, answer.finish_reason, False, answer.confidence)
    neighbours = answer.neighbours if evidence and evidence.finder else None
    computed = answer.computed if evidence else None
    typer.echo(to_bytes(Prediction(1, "", *status, *told, neighbours, computed)))


@command(commands, "chat", "chat", "chat --checkpoint biomedgpt-10b", note=USE_RESTRICTION)
def chat(
    checkpoint: options.Checkpoint = None,
    revision: options.Revision = None,
    dtype: options.Dtype = "auto",
    device: options.Device = None,
    index: options.Index = None,
    neighbours: options.Neighbours = None,
    in_prompt: options.InPrompt = False,
    no_evidence: options.NoEvidence = False,
    min_confidence: options.MinConfidence = None,
) -> None:
    """Ask in turns, until Ctrl-D. The model sees all earlier turns. Ctrl-C stops an answer."""
    from biomedgpt_hf.inference.chat import Chat
    from biomedgpt_hf.modalities import MODALITIES

    known: dict[str, Any] = {
        "evidence": not no_evidence,
        "index": index,
        "neighbours": neighbours,
        "in_prompt": in_prompt,
        "min_confidence": min_confidence,
    }
    conversation = Chat(checkpoint, device, dtype=dtype, revision=revision, **known)
    _ = conversation.model  # loaded now, and not while the first question waits
    columns = {f"/{name}": modality.column for name, modality in MODALITIES.items()}
    show_restriction()
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
                show_confidence(answer)
                show_evidence(answer, line)
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
            if end.value.withheld is None:
                typer.echo()
            return end.value


def show(answer: "Answer", warned: set[str]) -> None:
    """Print an `Answer` after its warnings, and how right it is likely to be."""
    warn(answer, warned)
    if answer.withheld is None:
        typer.echo(answer.text)
    show_confidence(answer)


def show_confidence(answer: "Answer") -> None:
    """Print how right an answer is likely to be, or why it is left out, set apart from the model's words."""
    if answer.withheld is not None:
        typer.echo(f"The answer is left out. {answer.withheld}")
    elif answer.confidence is not None:
        share = f"{100 * answer.confidence:.0f} %"
        typer.echo(f"\nConfidence {answer.confidence:.2f}: of answers like this one, {share} was right on average.")


def show_evidence(answer: "Answer", question: str) -> None:
    """Print what is known and computed, set apart from the model's words."""
    for neighbour in answer.neighbours:
        typer.echo(f"\n{describe(neighbour, question)}")
    for facts in answer.computed:
        typer.echo(f"\n{describe_facts(facts)}")


def describe(neighbour: "Neighbour", question: str) -> str:
    """Return what a known item is, how near it is, and of what is known of it the answer to the likest question."""
    from biomedgpt_hf.neighbours.evidence import most_alike

    called = ", ".join(filter(None, (neighbour.name, neighbour.id))) or neighbour.item[:60]
    text = most_alike(question, neighbour.texts)
    known = text.answer if text else "Nothing is known of it in words."
    if others := len(neighbour.texts) - 1:
        known += f" ({others} more text{'s' if others > 1 else ''}: --json)"
    origin = f"{neighbour.source}, {neighbour.license}"
    if neighbour.identical:
        heading = f"Known: {called} ({origin})"
    elif neighbour.same:
        heading = f"Known in another form (stereo, salt or charge differs): {called} ({origin})"
    else:
        nearness = f"similarity {neighbour.similarity:.2f}, {neighbour.measure}"
        heading = f"Not known itself; nearest known {neighbour.modality}: {called} ({nearness}; {origin})"
    return f"{heading}:\n{known}"


def describe_facts(facts: "ComputedFacts") -> str:
    """Return what was computed of a molecule, in one line."""
    groups = ", ".join(facts.functional_groups) or "none of those that are looked for"
    charge = f"{facts.charge:+d}" if facts.charge else "0"
    told = f"formula {facts.formula}, weight {facts.weight:.2f} g/mol, charge {charge}"
    return f"Computed by {facts.computed_by} of {facts.molecule}: {told}; functional groups: {groups}."


def warn(answer: "Answer", warned: set[str]) -> None:
    """Print an answer's warnings to stderr, each once."""
    for warning in answer.warnings:
        if warning not in warned:
            typer.echo(f"Warning: {warning}", err=True)
    warned.update(answer.warnings)
