"""A long run over the rows of files. It uses constant memory and several processes, and resumes after a kill.

`run_over_files` leaves

OUTPUT                the results in the order of the rows; it appears when all of them are finished
OUTPUT.manifest.json  what was asked for, and how it went
.OUTPUT.running/      the results so far, until then (see `journal`)

`stream_over_files` hands the results out as they come, for standard output, and leaves nothing.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from itertools import chain, islice
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from biomedgpt_hf.disk.databases import KEPT
from biomedgpt_hf.disk.full import naming_full_disk
from biomedgpt_hf.disk.manifests import describe_source, versions
from biomedgpt_hf.disk.paths import require_free, require_place
from biomedgpt_hf.disk.replacing import replace_file, write_json
from biomedgpt_hf.disk.streams import is_standard_output
from biomedgpt_hf.files.items.items import Columns, Item
from biomedgpt_hf.files.items.reading import column_notes, read_items
from biomedgpt_hf.inference.long_runs.journal import Journal, Result
from biomedgpt_hf.inference.long_runs.processes import rank, wait_for_all, world_size

logger = logging.getLogger(__name__)

LARGEST_WINDOW, SMALLEST_WINDOW = 1024, 32  # rows that are sorted by length together
STREAMED_WINDOW = 128  # the same, where somebody waits for the first of them
TOOLS = ("biomedgpt-hf", "torch", "transformers", "rdkit")

Done = AbstractSet[tuple[int, int]]  # (row, number)
Work = Callable[[Sequence[Item], Done], Iterator[list[Result]]]
Write = Callable[[Path, Iterator[Result]], dict[str, Any]]


def run_over_files(
    inputs: Sequence[str | PathLike],
    output: str | PathLike,
    columns: Columns,
    *,
    facts: Mapping[str, Any],
    work: Work,
    write: Write,
    notes: Mapping[str, Any],
    rows: int,
    read: Callable[[], Iterator[Item]] | None = None,
    modality: str | None = None,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Do some work for each row of files, and write the results in the order of the rows.

    Args:
        inputs: files, as `files.items.reading.read_items` takes them.
        output: file to write.
        columns: which columns of tables to read.
        facts: what else the results depend on, as JSON values. An unfinished run with other facts is not continued.
        work: gets some rows and the places of their finished results, and yields the other results, batch by batch.
        write: writes all results to a file, and returns what the manifest should tell of them.
        notes: further entries of the manifest.
        rows: the number of rows.
        read: yields the rows of these files, numbered from 1, where `read_items` does not read them.
        modality: the only one whose items are used; None where all are.
        progress: show a progress bar; None shows it on a terminal.

    Returns:
        The manifest, on every process.

    Raises:
        FileExistsError: the output is there already.
        ValueError: the input holds no rows, or the folder holds an unfinished run that was asked for something else.
        OSError: a file cannot be read, or the disk is full. What was finished is kept.
    """
    started = time.monotonic()
    paths, output = [Path(path) for path in inputs], Path(output)
    folder = running_folder(output)
    told = tell_columns(paths, columns, modality) if read is None else {}
    if not rows:
        raise ValueError(f"{', '.join(map(str, paths))}: there is no row to work on.")
    facts = {"inputs": describe_inputs(paths), "columns": columns.facts, **facts}
    journal = Journal(folder, facts, rank())
    try:
        if output.exists():  # the run was killed after it wrote this and before it removed the folder
            return _finished(output, journal, facts)
        items = read() if read is not None else read_items(paths, columns)
        _work_off(journal, items, rows, work, progress)
        wait_for_all()
        manifest = {
            **facts,
            **notes,
            **told,
            "rows": rows,
            "processes": world_size(),
            "versions": versions(*TOOLS),
        }
        if rank() == 0:
            manifest |= _write(journal, output, write, manifest, started)
        wait_for_all()  # the output is there, whichever process goes on to read it
        return manifest
    except KeyboardInterrupt:
        logger.warning("The run was interrupted. Finished results are kept; the same command continues from there.")
        raise
    finally:
        journal.close()


def tell_columns(paths: Sequence[Path], columns: Columns, modality: str | None = None) -> dict[str, list[str]]:
    """Warn of what was decided about columns, and return it as an entry of the manifest, if there is anything."""
    told = column_notes(paths, columns, modality)
    for note in told if rank() == 0 else ():
        logger.warning(note)
    return {"columns_passed_over": told} if told else {}


def stream_over_files(
    inputs: Sequence[Path], columns: Columns, *, work: Work, rows: int, progress: bool | None = None
) -> Iterator[Result]:
    """Do some work for each row of files, and yield the results in the order of the rows, some rows at a time.

    The arguments are those of `run_over_files`.

    Raises:
        OSError: a file cannot be read.
    """
    items = read_items(inputs, columns)
    hidden = sys.stdout.isatty() or (None if progress is None else not progress)
    with tqdm(desc="rows", total=rows, unit="", disable=hidden) as bar:
        while window := list(islice(items, STREAMED_WINDOW)):
            yield from sorted(chain.from_iterable(work(window, frozenset())), key=itemgetter(0, 1))
            sys.stdout.flush()
            bar.update(len(window))


def check_output(
    output: str | PathLike, suffixes: Sequence[str], streamed: Sequence[str], output_format: str | None = None
) -> str:
    """Check, before anything is loaded, that a run can begin or continue, and return the suffix of its format.

    Args:
        output: a file, or standard output.
        suffixes: the formats of files, such as ".jsonl".
        streamed: those of standard output; it has the first if no format is named.
        output_format: the format of standard output, without the dot.

    Raises:
        ValueError: the file's name does not end in one of the suffixes, or standard output cannot have the format, or
            several processes would share it.
        FileExistsError: the file exists already, and no killed run of the same kind has just written it.
        OSError: there is no folder that it can be written to.
    """
    output = Path(output)
    if is_standard_output(output):
        if world_size() > 1:
            raise ValueError("Several processes cannot write to standard output in order. Choose a file as --output.")
        if output_format is not None and f".{output_format}" not in streamed:
            known = " or ".join(streamed).replace(".", "")
            raise ValueError(f"The output format is {output_format!r}. Standard output is {known}.")
        return streamed[0] if output_format is None else f".{output_format}"
    if output_format is not None and output.suffix != f".{output_format}":
        raise ValueError(
            f"The output format is {output_format!r} and the file is {output}. Its ending decides the format: leave "
            "one out."
        )
    if output.suffix not in suffixes:
        raise ValueError(f"{output} must end in {' or '.join(suffixes)}. The ending decides the format.")
    if output.is_dir():
        raise FileExistsError(f"{output} is a folder. Remove it or choose another --output.")
    require_place(output)
    if not running_folder(output).exists():
        require_free(output)
    return output.suffix


def running_folder(output: Path) -> Path:
    """Return where the results of an unfinished run are kept."""
    return output.with_name(f".{output.name}.running")


def manifest_path(output: Path) -> Path:
    """Return where the manifest of an output is."""
    return output.with_name(f"{output.name}.manifest.json")


def describe_inputs(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what tells files from others: for each its name, size and checksum."""
    return [{name: describe_source(path)[name] for name in ("file", "bytes", "sha256")} for path in paths]


def _finished(output: Path, journal: Journal, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of an output that was complete when its run was killed, and remove the journal."""
    path = manifest_path(output)
    manifest = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if any(manifest.get(name) != fact for name, fact in json.loads(json.dumps(facts)).items()):
        require_free(output)
    journal.remove()
    return manifest


def _work_off(
    journal: Journal,
    items: Iterator[Item],
    rows: int,
    work: Work,
    progress: bool | None,
) -> None:
    """Do the unfinished part of this process's windows. Windows are given to the processes in turn."""
    begun = journal.rows()
    if begun and rank() == 0:
        logger.warning("The run continues after %d of %d rows.", begun, rows)
    size = min(LARGEST_WINDOW, max(SMALLEST_WINDOW, -(-rows // (2 * world_size()))))
    own = sum(min(size, rows - start) for start in range(size * rank(), rows, size * world_size()))
    hidden = rank() > 0 or (None if progress is None else not progress)
    before = begun // world_size()  # the rows of earlier runs do not count for the rate
    with tqdm(desc="rows", total=own, initial=before, unit="", disable=hidden) as bar:
        for number in range(-(-rows // size)):
            window = list(islice(items, size))
            if number % world_size() != rank():
                continue
            done = journal.done(window[0].row, window[-1].row)
            seen = {row for row, _ in done}
            for batch in work(window, done):
                journal.add(batch)
                new = {row for row, _, _ in batch} - seen  # a row counts with the first of its results
                seen |= new
                bar.update(len(new))


def _write(
    journal: Journal,
    output: Path,
    write: Write,
    manifest: Mapping[str, Any],
    started: float,
) -> dict[str, Any]:
    """Write the output and its manifest, remove the journal, and return the new entries of the manifest."""
    partial = journal.folder / output.name
    with naming_full_disk(partial, KEPT):
        counts = write(partial, journal.results())
    told = {
        **counts,
        "seconds": round(time.monotonic() - started, 1),  # this run alone, without killed ones
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(manifest_path(output), {**manifest, **told})
    replace_file(partial, output)  # it is on the disk before the journal is removed
    journal.remove()
    return told
