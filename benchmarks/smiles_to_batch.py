"""Speed from SMILES to a padded batch.

    python benchmarks/smiles_to_batch.py [FILE] [--batch-size 32] [--repeats 15]

Measures  this package's two feature sets, PyG's `from_smiles` with its own collation, OGB's `smiles2graph` where it is
          installed, and a plain loop over RDKit's atoms and bonds; against `Chem.MolFromSmiles` alone. Median of paired
          ratios of processor time, alternating in one process on one thread
Input     a file with one SMILES per line (text behind it is ignored), or 27 drugs and metabolites
Asserts   first, that graphmvp equals the loop, and ogb equals PyG (and OGB)
Excludes  RDKit's log, and molecules that a feature set refuses (counted)
Writes    a table with versions and commit
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rdkit
import torch
import torch_geometric
from comparison import describe_software
from rdkit import Chem, rdBase
from torch_geometric.data import Batch
from torch_geometric.utils import from_smiles

from biomedgpt_hf.processors.molecular_graph import MolecularGraph, collate_graphs, molecules_to_graphs, smiles_to_graph

try:
    from ogb.utils import smiles2graph
except ImportError:
    smiles2graph = None

DRUGS = """
CC(=O)Oc1ccccc1C(=O)O                                                           aspirin
CC(=O)Nc1ccc(O)cc1                                                              paracetamol
CC(C)Cc1ccc(cc1)C(C)C(=O)O                                                      ibuprofen
Cn1c(=O)c2c(ncn2C)n(C)c1=O                                                      caffeine
CN1CCC[C@H]1c1cccnc1                                                            nicotine
CN(C)C(=N)NC(=N)N                                                               metformin
OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O                                          glucose
C[C@]12CC[C@H]3[C@@H](CCC4=CC(=O)CC[C@]34C)[C@@H]1CC[C@@H]2O                    testosterone
C[C@H](CCCC(C)C)[C@H]1CC[C@@H]2[C@@]1(CC[C@H]3[C@H]2CC=C4[C@@]3(CC[C@@H](C4)O)C)C  cholesterol
CN1[C@H]2CC[C@@H]1[C@@H](C(=O)OC)[C@H](C2)OC(=O)c1ccccc1                        cocaine
CN1CC[C@]23[C@@H]4[C@H]1Cc1c2c(c(cc1)O)O[C@H]3[C@H](C=C4)O                      morphine
CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O                         benzylpenicillin
OC(=O)c1cn(C2CC2)c2cc(N3CCNCC3)c(F)cc2c1=O                                      ciprofloxacin
CCCc1nn(C)c2c1nc([nH]c2=O)-c1cc(ccc1OCC)S(=O)(=O)N1CCN(C)CC1                    sildenafil
Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(n1)-c1cccnc1                     imatinib
CC(C)c1c(C(=O)Nc2ccccc2)c(-c2ccccc2)c(-c2ccc(F)cc2)n1CC[C@@H](O)C[C@@H](O)CC(=O)O  atorvastatin
COc1ccc2[nH]c(nc2c1)S(=O)Cc1ncc(C)c(OC)c1C                                      omeprazole
CC(C)NCC(O)COc1cccc2ccccc12                                                     propranolol
CN(C)CCCN1c2ccccc2CCc2ccccc12                                                   imipramine
CNCCC(Oc1ccc(cc1)C(F)(F)F)c1ccccc1                                              fluoxetine
CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc12                                             diazepam
NC(=O)c1ccc[n+](c1)[C@@H]1O[C@H](COP([O-])(=O)OP(O)(=O)OC[C@H]2O[C@H]([C@H](O)[C@@H]2O)n2cnc3c(N)ncnc23)[C@@H](O)[C@H]1O
CC1=C(C(CCC1)(C)C)/C=C/C(=C/C=C/C(=C/CO)/C)/C                                   retinol
CC/C=C\\C/C=C\\C/C=C\\CCCCCCCC(=O)O                                             alpha-linolenic_acid
CN(C)CC/C=C1/c2ccccc2CCc2ccccc12.Cl                                             a_salt
CC1OC1P(=O)([O-])[O-].[Na+].[Na+]                                               fosfomycin_disodium
Nc1nc2c(ncn2COCCO)c(=O)[nH]1                                                    acyclovir
"""
_TYPES = [Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC]
_DIRECTIONS = [Chem.BondDir.NONE, Chem.BondDir.ENDUPRIGHT, Chem.BondDir.ENDDOWNRIGHT]
_NUMBERS = [*range(1, 119), 0]
_CHIRALITIES = [Chem.ChiralType.values[tag] for tag in range(3)]


def main() -> None:
    """Read molecules, compares, times, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = arguments.file.read_text("utf-8") if arguments.file else DRUGS
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    with rdBase.BlockLogs():
        smiles = [one for one in lines if all(molecules_to_graphs([one], name, "skip")[0][0] for name in FEATURES)]
        require_parity(smiles)
        batches = [smiles[i : i + arguments.batch_size] for i in range(0, len(smiles), arguments.batch_size)]
        made = {name: [molecules_to_graphs(batch, name)[0] for batch in batches] for name in FEATURES}
        ways: dict[str, Callable[[int], object]] = {
            "this package, graphmvp": lambda i: collate(molecules_to_graphs(batches[i], "graphmvp")[0]),
            "this package, ogb": lambda i: collate(molecules_to_graphs(batches[i], "ogb")[0]),
            "collation of kept graphmvp graphs alone": lambda i: collate(made["graphmvp"][i]),
            "plain loop, graphmvp": lambda i: collate([loop(one) for one in batches[i]]),
            "PyG from_smiles": lambda i: Batch.from_data_list([from_smiles(one) for one in batches[i]]),
        }
        if smiles2graph is not None:
            ways["OGB smiles2graph, not collated"] = lambda i: [smiles2graph(one) for one in batches[i]]
        ratios = measure(ways, batches, arguments.repeats)
    print(f"{len(smiles)} molecules, batches of {arguments.batch_size}; {len(lines) - len(smiles)} left out")
    print(f"{describe_software(rdkit, torch_geometric, np)}\n")
    print(f"{'way':<42}{'ratio to Chem.MolFromSmiles':>28}")
    for way, ratio in ratios.items():
        print(f"{way:<42}{ratio:>28.2f}")


FEATURES = ("graphmvp", "ogb")


def collate(graphs: Sequence[MolecularGraph]) -> dict[str, np.ndarray]:
    return collate_graphs([[graph] for graph in graphs])


def loop(smiles: str) -> MolecularGraph:
    """Read the graphmvp features one call at a time, as most code does."""
    molecule = Chem.MolFromSmiles(smiles)
    atoms = [
        [_NUMBERS.index(atom.GetAtomicNum()), _CHIRALITIES.index(atom.GetChiralTag())] for atom in molecule.GetAtoms()
    ]
    index, features = [], []
    for bond in molecule.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        index += [[i, j], [j, i]]
        features += [[_TYPES.index(bond.GetBondType()), _DIRECTIONS.index(bond.GetBondDir())]] * 2
    shaped = np.array(index, np.int64).reshape(-1, 2).T, np.array(features, np.int64).reshape(-1, 2)
    return MolecularGraph(np.array(atoms, np.int64), *shaped)


def require_parity(smiles: Sequence[str]) -> None:
    """Stop where two ways that should agree do not."""
    for one in smiles:
        theirs = from_smiles(one)
        pairs = [(smiles_to_graph(one), loop(one))]
        pairs.append((smiles_to_graph(one, "ogb"), (theirs.x, theirs.edge_index, theirs.edge_attr)))
        if smiles2graph is not None:
            kept = smiles2graph(one)  # in RDKit's bond order
            pairs.append((smiles_to_graph(one, "ogb")[:1], (kept["node_feat"],)))
        if not all(np.array_equal(ours, other) for pair in pairs for ours, other in zip(*pair, strict=True)):
            raise SystemExit(f"The ways that are compared give different graphs of {one}.")


def measure(
    ways: dict[str, Callable[[int], object]], batches: Sequence[Sequence[str]], repeats: int
) -> dict[str, float]:
    """Return the median, over the repeats, of each way's time to that of parsing alone just before it."""
    order = list(range(len(batches))) * max(1, 1000 // sum(map(len, batches)))  # some tens of milliseconds at a time
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            parsing = seconds(lambda i: [Chem.MolFromSmiles(one) for one in batches[i]], order)
            ratios[way].append(seconds(run, order) / parsing)
    return {way: statistics.median(values) for way, values in ratios.items()}


def seconds(run: Callable[[int], object], order: Sequence[int]) -> float:
    """Return the processor time of a run over batches."""
    started = time.process_time()
    for i in order:
        run(i)
    return time.process_time() - started


if __name__ == "__main__":
    main()
