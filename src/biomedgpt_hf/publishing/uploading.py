"""Uploading those files of a folder that a run made for others, without pickles."""

import shutil
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, HfApi

from biomedgpt_hf.publishing.card_file import CARD, gives_way

# Files that run code when they are read.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.distcp", ".metadata", "*/.metadata", "*.pyc")
# Files for people to read that a training writes beside its checkpoint.
REPORT, PICTURE = "training_report.md", "loss_curve.png"
LICENCE_FILES = ("LICENSE*", "LICENCE*", "NOTICE*")  # in a data set's folder
WEIGHTS = ("model*.safetensors", "adapter_model*.safetensors")


def upload(
    api: HfApi,
    repo_id: str,
    folder: Path,
    names: list[str],
    revision: str | None = None,
    repo_type: str | None = None,
    **options: Any,
) -> CommitInfo:
    """Upload some files of a folder. A card that somebody wrote in the repository is not replaced by an unedited one.

    Args:
        api: the client with the token to use.
        repo_id: a repository that exists.
        folder: where the files are.
        names: their paths in it.
        revision: a branch, which is made if it does not exist, or a reference.
        repo_type: "dataset", or None for a model.
        options: further arguments of `HfApi.upload_folder`.

    Returns:
        `huggingface_hub.CommitInfo`.
    """
    kind: dict[str, Any] = {"repo_type": repo_type} if repo_type else {}
    if revision is not None and not revision.startswith("refs/"):
        api.create_branch(repo_id, branch=revision, exist_ok=True, **kind)
    if CARD in names and gives_way(folder, api, repo_id, revision, repo_type):
        names = [name for name in names if name != CARD]
    where = {"repo_id": repo_id, "revision": revision, **kind}
    return api.upload_folder(folder_path=folder, allow_patterns=names, **where, **options)


def has_weights(names: Iterable[str]) -> bool:
    """Tell whether a model's or an adapter's weights are among some files."""
    return any(fnmatch(name, pattern) for name in names for pattern in WEIGHTS)


def is_pickle(name: str) -> bool:
    """Tell by a file's name whether reading it runs code.

    Args:
        name: the path within a checkpoint.
    """
    return any(fnmatch(name, pattern) for pattern in PICKLES)


def file_times(folder: Path) -> dict[str, int]:
    """Return the modification times [ns] of the files in a folder and its subfolders, by their path in it."""
    files = (path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in files}


def copy_files(names: Iterable[str], source: Path, target: Path) -> None:
    """Copy some files of a folder, with the subfolders they are in."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
