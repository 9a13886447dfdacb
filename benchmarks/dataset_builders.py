"""Throughput and memory of the set builders, and Swiss-Prot reading against Biopython's.

    python benchmarks/dataset_builders.py --proteins sprot.dat --molecules train.txt [--times 10] [--processes 2]

Measures  reading Swiss-Prot entries against Bio.SwissProt, median of paired ratios on one thread; then whole builds of
          UniProtQA and PubChemQA as commands, from so many records and from --times as many: seconds (start included),
          records per second, and the largest resident memory of all processes together
Input     --proteins: a Swiss-Prot flat file; --molecules: a ChEBI-20 file, written as PubChem's pages and CID-SMILES.
          Larger ones repeat them, with other identifiers, rotated sequences and numbered texts; structures recur
Checks    first, that both readers give the same accessions, sequences and descriptions; then that no record is lost
Excludes  downloads. Leakage is included
Writes    tables with the time that as many records as the paper used would take, versions and commit
"""

import argparse
import gzip
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import Bio
import psutil
import pyarrow
import rdkit
from Bio import SwissProt
from comparison import describe_software, ratio

from biomedgpt_hf.files.uniprot.flat_file import parse_flat_entry, read_fields
from biomedgpt_hf.files.uniprot.formats import read_entries
from biomedgpt_hf.sets.chebi20.builder import read_table

PAPER = {"uniprotqa": 569_516, "pubchemqa": 365_129}  # proteins; texts of 325,754 molecules (§3.2)
PAGE = 1_000  # annotations in one of PubChem's pages
ENTRY = re.compile(r"^AC   (\w+);(.*?)^(SQ   [^\n]*\n)(.*?)^//\n", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Compare, builds, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--proteins", type=Path, required=True)
    parser.add_argument("--molecules", type=Path, required=True)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print(describe_software(Bio, pyarrow, rdkit))
    compare_reading(arguments.proteins)
    print(f"\n| set | records | processes | seconds | records/s | memory, MiB | {'paper, minutes':>14} |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, write, source in (
            ("uniprotqa", write_proteins, arguments.proteins),
            ("pubchemqa", write_pages, arguments.molecules),
        ):
            measure_builds(name, write, source, Path(folder), arguments.times, arguments.processes)


def compare_reading(path: Path) -> None:
    """Print the ratio of the two readers' times over all entries of a flat file."""
    entries = [record.content.data for record in read_entries(path) if record.problem is None]
    texts = [entry.decode() for entry in entries]
    for text in texts:
        ours, theirs = read_fields(text), SwissProt.read(io.StringIO(text))
        assert (ours.accessions, ours.sequence) == (theirs.accessions, theirs.sequence)
        assert " ".join(ours.description.split()) == " ".join(theirs.description.split())
    both = (
        lambda: [parse_flat_entry(entry) for entry in entries],
        lambda: [SwissProt.read(io.StringIO(text)) for text in texts],
    )
    print(f"\nReading {len(entries):,} entries, Bio.SwissProt = 1: {ratio(*both, repeats=5):.3f}")


def write_proteins(source: Path, folder: Path, times: int) -> tuple[list[Path], int]:
    """Write the entries of a flat file so many times; returns the file and how many entries it has."""
    text, target, count = source.read_text("utf-8"), folder / f"proteins-{times}.dat", 0
    with target.open("w", encoding="utf-8") as file:
        for turn in range(times):

            def altered(entry: re.Match[str], turn: int = turn) -> str:
                sequence = "".join(entry[4].split())
                turned = sequence[turn % len(sequence) :] + sequence[: turn % len(sequence)]
                return f"AC   {entry[1]}X{turn};{entry[2]}{entry[3]}     {turned}\n//\n"

            changed, number = ENTRY.subn(altered, text)
            file.write(changed)
            count += number
    return [target], count


def write_pages(source: Path, folder: Path, times: int) -> tuple[list[Path], int]:
    """Write captions so many times as PubChem's pages, with their structures; returns the files and how many."""
    captions = [record.content.cells for record in read_table(source) if record.problem is None]
    structures = folder / f"CID-SMILES-{times}.gz"
    pages, page = [], []
    with gzip.open(structures, "wt", compresslevel=1, encoding="utf-8") as file:
        for cid, (caption, turn) in enumerate(((c, turn) for turn in range(times) for c in captions), start=1):
            file.write(f"{cid}\t{caption['smiles']}\n")
            page.append(annotation(cid, f"{caption['description']} Text {turn}."))
            if len(page) == PAGE or cid == times * len(captions):
                pages.append(folder / f"page-{times}-{len(pages):05d}.json")
                pages[-1].write_text(json.dumps({"Annotations": {"Annotation": page, "Page": len(pages)}}), "utf-8")
                page = []
    return [*pages, structures], times * len(captions)


def annotation(cid: int, text: str) -> dict[str, object]:
    """Return a text as PUG-View's Record Description pages give it."""
    return {
        "SourceName": "ChEBI",
        "SourceID": f"CHEBI:{cid}",
        "ANID": cid,
        "LinkedRecords": {"CID": [cid]},
        "Data": [
            {
                "TOCHeading": {"type": "Compound", "#TOCHeading": "Record Description"},
                "Value": {"StringWithMarkup": [{"String": text}]},
            }
        ],
    }


def measure_builds(name: str, write: object, source: Path, folder: Path, times: int, processes: int) -> None:
    """Build a set from inputs of two sizes and prints a line for each."""
    for repetitions, workers in ((1, 1), (times, 1), (times, processes)):
        files, records = write(source, folder, repetitions)  # type: ignore[operator]
        output = folder / f"{name}-{repetitions}-{workers}"
        spent, memory = run(name, files, output, workers)
        counts = json.loads((output / "manifest.json").read_text())["counts"]
        assert counts["records_faulty"] == 0 and counts["records_read"] >= records, counts
        minutes = PAPER[name] / records * spent / 60
        figures = (f"{spent:.1f}", f"{records / spent:,.0f}", f"{memory:,.0f}", f"{minutes:.1f}")
        print("|", " | ".join((name, f"{records:,}", str(workers), *figures)), "|", flush=True)


def run(name: str, files: list[Path], output: Path, workers: int) -> tuple[float, float]:
    """Return the seconds that a build took and the most resident memory, in MiB, of its processes together."""
    words = ["data", name, *map(str, files), "--output", str(output), "--processes", str(workers)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "biomedgpt_command", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    most = 0
    while process.poll() is None:
        most = max(most, sum(resident(psutil.Process(process.pid))))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(words[:3])} … failed: run it by hand to see why.")
    return time.perf_counter() - started, most / 2**20


def resident(process: psutil.Process) -> Iterator[int]:
    """Yield the resident bytes of a process and of its children, where they still live."""
    try:
        for each in (process, *process.children(recursive=True)):
            yield each.memory_info().rss
    except psutil.Error:
        return


if __name__ == "__main__":
    main()
