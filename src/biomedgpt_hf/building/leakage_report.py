"""What the splits of a built set share: the same and nearly the same molecules, proteins and questions.

Held-out items (validation, test) are compared with all items of each part before theirs. `similarity.kinds` says when
two items are the same and how alike they are. Every held-out item is searched for the same item. Similarity is computed
for all of them too or, if there are many, for a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from biomedgpt_hf.building.leakage_comparison import FoundItems, HeldOut, SplitItems, find_in, pick_items, read_held_out
from biomedgpt_hf.rows.row_items import split_files
from biomedgpt_hf.rows.schema import SPLITS
from biomedgpt_hf.similarity.kinds import COMPARED_KINDS, ComparedKind

EXAMPLES = 10
QUANTILES = {"min": 0.0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}


def leakage_report(
    folder: Path, *, sample: int = 5_000, seed: int = 0, processes: int = 1, progress: bool = False
) -> dict[str, Any]:
    """Return what the splits of a set share.

    Memory does not grow with the training rows. It keeps 24 bytes of each distinct held-out item.

    Args:
        folder: a set's folder, of which only the files `data/SPLIT-*.parquet` are read.
        sample: how many distinct held-out items of a kind are compared for similarity in each split. A hash of
            their keys chooses them.
        seed: another seed chooses another sample.
        processes: worker processes.
        progress: show progress bars.

    Returns:
        {"sample", "seed", "kinds"}. "kinds" has "molecules", "proteins" and "questions" where something is
        held out, each with its "measure" (what similarity means), "unreadable" (number by split, of what
        RDKit cannot read) and "pairs". A pair names what is "held_out" and what it is compared "against",
        its number of "distinct" items, of "exact" ones among them that are in the other part too, and under
        "near" how many were "compared" "of" all, how many have an item "at_least" so similar, and quantiles
        of the similarity of the "nearest"; then "examples" by row id. An exact one's similarity is 1.

    Raises:
        ValueError: `sample` is less than 1.
    """
    if sample < 1:
        raise ValueError(f"sample is {sample}. It must be at least 1.")
    files = split_files(folder)
    kinds = {}
    for kind in COMPARED_KINDS:
        with tqdm(desc=f"leakage, {kind.name}", unit="", unit_scale=True, disable=None if progress else True) as bar:
            parts = {split: SplitItems(files[split], kind, seed, processes, bar.update) for split in files}
            if report := _compare_parts(parts, kind, sample):
                kinds[kind.name] = report
    return {"sample": sample, "seed": seed, "kinds": kinds}


def _compare_parts(parts: Mapping[str, SplitItems], kind: ComparedKind, sample: int) -> dict[str, Any]:
    """Return the report on one kind of item, or {} if none is held out."""
    held_out = {split: read_held_out(parts[split], sample) for split in SPLITS[1:] if split in parts}
    unreadable = {split: side.unreadable for split, side in held_out.items()}
    pairs = []
    for position, against in enumerate(SPLITS):
        sides = {split: held_out[split] for split in SPLITS[position + 1 :] if split in held_out}
        sides = {split: side for split, side in sides.items() if len(side.keys)}
        if against in parts and sides:
            found, unreadable[against] = find_in(parts[against], list(sides.values()))
            for (split, side), result in zip(sides.items(), found, strict=True):
                names = {"held_out": split, "against": against}
                examples = _examples(parts[against], parts[split], kind, side, result)
                pairs.append({**names, **_numbers(kind, side, result), "examples": examples})
    if not pairs and not any(unreadable.values()):
        return {}
    ordered = {split: unreadable[split] for split in SPLITS if split in unreadable}
    return {"measure": kind.measure, "unreadable": ordered, "pairs": pairs}


def _numbers(kind: ComparedKind, side: HeldOut, found: FoundItems) -> dict[str, Any]:
    quantiles = np.quantile(found.scores, list(QUANTILES.values())).round(4).tolist()
    return {
        "distinct": len(side.keys),
        "exact": int((found.same >= 0).sum()),
        "near": {
            "compared": len(found.scores),
            "of": len(side.keys),
            "at_least": {str(limit): int((found.scores >= limit).sum()) for limit in kind.thresholds},
            "nearest": dict(zip(QUANTILES, quantiles, strict=True)),
        },
    }


def _examples(
    against: SplitItems, held_out: SplitItems, kind: ComparedKind, side: HeldOut, found: FoundItems
) -> dict[str, Any]:
    """Return row ids of a few items that are the same, the first ones, and of the few that are most similar."""
    same = np.flatnonzero(found.same >= 0)
    same = same[np.argsort(side.numbers[same])][:EXAMPLES]
    near = np.flatnonzero((found.same[: len(found.scores)] < 0) & (found.scores >= kind.thresholds[-1]))
    near = near[np.lexsort([side.numbers[near], -found.scores[near]])][:EXAMPLES]
    others = pick_items(against, [*found.same[same], *found.nearest[near]])
    own = pick_items(held_out, side.numbers[[*same, *near]])

    def pairs(places: np.ndarray, numbers: np.ndarray) -> list[dict[str, Any]]:
        both = zip(side.numbers[places].tolist(), numbers[places].tolist(), strict=True)
        return [{"held_out": own[one][1], "against": others[other][1]} for one, other in both]

    near_pairs = zip(pairs(near, found.nearest), found.scores[near].round(4).tolist(), strict=True)
    return {
        "exact": pairs(same, found.same),
        "near": [{**pair, "similarity": similarity} for pair, similarity in near_pairs],
    }


def leakage_section(report: Mapping[str, Any]) -> str:
    """Return a report as Markdown for a dataset card: sentences and a table, without a heading."""
    kinds = report["kinds"]
    if not any(kind["pairs"] for kind in kinds.values()):
        return "Nothing is held out here, so there was nothing to compare."
    sentences = [
        "The table tells how many of the distinct items that are held out stand in another part of this set too, and "
        "how many have a neighbour there that is nearly the same, from several similarities on; `leakage.json` names "
        "examples. What has such a neighbour says little about what is new: score it apart.",
        *(f"Similarity of {name}: {kind['measure']}." for name, kind in kinds.items()),
    ]
    if any(pair["near"]["compared"] < pair["near"]["of"] for kind in kinds.values() for pair in kind["pairs"]):
        sentences.append(f"Of more than {report['sample']:,} items a sample was compared for similarity.")
    for name, kind in kinds.items():
        if any(kind["unreadable"].values()):
            counts = ", ".join(f"{split} {number:,}" for split, number in kind["unreadable"].items() if number)
            sentences.append(f"What RDKit cannot read of the {name} was not compared ({counts}).")
    header = ["held out", "against", "items", "distinct", "the same", "nearly the same", "nearest, median"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *_table_lines(kinds)]
    return " ".join(sentences) + "\n\n" + "\n".join(lines)


def _table_lines(kinds: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in kinds.items():
        for pair in kind["pairs"]:
            near = pair["near"]
            shares = (f"≥ {limit}: {_share(number, near['compared'])}" for limit, number in near["at_least"].items())
            cells = [
                pair["held_out"],
                pair["against"],
                name,
                f"{pair['distinct']:,}",
                _share(pair["exact"], pair["distinct"]),
                ", ".join(shares),
                f"{near['nearest']['median']:.2f}",
            ]
            yield f"| {' | '.join(cells)} |"


def _share(number: int, of: int) -> str:
    return f"{number:,} ({number / of:.1%})"
