"""A finished set, uploaded to the Hub: rows, card, manifest and the licence files beside them, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import CommitInfo

from biomedgpt_hf.building.card import card_of_repository
from biomedgpt_hf.disk.replacing import write_text
from biomedgpt_hf.publishing.card_file import CARD
from biomedgpt_hf.publishing.destination import Destination, check_destination, publish
from biomedgpt_hf.publishing.uploading import LICENCE_FILES
from biomedgpt_hf.rows.depositors import read_depositors
from biomedgpt_hf.rows.licenses import check_licenses
from biomedgpt_hf.rows.row_items import split_files
from biomedgpt_hf.rows.schema import SPLITS

MANIFEST = "manifest.json"
STALE = [f"data/{split}-*.parquet" for split in SPLITS]  # shards of an earlier upload would be loaded with these


def publish_set(folder: Path, destination: Destination) -> CommitInfo:
    """Upload a set to a dataset repository, in one commit.

    A card that somebody edited in the repository stays, unless the one in the folder was edited too.

    Args:
        folder: a set that `biomedgpt data` made.
        destination: where to; see `check_destination`, which is asked here.

    Returns:
        `huggingface_hub.CommitInfo`.

    Raises:
        ValueError: the folder is no whole set, or the name is none of a repository.
        LicenseError: the repository is public, and some rows may not be published.
        HubError: the Hub refuses, or cannot be reached.
    """
    folder = Path(folder)
    manifest, files = read_whole_set(folder)
    destination = check_destination(destination)
    paths = [path for of_split in files.values() for path in of_split]
    if not destination.private:
        check_licenses(read_depositors(paths), manifest.get("inferred_licenses", ()), destination.permitted)
    card = (folder / CARD).read_text("utf-8")
    for_repository = card_of_repository(card, destination.repo_id)
    if for_repository != card:
        write_text(folder / CARD, for_repository)
    rows = [path.relative_to(folder).as_posix() for path in paths]
    beside = [path.name for pattern in LICENCE_FILES for path in sorted(folder.glob(pattern)) if path.is_file()]
    names = [CARD, MANIFEST, *beside, *rows]
    return publish(folder, names, destination, message=f"Upload {manifest['name']}", stale=STALE)


def read_whole_set(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Sequence[Path]]]:
    """Return a set's manifest, and the Parquet files of each split.

    Raises:
        ValueError: the folder is no set, or not all of it is there.
        OSError: there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: there is no such folder.")
    files = split_files(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        expected = dict(manifest["counts"]["rows_by_split"])
        str(manifest["name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} is no set that `biomedgpt data` made: it has no readable {MANIFEST}.") from error
    found = {split: sum(map(_rows_in, of_split)) for split, of_split in files.items()}
    if found != expected or not (folder / CARD).is_file():
        raise ValueError(
            f"{folder} is not whole: its {MANIFEST} tells of {_told(expected)} rows and a {CARD}, and there are "
            f"{_told(found)} rows. Copy or build the set again."
        )
    return manifest, files


def _rows_in(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path} is damaged ({' '.join(str(error).split())}). Copy or build the set again.") from error


def _told(rows: Mapping[str, int]) -> str:
    return " and ".join(f"{number:,} {split}" for split, number in rows.items()) or "no"
