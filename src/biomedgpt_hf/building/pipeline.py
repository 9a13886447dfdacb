"""Building a set from its sources, in six steps: read, parse, stage, split, settle repetitions, write.

    OUTPUT                    the finished set, or nothing
    .OUTPUT.building/         beside it while a build runs, and after it was interrupted

Running the same command again continues an interrupted build. Memory does not grow with the sources: records
stream through the workers, and results are in a SQLite file.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from tqdm.auto import tqdm

from biomedgpt_hf.building.card import About
from biomedgpt_hf.building.clusters import open_clusters
from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.exclusions import excluded_keys
from biomedgpt_hf.building.parsing import CHUNK, ParsedChunk, parse_chunks
from biomedgpt_hf.building.repetitions import CONTRADICTION, COPY, KEEP, repetition_options
from biomedgpt_hf.building.similarity_clusters import Clusters, SimilarityClusters, cluster_options
from biomedgpt_hf.building.splits import SplitChooser
from biomedgpt_hf.building.staging import EXCLUDED, Staging, fingerprint
from biomedgpt_hf.building.writer import DatasetWriter
from biomedgpt_hf.disk.databases import KEPT
from biomedgpt_hf.disk.full import naming_full_disk
from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.disk.paths import require_free
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.rows import schema
from biomedgpt_hf.rows.limits import TooManyRejectedError, parse_limit
from biomedgpt_hf.rows.schema import SPLITS

logger = logging.getLogger(__name__)


class BuildSettings(NamedTuple):
    """What every builder lets its user choose.

    Attributes:
        seed: another seed gives another split.
        exclude: files whose items must not be in the set.
        refuse_excluded: end with an error where a source has such an item, instead of leaving it out.
        clusters: table of protein clusters (see `building.clusters`). A cluster is on one side of the split.
        cluster_level: the level to read, for a table of UniProt.
        max_rejected: the number of faulty records that is allowed, or a share of them such as "1%".
        processes: number of worker processes; with 1, the work is done in this process.
        progress: show progress bars.
        duplicates: "keep" or "drop" all but the first of the rows that ask the same of the same items, with one answer.
        contradictions: "keep" or "drop" all rows that ask the same of the same items, with different answers.
        reuse: take the set that is in the folder already, if it is the one that would be built.
        by_similarity: keep proteins together that share 5-mers (see `building.similarity_clusters`), without a table.
        max_per_cluster: how many items of a cluster are kept; all if None.
    """

    seed: int = 0
    exclude: Sequence[Path] = ()
    refuse_excluded: bool = False
    clusters: Path | None = None
    cluster_level: str = "UniRef50"
    max_rejected: str | None = None
    processes: int = 1
    progress: bool = True
    duplicates: str = KEEP
    contradictions: str = KEEP
    reuse: bool = False
    by_similarity: bool = False
    max_per_cluster: int | None = None


DEFAULTS = BuildSettings()


def read_each(read: Callable[[Path], Iterable[Record]], paths: Iterable[Path]) -> Iterator[Record]:
    """Yield the records of several files. A file that cannot be read further gives a rejected record."""
    for path in paths:
        try:
            yield from read(Path(path))
        except SourceError as error:
            yield Record(Path(path).name, error.line, problem=RejectedRecord(error.reason, str(error)))


def build_set(
    output: Path,
    *,
    about: About,
    sources: Sequence[Path],
    read: Callable[[Path], Iterable[Record]],
    parse: Callable[[Record], Example],
    settings: BuildSettings,
    options: Mapping[str, Any] | None = None,
    compare_rows: bool = True,
) -> dict[str, Any]:
    """Build a set in the folder `output`.

    Args:
        output: folder to make.
        about: name, description and citation for the card.
        sources: the files that `read` reads, for checksums.
        read: gets a scratch folder and yields all records of the sources, in a fixed order.
        parse: turns a record into an example; picklable.
        settings: what the user chose.
        options: further settings that the set depends on, for the manifest.
        compare_rows: look for rows that repeat or contradict each other; False where `parse` rules them out.

    Returns:
        The manifest.

    Raises:
        FileExistsError: `output` already holds something.
        OSError: a source is missing, the disk is full, a worker died, or another build of this
            output is running. The finished part is kept for the next run.
        ValueError: a setting is wrong, no record gave a row, more were faulty than `settings.max_rejected`, or an
            excluded item is refused.
    """
    output = Path(output)
    building = output.with_name(f".{output.name}.building")
    if not building.exists() and not settings.reuse:
        require_free(output)
    allowed = parse_limit(settings.max_rejected)
    options = {**(options or {}), "seed": settings.seed}
    options |= repetition_options(settings.duplicates, settings.contradictions)
    options |= cluster_options(
        settings.clusters, settings.cluster_level, settings.by_similarity, settings.max_per_cluster
    )
    if settings.refuse_excluded:
        options |= {"refuse_excluded": True}
    facts: dict[str, Any] = {**about._asdict(), "sources": _describe_sources(sources, settings), "options": options}
    facts = json.loads(json.dumps(facts))  # in the form in which they are read from a manifest
    if (building.exists() or settings.reuse) and (finished := _finished(output, building, facts)):
        return finished
    require_free(output)
    schema_of_rows = schema.set_features().arrow_schema  # first, since it fails if a package is missing
    staging = Staging(building, fingerprint([schema.row_fields(), schema.ENTRY_DATE, facts]))
    done = False  # whether the folder beside the output is no longer needed
    try:
        _tell_start(staging, output)
        chunks = partial(parse_chunks, parse=parse, arrow_schema=schema_of_rows, compare_rows=compare_rows)
        _stage(staging, read(building), chunks, settings, allowed)
        split_notes = _split(staging, building, settings)
        repetitions = staging.settle({COPY: settings.duplicates, CONTRADICTION: settings.contradictions})
        _check_rejected(staging, allowed, at_end=True)
        for_leakage = {"processes": settings.processes, "progress": settings.progress}
        writer = DatasetWriter(output, **facts, partial=building / "set", leakage_options=for_leakage)
        with naming_full_disk(output, KEPT, staging.bytes_of_rows), writer:
            writer.repetitions = repetitions
            _write(staging, writer, settings, split_notes)
        done = True
    except KeyboardInterrupt:
        logger.warning("Interrupted after %d records. Run the same command again to go on.", staging.records)
        raise
    except ValueError:
        done = not staging.examples
        raise
    finally:
        staging.close()
        if done:
            shutil.rmtree(building, ignore_errors=True)
    return writer.manifest


def _describe_sources(sources: Iterable[Path], settings: BuildSettings) -> list[dict[str, Any]]:
    clusters = [settings.clusters] if settings.clusters else []
    roles = {"rows": sources, "exclusion": settings.exclude, "clusters": clusters}
    return [describe_source(path, role) for role, paths in roles.items() for path in paths]


def _finished(output: Path, building: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the manifest of a set that is complete: its build was killed before the scratch was removed, or ended."""
    if not (output / "manifest.json").is_file():
        return None
    manifest: dict[str, Any] = json.loads((output / "manifest.json").read_text("utf-8"))
    if any(manifest.get(name) != fact for name, fact in facts.items()):
        return None
    shutil.rmtree(building, ignore_errors=True)
    return manifest


def _tell_start(staging: Staging, output: Path) -> None:
    if staging.restarted:
        logger.warning("%s: an unfinished build with other settings was removed.", output)
    elif staging.records:
        logger.warning("%s: going on after %d records of an earlier run.", output, staging.records)


def _stage(
    staging: Staging,
    records: Iterable[Record],
    parse: Callable[..., Iterator[ParsedChunk]],
    settings: BuildSettings,
    allowed: tuple[float, float],
) -> None:
    """Parse and commit the records that an earlier run did not finish."""
    excluded = excluded_keys(settings.exclude, processes=settings.processes)
    remaining = islice(records, staging.records, None)
    silent = None if settings.progress else True
    with tqdm(desc="records", initial=staging.records, unit="", unit_scale=True, disable=silent) as bar:
        for chunk in parse(remaining, processes=settings.processes):
            staging.add(chunk, excluded)
            bar.update(len(chunk.records))
            if math.isfinite(allowed[0]):
                _check_rejected(staging, allowed, at_end=False)
    if settings.refuse_excluded:
        _refuse_excluded(staging)


def _refuse_excluded(staging: Staging) -> None:
    """Raise if a record was left out because an excluded file has its item."""
    found = [rejection for rejection in staging.rejections() if rejection.reason == EXCLUDED]
    if found:
        first = found[0]
        raise ValueError(
            f"{first.source}, line {first.line}: {first.id or 'the record'} is about {first.detail}, which is in an "
            f"excluded file, as {len(found):,} records are. Take them out of the sources, or leave --refuse-excluded "
            "out, and they are not taken over."
        )


def _split(staging: Staging, building: Path, settings: BuildSettings) -> Mapping[str, int]:
    """Give each example its split, and return the notes about it."""
    known = {"level": settings.cluster_level, "progress": settings.progress}
    with open_clusters(settings.clusters, building / "clusters.sqlite", **known) as table:
        clusters: Clusters | None = table
        if settings.by_similarity:
            sequences = (example.keys[0] for example in staging.accepted())
            clusters = SimilarityClusters(sequences, progress=settings.progress)
        choose_split = SplitChooser(staging, settings.seed, clusters, settings.max_per_cluster)
        staging.assign(choose_split)
    return choose_split.notes()


def _check_rejected(staging: Staging, allowed: tuple[float, float], *, at_end: bool) -> None:
    """Raise if too many records were faulty (a share is checked at the end), or if there is no row."""
    faulty, reasons = staging.faulty
    number, share = allowed
    if faulty > number or (at_end and faulty > share * staging.records):
        listed = staging.path.parent / "rejected.jsonl"
        with listed.open("w", encoding="utf-8") as file:
            file.writelines(rejection.to_json() for rejection in staging.rejections())
        most = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
        raise TooManyRejectedError(
            f"{faulty:,} of {staging.records:,} records read are faulty, more than --max-rejected allows ({most}). "
            f"They are listed in {listed}. Mend them, or allow more and run the command again: it goes on from here."
        )
    if at_end and not staging.examples:
        first = next(staging.rejections(), None)
        if first is None:
            raise ValueError("The sources hold no record.")
        reason = f"{first.reason}: {first.detail or first.id}"
        raise ValueError(f"No row could be made of the {staging.records:,} records read. The first: {reason}")


def _write(staging: Staging, writer: DatasetWriter, settings: BuildSettings, notes: Mapping[str, int]) -> None:
    """Write the staged rows, split by split, in the order of the sources."""
    writer.count_read(staging.records)
    writer.notes = {**staging.notes(), **notes}
    for rejection in staging.rejections():
        writer.reject(rejection)
    silent = None if settings.progress else True
    with tqdm(desc="writing", total=staging.records, unit="", unit_scale=True, disable=silent) as bar:
        for rows, splits in staging.chunks():
            for split in SPLITS:
                chosen = [of_row == split for of_row in splits]
                writer.write_table(split, rows.filter(pa.array(chosen, pa.bool_())))
            bar.update(CHUNK)
