"""Sets by folder or Hub id: their rows, and what their manifests tell of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.exceptions import DatasetsError
from huggingface_hub import hf_hub_download

from biomedgpt_hf.disk.checksums import sha256_of
from biomedgpt_hf.rows import schema

MANIFEST = "manifest.json"


def open_set(name: str, split: str) -> datasets.Dataset | None:
    """Return a split of a set, with the columns of a row and no others; None where the set has no such split.

    Args:
        name: folder that `biomedgpt data` made, or Hub id.
        split: "train", "validation" or "test".

    Raises:
        OSError: there is no such folder or repository, or it cannot be reached.
        ValueError: it holds no set, or not our rows, or one of its files is damaged.
    """
    rows = _open_folder(Path(name), split) if is_folder(name) else _open_repository(name, split)
    if rows is None:
        return None
    if missing := [field for field in schema.row_fields() if field not in rows.column_names]:
        raise ValueError(
            f"{name} has no rows to train on: column {', '.join(missing)} is missing. "
            "`biomedgpt data table` makes a set of any table."
        )
    rows = rows.select_columns(list(schema.row_fields()))
    if rows.features == schema.features():
        return rows
    try:
        return rows.cast(schema.features())
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} has columns of other types than a set's rows: {_one_line(error)}") from error


def split_names(name: str) -> list[str]:
    """Return the names of a set's splits."""
    if is_folder(name):
        return sorted({path.name.split("-")[0] for path in Path(name).glob("data/*.parquet")})
    return datasets.get_dataset_split_names(name)


def describe_set(name: str) -> dict[str, Any]:
    """Return what a run's report tells of a set; no folder but the set's own is named.

    Returns:
        "set": the folder's name or the Hub id; and, where the set has a manifest, the "sha256" of that file, "title",
        "created", "licenses" and "rows", the number of each split.
    """
    folder = is_folder(name)
    described: dict[str, Any] = {"set": Path(name).resolve().name if folder else name}
    try:
        path = Path(name, MANIFEST) if folder else Path(hf_hub_download(name, MANIFEST, repo_type="dataset"))
        manifest = json.loads(path.read_text("utf-8"))
        return described | {
            "sha256": sha256_of(path),
            "title": manifest["name"],
            "created": manifest["created"],
            "licenses": manifest["licenses"],
            "rows": manifest["counts"]["rows_by_split"],
        }
    except (OSError, ValueError, KeyError, TypeError):  # not every set of somebody else's has one of ours
        return described


def is_folder(name: str) -> bool:
    """Whether a set is named by its folder, and not by its id on the Hub.

    Raises:
        FileNotFoundError: it can only be a path, and there is nothing.
        NotADirectoryError: it is a file.
    """
    path = Path(name)
    if path.is_file():
        raise NotADirectoryError(f"{name} is a file: name the folder of a set, as `biomedgpt data` makes it.")
    if not path.is_dir() and (path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1):
        raise FileNotFoundError(f"There is no folder {name}: check the path.")
    return path.is_dir()


def _open_folder(folder: Path, split: str) -> datasets.Dataset | None:
    files = sorted(folder.glob(f"data/{split}-*.parquet"))
    if not files and not split_names(str(folder)):
        raise ValueError(f"{folder} is no data set: it holds no data/*.parquet. `biomedgpt data` makes one.")
    if not files:
        return None
    if not sum(map(_rows_in, files)):
        raise ValueError(f"{folder} has no row in its split {split!r}: build it again, or leave it out.")
    try:
        return datasets.load_dataset("parquet", data_files={split: [str(file) for file in files]}, split=split)
    except (OSError, ValueError, DatasetsError) as error:
        _name_damaged(files)
        raise ValueError(f"Cannot read {folder}: {_one_line(error.__cause__ or error)}") from error


def _rows_in(file: Path) -> int:
    """Rows of a file by its footer, which is missing where it was cut off: `datasets` would tell so in two lines."""
    try:
        return pq.read_metadata(file).num_rows
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{file} is damaged: {_one_line(error)} Copy or build the set again.") from error


def _name_damaged(files: Sequence[Path]) -> None:
    """Raise the error of the first file that cannot be read: `datasets` does not name it."""
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                for _ in parquet.iter_batches():
                    pass
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{file} is damaged: {_one_line(error)} Copy or build the set again.") from error


def _open_repository(name: str, split: str) -> datasets.Dataset | None:
    try:
        found = datasets.load_dataset(name)
    except (OSError, ValueError, DatasetsError) as error:
        raise OSError(f"Cannot load the set {name}, as a folder or from the Hub: {_one_line(error)}") from error
    return found[split] if split in found else None


def _one_line(error: BaseException) -> str:
    return f"{' '.join(str(error).split()).rstrip('.')}."
