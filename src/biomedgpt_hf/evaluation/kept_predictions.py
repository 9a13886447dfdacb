"""Predictions that are there already are taken for what their manifest says, and for nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biomedgpt_hf.inference.long_runs.journal import difference
from biomedgpt_hf.inference.long_runs.run import manifest_path, running_folder


def kept_manifest(output: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the manifest of predictions that are there already, or None where they have to be made or finished.

    Args:
        output: the file of predictions; OUTPUT.manifest.json beside it tells what they answer.
        facts: everything that the predictions depend on, by the names of the manifest.

    Raises:
        FileExistsError: they answer something else, which is named.
    """
    path = manifest_path(output)
    if not output.exists() or not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        differs = difference(found, json.loads(json.dumps(facts)), facts)
        with output.open("rb") as file:
            differs = differs or difference(found, {"predictions": sum(1 for _ in file)}, ["predictions"])
    except (ValueError, AttributeError):
        differs = f"{path.name} is damaged"
    if differs:
        raise FileExistsError(
            f"{output} holds predictions of something else: {differs}. Choose another --output, or remove the folder."
        )
    shutil.rmtree(running_folder(output), ignore_errors=True)  # left by a run that was killed as it ended
    return found
