"""Embeddings of all items of one modality in files. How long work is done is described in `long_runs.run`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.streams import is_standard_output
from biomedgpt_hf.files.items.items import Columns, Item
from biomedgpt_hf.files.items.reading import count_items, read_items
from biomedgpt_hf.inference.embedding.in_memory import EmbeddingSettings
from biomedgpt_hf.inference.embedding.parts import embed_parts, first_modality, parts_of
from biomedgpt_hf.inference.embedding.size import NOT_TAKEN, take_survey
from biomedgpt_hf.inference.embedding.writing import STREAMED, SUFFIXES, write_csv, write_parquet, write_safetensors
from biomedgpt_hf.inference.item_arguments import check_names
from biomedgpt_hf.inference.loading import check_choice, identify
from biomedgpt_hf.inference.long_runs.journal import Result
from biomedgpt_hf.inference.long_runs.processes import own_device, rank
from biomedgpt_hf.inference.long_runs.run import Done, check_output, run_over_files, stream_over_files, tell_columns
from biomedgpt_hf.modalities import MODALITIES


def embed_files(
    inputs: str | PathLike | Sequence[str | PathLike],
    output: str | PathLike,
    *,
    columns: Columns | None = None,
    modality: str | None = None,
    output_format: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Embeds the items of one modality in files, and writes a file of them in the order of the rows.

    Finished batches are kept. After a kill, the same call continues where the work stopped. Under torchrun, the
    processes share the work.

    Args:
        inputs: one file or several, as `files.items.reading.read_items` takes them.
        output: file to write, .parquet, .safetensors or .csv; `embedding.writing` describes its content. Or "-" for
            standard output, where the rows go as they are embedded, and which a killed run does not go on with.
        columns: which columns of tables to read. Columns that are not named are guessed by their usual names.
        modality: its name, such as "molecule". None takes the modality of the first row, if that row has only one.
        output_format: "csv", of standard output; a file's name tells its own.
        settings: see `EmbeddingSettings`.

    Returns:
        The manifest.

    Raises:
        FileExistsError: the output is there already.
        ValueError: the arguments do not fit together, the first row has several modalities, the ids and items are too
            long for a safetensors file, or not one item could be embedded.
        OSError: a file cannot be read or written, or the disk has not enough space. What was finished is kept.
    """
    check_names(settings, [field.name for field in fields(EmbeddingSettings)], "embed_files")
    suffix = check_output(output, SUFFIXES, STREAMED, output_format)
    output = Path(output)
    chosen = EmbeddingSettings(**settings)
    if suffix == ".csv" and chosen.level != "pooled":
        raise ValueError(f"level is {chosen.level!r}, which CSV cannot hold. Write a .parquet or .safetensors file.")
    columns = columns or Columns()
    paths = [Path(path) for path in ([inputs] if isinstance(inputs, str | PathLike) else inputs)]
    for path in paths:
        next(read_items([path], columns))  # what cannot be read is told before the checkpoint is loaded
    if modality is None:
        modality = first_modality(paths, columns)
    check_choice("modality", modality, tuple(MODALITIES))
    model, processor = chosen.load(own_device(chosen.device))
    embedder = chosen.embedder(model, processor, modality)
    streams = is_standard_output(output)
    survey = take_survey(paths, columns, embedder, output) if rank() == 0 and not streams else NOT_TAKEN
    facts = {
        **identify(chosen.checkpoint, model),
        "modality": modality,
        "level": chosen.level,
        "features": chosen.features,
        "dtype": str(model.dtype).removeprefix("torch."),
    }

    def work(window: Sequence[Item], done: Done) -> Iterator[list[Result]]:
        yield from embed_parts([part for item in window for part in parts_of(item, modality)], embedder, done)

    def write(path: Path, results: Iterator[Result]) -> dict[str, Any]:
        about: dict[str, Any] = {"width": embedder.width, "level": chosen.level, "about": facts}
        if suffix == ".csv":
            return write_csv(path, results, width=embedder.width)
        if suffix == ".parquet":
            return write_parquet(path, results, **about)
        return write_safetensors(path, results, header_size=survey.header, **about)

    if streams:
        told = tell_columns(paths, columns, modality)
        rows = count_items(paths, columns)
        results = stream_over_files(paths, columns, work=work, rows=rows, progress=chosen.progress)
        counts = write_csv(sys.stdout, results, width=embedder.width)
        manifest = {**facts, **told, "rows": rows, **counts}
    else:
        manifest = run_over_files(
            paths,
            output,
            columns,
            facts={**facts, "long_proteins": chosen.long_proteins},
            work=work,
            write=write,
            notes={"device": str(model.device), "batch_tokens": chosen.batch_tokens},
            rows=survey.rows,
            modality=modality,
            progress=chosen.progress,
        )
    if rank() == 0 and not manifest["embedded"]:
        first = manifest["failures"][0]["error"]
        raise ValueError(f"{output} is written, but no {modality} could be embedded. {first}")
    return manifest
