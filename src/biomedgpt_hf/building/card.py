"""The dataset card (README.md) of a built set, made only from its manifest and leakage report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from biomedgpt_hf.building.leakage_report import leakage_section
from biomedgpt_hf.building.repetitions import tell_repetitions
from biomedgpt_hf.modalities import item_columns
from biomedgpt_hf.publishing.card_mark import is_untouched, mark_card, without_mark
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION
from biomedgpt_hf.rows.licenses import depositors_table, hub_licenses

LOADS = re.compile(r"load_dataset\([^()\n]*\)")  # what a card tells to load


class About(NamedTuple):
    """How a set presents itself in its card.

    Attributes:
        name, description, citation: for people.
        task_categories, language, tags: for the Hub, in its words.
        inferred_licenses: sources, each with the licence of those of its texts that state none.
    """

    name: str
    description: str
    citation: str
    task_categories: Sequence[str] = ("question-answering",)
    language: str | None = None
    tags: Sequence[str] = ()
    inferred_licenses: Sequence[tuple[str, str]] = ()


def dataset_card(manifest: Mapping[str, Any], leakage: Mapping[str, Any]) -> str:
    """Return the card from the set's manifest and its leakage report.

    Its YAML names no data files. Then `load_dataset` finds the splits by the files' names, and its cache notices
    when a set was built again or when another set has the same folder name.
    """
    counts, columns = manifest["counts"], item_columns()
    sections = [
        f"---\n{_header(manifest)}---",
        f"# {manifest['name']}\n\n{manifest['description']}",
        "```python\nfrom datasets import load_dataset\n\nrows = load_dataset(FOLDER)\n```",
        f"Each row is one conversation: `messages` (a bare {' or '.join(columns)} block takes the next "
        f"item of {' or '.join(f'`{column}`' for column in columns.values())}), `task`, `source`, `id`, `license`, and "
        "`entry_date`, when the source's entry was made (null where the source does not tell).",
        "## Rows\n\n" + _rows_table(counts["rows_by_task"]),
        "## What the splits share\n\n" + leakage_section(leakage),
        "## Sources\n\n" + _sources_table(manifest["sources"]),
        "Licences: " + ", ".join(manifest["licenses"]) + ". Keep the sources' names with the data.",
        depositors_table(manifest["depositors"], manifest["inferred_licenses"]),
        f"## Use\n\nFor models that learn from these rows: {USE_RESTRICTION}",
        "## Left out or changed\n\n" + _rejected_table(counts),
        *_repetitions(manifest),
        "## How it was built\n\n"
        + f"{manifest['created']}, with {_pairs(manifest['tools'])}. "
        + f"Options: {_pairs(manifest['options'])}. `manifest.json` holds all of this as data.",
    ]
    if manifest["citation"]:
        sections.append(f"## Citation\n\n{manifest['citation']}")
    return mark_card("\n\n".join(sections) + "\n")


def card_of_repository(card: str, repo_id: str) -> str:
    """Return a card that loads a repository on the Hub, where nobody has edited it; else the card as it is."""
    if not is_untouched(card):
        return card
    return mark_card(LOADS.sub(f'load_dataset("{repo_id}")', without_mark(card), count=1))


def _header(manifest: Mapping[str, Any]) -> str:
    """Return what the Hub reads, as YAML; what is not known is left out."""
    facts = {
        "pretty_name": manifest["name"],
        "language": [manifest["language"]] if manifest["language"] else None,
        "task_categories": manifest["task_categories"],
        "size_categories": [size_category(manifest["counts"]["rows"])],
        "tags": manifest["tags"],
        "license": hub_licenses(manifest["depositors"], manifest["inferred_licenses"]),
    }
    known = {name: value for name, value in facts.items() if value}
    return str(yaml.safe_dump(known, sort_keys=False, allow_unicode=True, width=10_000))


def size_category(rows: int) -> str:
    """Return the Hub's name for a number of rows: "n<1K", "1K<n<10K", … "n>1T"."""
    names = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
    place = sum(rows >= 1_000 * 10**power for power in range(len(names)))
    if place == 0:
        return "n<1K"
    return f"{names[place - 1]}<n<{names[place]}" if place < len(names) else "n>1T"


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
    summary = f"{rejected:,} of {read:,} records read gave no row (listed in the builder's `rejected.jsonl`)."
    lines = [f"| {reason} | {number:,} |" for reason, number in counts["rejected"].items()]
    lines += [f"| kept, but {note} | {number:,} |" for note, number in counts["notes"].items()]
    return "\n".join([summary, "", "| what | records |", "|---|---|", *lines]) if lines else summary


def _repetitions(manifest: Mapping[str, Any]) -> list[str]:
    sentences = tell_repetitions(manifest["counts"].get("repetitions", {}), manifest["options"])
    return ["## Repetitions\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)] if sentences else []


def _pairs(mapping: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in mapping.items())
