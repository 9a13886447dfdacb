"""The dataset card (README.md) of a built set, made only from its manifest and leakage report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from biomedgpt_hf.building.leakage_report import leakage_section
from biomedgpt_hf.building.repetitions import tell_repetitions
from biomedgpt_hf.modalities import item_columns
from biomedgpt_hf.rows.schema import UNKNOWN_LICENSE

# The names that the Hub has for licences (https://huggingface.co/docs/hub/repositories-licenses).
HUB_LICENSES = frozenset(
    "apache-2.0 bsd-2-clause bsd-3-clause mit odc-by odbl pddl cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 "
    "cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0".split()
)
WITHOUT_VERSION = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}  # SPDX's name: the Hub's


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
        _depositors_table(manifest),
        "## Left out or changed\n\n" + _rejected_table(counts),
        *_repetitions(manifest),
        "## How it was built\n\n"
        + f"{manifest['created']}, with {_pairs(manifest['tools'])}. "
        + f"Options: {_pairs(manifest['options'])}. `manifest.json` holds all of this as data.",
    ]
    if manifest["citation"]:
        sections.append(f"## Citation\n\n{manifest['citation']}")
    return "\n\n".join(sections) + "\n"


def _header(manifest: Mapping[str, Any]) -> str:
    """Return what the Hub reads, as YAML; what is not known is left out."""
    facts = {
        "pretty_name": manifest["name"],
        "language": [manifest["language"]] if manifest["language"] else None,
        "task_categories": manifest["task_categories"],
        "size_categories": [size_category(manifest["counts"]["rows"])],
        "tags": manifest["tags"],
        "license": sorted({_hub_license(_license_of(depositor, manifest)[0]) for depositor in manifest["depositors"]}),
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


def _hub_license(license: str) -> str:
    name = WITHOUT_VERSION.get(license.lower(), license.lower())
    return name if name in HUB_LICENSES else "other"


def _license_of(depositor: Mapping[str, Any], manifest: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the licence of a depositor's rows, and whether it is inferred because the texts state none."""
    inferred = {source.lower(): license for source, license in manifest["inferred_licenses"]}
    found = inferred.get(depositor["source"].lower())
    if depositor["license"] == UNKNOWN_LICENSE and found:
        return found, True
    return depositor["license"], False


def _depositors_table(manifest: Mapping[str, Any]) -> str:
    lines = ["| source of the answers | licence | rows |", "|---|---|---|"]
    any_inferred = False
    for depositor in manifest["depositors"]:
        license, inferred = _license_of(depositor, manifest)
        any_inferred = any_inferred or inferred
        mark = " (inferred)" if inferred else ""
        lines.append(f"| {_cell(depositor['source'])} | {_cell(license)}{mark} | {depositor['rows']:,} |")
    if any_inferred:
        lines += [
            "",
            "Inferred: the source is known to give its texts under this licence, but states none with these. "
            f'Their rows say "{UNKNOWN_LICENSE}".',
        ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


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
