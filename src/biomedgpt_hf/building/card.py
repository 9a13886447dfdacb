"""The dataset card (README.md) of a built set, made only from its manifest and leakage report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from biomedgpt_hf.building.leakage_report import leakage_section
from biomedgpt_hf.building.repetitions import tell_repetitions
from biomedgpt_hf.modalities import item_columns

# Licences and the names that the Hub has for them (https://huggingface.co/docs/hub/repositories-licenses).
HUB_LICENSES = ("apache-2.0", "mit", "odc-by", "odbl", "pddl")


def dataset_card(manifest: Mapping[str, Any], leakage: Mapping[str, Any]) -> str:
    """Return the card from the set's manifest and its leakage report.

    Its YAML names no data files. Then `load_dataset` finds the splits by the files' names, and its cache notices
    when a set was built again or when another set has the same folder name.
    """
    counts, columns = manifest["counts"], item_columns()
    licenses = [f"- {license}" for license in dict.fromkeys(map(_hub_license, manifest["licenses"]))]
    sections = [
        "\n".join(["---", f"pretty_name: {json.dumps(manifest['name'])}", "license:", *licenses, "---"]),
        f"# {manifest['name']}\n\n{manifest['description']}",
        "```python\nfrom datasets import load_dataset\n\nrows = load_dataset(FOLDER)\n```",
        f"Each row is one conversation: `messages` (a bare {' or '.join(columns)} block takes the next "
        f"item of {' or '.join(f'`{column}`' for column in columns.values())}), `task`, `source`, `id`, `license`.",
        "## Rows\n\n" + _rows_table(counts["rows_by_task"]),
        "## What the splits share\n\n" + leakage_section(leakage),
        "## Sources\n\n" + _sources_table(manifest["sources"]),
        "Licences: " + ", ".join(manifest["licenses"]) + ". Keep the sources' names with the data.",
        "## Left out or changed\n\n" + _rejected_table(counts),
        *_repetitions(manifest),
        "## How it was built\n\n"
        + f"{manifest['created']}, with {_pairs(manifest['tools'])}. "
        + f"Options: {_pairs(manifest['options'])}. `manifest.json` holds all of this as data.",
    ]
    if manifest["citation"]:
        sections.append(f"## Citation\n\n{manifest['citation']}")
    return "\n\n".join(sections) + "\n"


def _hub_license(license: str) -> str:
    name = license.lower()
    return name if name.startswith("cc") or name in HUB_LICENSES else "other"


def _rows_table(rows_by_task: Mapping[str, Mapping[str, int]]) -> str:
    tasks = sorted({task for rows in rows_by_task.values() for task in rows})
    lines = [f"| task | {' | '.join(rows_by_task)} |", "|---" * (len(rows_by_task) + 1) + "|"]
    for task in tasks:
        numbers = (f"{rows.get(task, 0):,}" for rows in rows_by_task.values())
        lines.append(f"| {task} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def _sources_table(sources: list[Mapping[str, Any]]) -> str:
    lines = ["| file | used for | of | sha256 |", "|---|---|---|---|"]
    for source in sources:
        name = f"[{source['file']}]({source['url']})" if source.get("url") else source["file"]
        date = (source.get("downloaded") or source.get("modified") or "")[:10]
        lines.append(f"| {name} | {source.get('role', 'rows')} | {date} | `{source['sha256']}` |")
    return "\n".join(lines)


def _rejected_table(counts: Mapping[str, Any]) -> str:
    read, rejected = counts["records_read"], counts["records_rejected"]
    summary = f"{rejected:,} of {read:,} records read gave no row (listed in `rejected.jsonl`)."
    lines = [f"| {reason} | {number:,} |" for reason, number in counts["rejected"].items()]
    lines += [f"| kept, but {note} | {number:,} |" for note, number in counts["notes"].items()]
    return "\n".join([summary, "", "| what | records |", "|---|---|", *lines]) if lines else summary


def _repetitions(manifest: Mapping[str, Any]) -> list[str]:
    sentences = tell_repetitions(manifest["counts"].get("repetitions", {}), manifest["options"])
    return ["## Repetitions\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)] if sentences else []


def _pairs(mapping: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in mapping.items())
