"""Speed of the search for the nearest known molecules.

    python benchmarks/nearest_known.py [FILE…] [--known 20000] [--asked 300] [--neighbours 3] [--processes 2]

Measures  `NearestBits` against a comparison with every known molecule, as it was; medians of paired ratios of processor
          time, alternating in one process on one thread. Then whole questions, from SMILES to neighbours with their
          texts, per second of elapsed time, on one and on several processes
Input     molecules of files (the first word of each line), or of 40 drugs; where they are fewer than `--known`, further
          ones are made of them: of a molecule, one or two hydrogens on carbon are replaced by F, Cl, Br, OH, NH2 or
          CH3. The asked ones are drawn from the molecules of the files, and their own structures are left out
Asserts   first, that both ways find the same molecules with the same scores in the same order
Writes    a table with versions and commit
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rdkit
import scipy
from comparison import cpu_seconds, describe_software, ratio
from rdkit import Chem, rdBase
from smiles_to_batch import DRUGS

from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.neighbours.many import nearest_of_many
from biomedgpt_hf.rows.schema import features, question_row
from biomedgpt_hf.similarity.fingerprints import BITS, fingerprint_bits
from biomedgpt_hf.similarity.nearest_bits import NearestBits
from biomedgpt_hf.similarity.ranking import best
from biomedgpt_hf.similarity.scores import tanimoto
from biomedgpt_hf.similarity.shared_features import BitTable
from biomedgpt_hf.similarity.structure_key import main_fragment

SUBSTITUENTS = (9, 17, 35, 8, 7, 6)
Found = list[tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Make molecules, compares, times, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--known", type=int, default=20_000)
    parser.add_argument("--asked", type=int, default=300)
    parser.add_argument("--neighbours", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    given = read(arguments.files) if arguments.files else [line.split()[0] for line in DRUGS.split("\n") if line]
    with rdBase.BlockLogs():
        molecules = list(enumerated(given, arguments.known))
    asked = random.Random(0).sample(molecules[: len(given)], min(arguments.asked, len(given)))
    print(f"{describe_software(np, scipy, rdkit)}\n")
    print(f"{len(molecules):,} known molecules, {len(asked)} asked for their {arguments.neighbours} nearest\n")
    with rdBase.BlockLogs():
        measure_search(molecules, asked, arguments.neighbours, arguments.repeats)
    measure_questions(molecules, asked, arguments.neighbours, arguments.processes)


def read(files: list[Path]) -> list[str]:
    """Return the canonical SMILES of the molecules of files, each once, without those that RDKit cannot read."""
    words = (line.split()[0] for file in files for line in file.read_text("utf-8").splitlines() if line.strip())
    with rdBase.BlockLogs():
        parsed = filter(None, map(Chem.MolFromSmiles, words))
        return list(dict.fromkeys(Chem.MolToSmiles(one) for one in parsed if one.GetNumAtoms()))


def enumerated(given: list[str], known: int) -> Iterator[str]:
    """Yield the given molecules, and others that are made of them until there are as many as wanted."""
    chance, seen, place = random.Random(0), set(given), 0
    yield from given[:known]
    parents = [Chem.MolFromSmiles(one) for one in given]
    while len(seen) < known:
        made = substituted(Chem.RWMol(parents[place % len(parents)]), chance)
        place += 1
        if made not in seen:
            seen.add(made)
            yield made
            if place > len(parents):
                parents.append(Chem.MolFromSmiles(made))


def substituted(molecule: Chem.RWMol, chance: random.Random) -> str:
    """Return a molecule with one or two hydrogens replaced."""
    for _ in range(chance.choice((1, 1, 2))):
        carbons = [atom for atom in molecule.GetAtoms() if atom.GetAtomicNum() == 6 and atom.GetTotalNumHs()]
        if carbons:
            carbon = chance.choice(carbons)
            carbon.SetNumExplicitHs(max(0, carbon.GetNumExplicitHs() - 1))
            new = molecule.AddAtom(Chem.Atom(chance.choice(SUBSTITUENTS)))
            molecule.AddBond(carbon.GetIdx(), new, Chem.BondType.SINGLE)
            molecule.UpdatePropertyCache()
    return str(Chem.CanonSmiles(Chem.MolToSmiles(molecule)))


def measure_search(molecules: list[str], asked: list[str], k: int, repeats: int) -> None:
    bits = {one: fingerprint_bits(main_fragment(Chem.MolFromSmiles(one))) for one in molecules}
    sets = list(bits.values())
    every, quick = BitTable.of(sets, BITS), NearestBits.of(sets, BITS)
    itself = {one: np.array([place]) for place, one in enumerate(bits)}

    def compare_with_every() -> Found:
        found = []
        for one in asked:
            ((_, shared),) = every.count([bits[one]])
            scores = tanimoto(shared[0], np.array(len(bits[one])), every.sizes)
            scores[itself[one]] = 0
            places = best(scores, k)
            found.append((places, scores[places]))
        return found

    def search() -> Found:
        return [quick.nearest(bits[one], k, itself[one]) for one in asked]

    for (places, scores), (others, other_scores) in zip(compare_with_every(), search(), strict=True):
        if not (np.array_equal(places, others) and np.array_equal(scores, other_scores)):
            raise SystemExit("The two ways find different molecules.")
    share = ratio(search, compare_with_every, repeats, cpu_seconds)
    print(f"Search alone, every molecule = 1: {share:.3f}; {len(asked) / cpu_seconds(search):,.0f} a second\n")


def measure_questions(molecules: list[str], asked: list[str], k: int, processes: int) -> None:
    about = {"task": "caption", "source": "benchmark", "license": "CC0-1.0"}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "set" / "data").mkdir(parents=True)
        rows = [
            question_row("What is it?", f"Number {place}.", molecules=[molecule], id=str(place), **about)
            for place, molecule in enumerate(molecules)
        ]
        table = pa.Table.from_pylist(rows, schema=features().arrow_schema)
        pq.write_table(table, Path(folder) / "set" / "data" / "train-00000-of-00001.parquet")
        index = Path(folder) / "index"
        build_index([Path(folder) / "set"], index, processes=processes)
        many = asked * max(1, 3000 // len(asked))
        print("| processes | questions a second, without start |\n|---|---|")
        for number in (1, processes):
            found = nearest_of_many(index, "molecule", many, k, exclude_same=True, processes=number)
            first = [next(found) for _ in range(len(many) // 2)]  # every process has opened the index by then
            started = time.perf_counter()
            rest = len(list(found))
            print(f"| {number} | {rest / (time.perf_counter() - started):,.0f} |")
            assert len(first) + rest == len(many)


if __name__ == "__main__":
    main()
