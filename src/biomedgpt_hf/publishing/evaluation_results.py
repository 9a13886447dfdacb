"""The scores of a checkpoint in its card: a table for people, and the Hub's `model-index`.

They belong to exactly the weights that were evaluated. `config.json` holds them beside a checksum of these weights
(`evaluation`), so that they outlive loading and saving; a save of other weights drops them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import EvalResult
from safetensors import safe_open

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ENTRY = "evaluation"  # of a configuration
CONFIG = "config.json"
NAMES = {
    **{f"bleu{n}": f"BLEU-{n}" for n in (2, 4)},
    **{"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "meteor": "METEOR"},
    "meteor_no_wordnet": "METEOR without WordNet",
}
RESULTS = "\n## Results\n"  # the title of the section
INTRODUCTION = """\
These are the scores of exactly these weights (sha256 `{weights}…`), with 95 % bootstrap intervals in brackets. What
a score is worth is told by the columns beside it: answers that are no better than a constant text, or than those
about another item, show nothing."""


def weights_digest(folder: Path) -> str | None:
    """Return the sha256 of the tensors in a folder's safetensors files, however they are put into files.

    Args:
        folder: of a checkpoint or an adapter. Folders below it do not count.

    Returns:
        The checksum of names, dtypes, shapes and all values; None where there are no weights.
    """
    files = sorted(folder.glob("*.safetensors"))
    names: dict[str, Path] = {}
    for file in files:
        with safe_open(file, "pt") as tensors:
            names |= dict.fromkeys(tensors.keys(), file)
    digest = hashlib.sha256()
    for name in sorted(names):
        with safe_open(names[name], "pt") as tensors:
            tensor = tensors.get_tensor(name)
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest() if names else None


def merge(earlier: Any, weights: str, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entry of a configuration with new records; earlier ones stay if they are of the same weights.

    Args:
        earlier: the entry so far, if there is one.
        weights: checksum of the evaluated weights.
        records: what `evaluation.report.card_record` returns, one for each set.
    """
    known = earlier.get("sets", []) if isinstance(earlier, Mapping) and earlier.get("weights") == weights else []
    replaced = {_asked(one) for one in records}
    return {
        "weights": weights,
        "sets": [one for one in known if _asked(one) not in replaced] + [*records],
    }


def _asked(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a record is of: a set's split, and what the model read beside the question."""
    return record["set"], record["split"], record.get("evidence", "")


def drop_of_other_weights(config: PreTrainedConfig, folder: Path) -> None:
    """Take the scores out of a configuration, and out of the one saved in a folder, if they are of other weights.

    Args:
        config: of the model that was saved there.
        folder: where its weights are.
    """
    entry = getattr(config, ENTRY, None)
    if not entry or (isinstance(entry, Mapping) and entry.get("weights") == weights_digest(folder)):
        return
    delattr(config, ENTRY)
    path = folder / CONFIG
    if path.is_file():
        saved = json.loads(path.read_text("utf-8"))
        saved.pop(ENTRY, None)
        write_whole(path, json.dumps(saved, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file of a checkpoint: it is there whole, or as it was before."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def model_index(entry: Mapping[str, Any] | None) -> list[EvalResult]:
    """Return the model's own scores as the Hub shows them."""
    return [
        EvalResult(
            task_type="multiple-choice" if one["choices"] else "text-generation",
            dataset_type=re.sub(r"[^a-z0-9._-]+", "-", one["set"].lower()).strip("-") or "set",
            dataset_name=one["title"] or one["set"],
            dataset_split=one["split"],
            dataset_args={"rows": one["rows"], "sha256": one["sha256"]},
            metric_type=name,
            metric_name=_shown(name),
            metric_value=value,
            metric_args={"interval_95": [low, high], "protocol": one["protocol"]},
        )
        for one in (entry or {}).get("sets", ())
        for name, (value, low, high) in one["runs"][0]["scores"].items()
    ]


def results_section(entry: Mapping[str, Any] | None) -> str:
    """Return the card's section on results, with the line breaks around it; nothing where there are none."""
    if not entry or not entry.get("sets"):
        return ""
    parts = [RESULTS.strip(), INTRODUCTION.format(weights=entry["weights"][:16])]
    parts += ["\n\n".join(_of_set(one)) for one in entry["sets"]]
    return "\n" + "\n\n".join(parts) + "\n"


def _of_set(record: Mapping[str, Any]) -> Iterator[str]:
    title = f"{record['title']} (`{record['set']}`)" if record["title"] else f"`{record['set']}`"
    rows = f"{record['rows']:,} rows" + (", spread over the split" if record["limit"] else "")
    yield f"### {title}, split {record['split']}"
    yield f"{rows}; {record['protocol']}."
    runs = record["runs"]
    lines = [["score", *(run["name"] for run in runs)]]
    for name in runs[0]["scores"]:
        lines.append([_shown(name), *(_estimate(run["scores"].get(name)) for run in runs)])
    rows_told = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
    yield "\n".join([rows_told[0], "|" + "---|" * len(lines[0]), *rows_told[1:]])
    if record["published"]:
        yield "\n".join(["What papers report on this set:\n", *map(_published, record["published"])])


def _published(row: Mapping[str, Any]) -> str:
    told = ", ".join(f"{_shown(name)} {value:.3f}" for name, value in row["scores"].items())
    return f"- {row['name']}: {told} ({row['source']})"


def _shown(score: str) -> str:
    return NAMES.get(score, score.replace("_", " "))


def _estimate(score: Sequence[float] | None) -> str:
    return "–" if score is None else f"{score[0]:.3f} [{score[1]:.3f}, {score[2]:.3f}]"
