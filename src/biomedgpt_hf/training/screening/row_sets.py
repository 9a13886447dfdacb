"""Sets by folder or Hub id: their rows, and what their manifests tell of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.exceptions import DatasetsError
from huggingface_hub import hf_hub_download

from biomedgpt_hf.batches.preferences import ANSWERS
from biomedgpt_hf.disk.checksums import sha256_of
from biomedgpt_hf.modalities import MODALITIES

MANIFEST = "manifest.json"
READABLE = (".parquet", ".jsonl")
BY_TABLE = "`biomedgpt data table` makes a set of any table."
BY_HAND = 'Its rows are {"messages": …, "chosen": …, "rejected": …}; see docs/training.md.'


def open_set(
    name: str, split: str, features: datasets.Features, optional: Collection[str] = ()
) -> datasets.Dataset | None:
    """Return a split of a set, with the columns of a row and no others; None where the set has no such split.

    Args:
        name: folder that `biomedgpt data` made or that holds Parquet or JSON Lines, or Hub id.
        split: "train", "validation" or "test".
        features: the columns, in the types that they get.
        optional: columns that the set may lack; they are null then.

    Raises:
        OSError: there is no such folder or repository, or it cannot be reached.
        ValueError: it holds no set, or not our rows, or one of its files is damaged.
    """
    rows = _open_folder(Path(name), split) if is_folder(name) else _open_repository(name, split)
    if rows is None:
        return None
    if missing := [column for column in features if column not in rows.column_names and column not in optional]:
        raise ValueError(
            f"{name} has no rows to train on: column {', '.join(missing)} is missing. "
            f"{BY_HAND if 'chosen' in features else BY_TABLE}"
        )
    rows = rows.select_columns([column for column in features if column in rows.column_names])
    if rows.features == features:
        return rows
    try:
        if set(rows.column_names) == set(features) and "Json(" not in str(rows.features):
            return rows.cast(features)
        return rows.map(_in_columns, fn_kwargs={"columns": list(features)}, features=features, desc="reading rows")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} has columns of other types than a set's rows: {_one_line(error)}") from error


def split_names(name: str) -> list[str]:
    """Return the names of a set's splits."""
    if not is_folder(name):
        return datasets.get_dataset_split_names(name)
    built = sorted({path.name.split("-")[0] for path in Path(name).glob("data/*.parquet")})
    return built or sorted(_load_by_hand(Path(name)))


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
    except (OSError, ValueError, KeyError, TypeError):  # sets from elsewhere need not have this package's manifest
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
    if not any(folder.glob("data/*.parquet")):
        return _load_by_hand(folder).get(split)
    files = sorted(folder.glob(f"data/{split}-*.parquet"))
    if not files:
        return None
    if not sum(map(_rows_in, files)):
        raise ValueError(f"{folder} has no row in its split {split!r}: build it again, or leave it out.")
    try:
        return datasets.load_dataset("parquet", data_files={split: [str(file) for file in files]}, split=split)
    except (OSError, ValueError, DatasetsError) as error:
        _name_damaged(files)
        raise ValueError(f"Cannot read {folder}: {_one_line(error.__cause__ or error)}") from error


def _load_by_hand(folder: Path) -> dict[str, datasets.Dataset]:
    """Return the splits of a folder that no builder of this package made, as `datasets` finds them by their names."""
    if not any(path.suffix in READABLE for path in folder.rglob("*")):
        raise ValueError(
            f"{folder} is no data set: it holds no data/*.parquet, as `biomedgpt data` makes them, and no other "
            f"{' or '.join(READABLE)} file."
        )
    try:
        return dict(datasets.load_dataset(str(folder)))
    except (OSError, ValueError, DatasetsError) as error:
        raise ValueError(f"Cannot read {folder}: {_one_line(error.__cause__ or error)}") from error


def _in_columns(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Return a row that was written by hand in the types of the columns; what has no place there becomes null.

    Its messages may have plain texts as content, and its answers may be messages. Whether the row can be trained on is
    found out later, when each row is built.
    """
    filled = {column: row.get(column) for column in columns if column not in ("messages", *ANSWERS)}
    for column in ANSWERS:
        if column in columns:
            filled[column] = _text_of(row.get(column))
    messages = row.get("messages")
    return {**filled, "messages": [_message(one) for one in messages if isinstance(one, Mapping)] if messages else None}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return {
        "role": message.get("role"),
        "content": [{name: block.get(name) for name in ("type", "text", *MODALITIES)} for block in blocks],
    }


def _text_of(answer: Any) -> str | None:
    """Return the text of an answer: itself, a message's, or that of a list of one message."""
    if isinstance(answer, Sequence) and not isinstance(answer, str) and len(answer) == 1:
        return _text_of(answer[0])
    if not isinstance(answer, Mapping):
        return answer if isinstance(answer, str) else None
    content = answer.get("content", answer.get("text"))
    return _text_of(content)


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
