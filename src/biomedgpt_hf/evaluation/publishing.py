"""The results of an evaluation, uploaded to the Hub: answers, scores, report, charts, card, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitInfo

from biomedgpt_hf.disk.replacing import write_json, write_text
from biomedgpt_hf.evaluation.honest_rows.other_inputs import REMOVED, SWAPPED
from biomedgpt_hf.evaluation.report.by_sureness import KEY as RISK_COVERAGE
from biomedgpt_hf.evaluation.report.results_card import results_card
from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
from biomedgpt_hf.evaluation.results import load_results, rows_file
from biomedgpt_hf.publishing.card_file import CARD, may_be_renewed
from biomedgpt_hf.publishing.destination import Destination, check_destination, publish
from biomedgpt_hf.publishing.uploading import LICENCE_FILES, copy_files
from biomedgpt_hf.rows.licenses import check_licenses
from biomedgpt_hf.rows.schema import UNKNOWN_LICENSE

METRICS = "metrics.json"
ANSWERS = {"predictions": "predictions.jsonl"} | {
    name.replace(" ", "-"): f"{name.replace(' ', '-')}.jsonl" for name in (SWAPPED, REMOVED)
}


def publish_results(folder: Path, destination: Destination) -> CommitInfo:
    """Upload the results of an evaluation to a dataset repository, in one commit.

    Places on this machine, such as a checkpoint's folder, are told by their last name only. A card that somebody edited
    in the repository stays, unless the one in the folder was edited too.

    Args:
        folder: what `biomedgpt evaluate` wrote.
        destination: where to; see `check_destination`, which is asked here.

    Returns:
        `huggingface_hub.CommitInfo`.

    Raises:
        ValueError: the folder holds no results, or the name is none of a repository.
        LicenseError: the repository is public, and some scored rows may not be published.
        HubError: the Hub refuses, or cannot be reached.
    """
    folder = Path(folder)
    if not all((folder / name).is_file() for name in (METRICS, ANSWERS["predictions"])):
        raise ValueError(f"{folder} holds no results: it lacks {METRICS} or {ANSWERS['predictions']}.")
    results = load_results(folder / METRICS)
    of_set = results.get("set") or {"name": "a set", "rows": results["runs"][0]["rows"]}
    unknown = [{"source": of_set["name"], "license": UNKNOWN_LICENSE, "rows": of_set["rows"]}]
    depositors = results.get("depositors") or unknown
    destination = check_destination(destination)
    if not destination.private:
        check_licenses(depositors, permitted=destination.permitted)
    answers = {name: file for name, file in ANSWERS.items() if (folder / file).is_file()}
    if may_be_renewed(folder):
        shown = put_side_by_side([folder / METRICS])
        write_text(folder / CARD, results_card(shown, depositors, answers, destination.repo_id))
    message = f"Upload answers of {results['runs'][0]['name']} to {of_set['name']}"
    with TemporaryDirectory() as name:
        names, copies = _uploaded(folder, answers, results), Path(name)
        copy_files(names, folder, copies)
        for file in (copies / name for name in names if name.endswith(".json")):
            write_json(file, _without_places(json.loads(file.read_text("utf-8"))))
        stale = [pattern for file in ANSWERS.values() for pattern in (file, _manifest_of(file))]
        return publish(copies, names, destination, message=message, stale=stale)


def _uploaded(folder: Path, answers: Mapping[str, str], results: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that an evaluation made, and of licence files beside them."""
    charts = [f"{shown}.png" for shown in (*results["metrics"], RISK_COVERAGE)]
    manifests = [_manifest_of(file) for file in answers.values()]
    made = [CARD, METRICS, rows_file(Path(METRICS)).name, "report.md", "scores.csv", *charts, *answers.values()]
    beside = [path.name for pattern in LICENCE_FILES for path in sorted(folder.glob(pattern))]
    return [name for name in (*made, *manifests, *beside) if (folder / name).is_file()]


def _manifest_of(file: str) -> str:
    return f"{file}.manifest.json"


def _without_places(content: Any) -> Any:
    """Return JSON values with the last name of each path of this machine in its place."""
    if isinstance(content, Mapping):
        return {name: _without_places(value) for name, value in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [_without_places(value) for value in content]
    if isinstance(content, str) and Path(content).is_absolute():
        return Path(content).name
    return content
