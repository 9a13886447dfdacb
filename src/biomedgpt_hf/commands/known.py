"""`biomedgpt data index` and `biomedgpt data evidence`: known items, and sets whose questions tell of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.commands.data import Output, show_counts
from biomedgpt_hf.console import command, group, many

commands = group("Known items.")


@command(
    commands,
    "index",
    "data index pubchemqa uniprotqa --output known",
    "data index uniprotqa --protein-embeddings embeddings.parquet --output known",
    "data index captions proteins --names chebi.obo --compact --output known",
)
def index(
    sets: Annotated[list[Path], typer.Argument(metavar="SET", help="Folders of sets built here.")],
    output: Output,
    splits: Annotated[str, typer.Option(metavar="A,B,…", help="Of which splits.")] = "train",
    protein_embeddings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare proteins by these, from biomedgpt embed.")
    ] = None,
    names: Annotated[
        list[Path] | None, many("FILE", "What ids are called: a table with id and name, or an OBO file")
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Keep sequences, not lists of 5-mers: small, for few questions at a time.")
    ] = False,
    processes: options.Processes = None,
) -> None:
    """Index the molecules and proteins of sets, to find the nearest known ones."""
    from biomedgpt_hf.disk.workers import available_cores
    from biomedgpt_hf.neighbours import build_index

    manifest = build_index(
        sets,
        output,
        splits=[split.strip() for split in splits.split(",")],
        protein_embeddings=protein_embeddings,
        names=names or (),
        compact=compact,
        processes=processes or available_cores(),
        progress=True,
    )
    counts = manifest["counts"]
    found = f"{counts['molecules']:,} molecules and {counts['proteins']:,} proteins with {counts['texts']:,} texts"
    left_out = {
        "molecules that RDKit cannot read": counts["unreadable_molecules"],
        "proteins without an embedding": counts["proteins_without_embedding"],
        "rows without either": counts["rows_without_items"],
    }
    reasons = "".join(f"; left out {number:,} {what}" for what, number in left_out.items() if number)
    typer.echo(f"Indexed {found} in {output}{reasons}.")


@command(
    commands,
    "evidence",
    "data evidence captions --index known --neighbours 3 --output captions-with-evidence",
    "data evidence captions --index known --checkpoint my_model --output captions-with-evidence",
)
def evidence(
    set_folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a set built here.")],
    output: Output,
    index: options.Index = None,
    neighbours: Annotated[int, typer.Option(metavar="K", min=1, help="Known items for each item of a row.")] = 1,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="C", help="Leave the farthest out where its context has no room for them.")
    ] = None,
    processes: options.Processes = None,
) -> None:
    """Put what is known of similar items, and never of the items themselves, into a set's questions."""
    from biomedgpt_hf.disk.workers import available_cores
    from biomedgpt_hf.mini import known_items
    from biomedgpt_hf.sets.evidence.builder import build_evidence_set

    folder = index or known_items()
    if folder is None:
        raise ValueError("This installation has no embedded index of known items. Name one with --index.")
    manifest = build_evidence_set(
        set_folder,
        folder,
        output,
        neighbours=neighbours,
        fits=None if checkpoint is None else context_of(checkpoint),
        processes=processes or available_cores(),
        progress=True,
    )
    show_counts(manifest, output)


def context_of(checkpoint: str) -> Callable[[dict[str, Any]], bool]:
    """Return what tells whether a row fits into a checkpoint's context, answers included."""
    from biomedgpt_hf.inference.loading import open_checkpoint
    from biomedgpt_hf.rows.schema import to_conversation

    config, processor = open_checkpoint(checkpoint)
    context = getattr(config.text_config, "max_position_embeddings", None)

    def fits(row: dict[str, Any]) -> bool:
        tokens = processor.apply_chat_template([to_conversation(row)], tokenize=True, return_dict=True)["input_ids"]
        return context is None or len(tokens[0]) <= context

    return fits
