"""Which checkpoints of a run are complete, which is the newest, and when old ones go.

    OUTPUT/checkpoint-12/complete.json      written last: every file of the checkpoint with its size and sha256

A process can die while it saves, and a disk can fill up; what it leaves has no `complete.json`, or one that lists no
weights, and is passed over. A file that differs from its checksum is another matter: that checkpoint was whole once, so
it is refused by name.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.checksums import sha256_of
from biomedgpt_hf.disk.replacing import write_json
from biomedgpt_hf.disk.space import missing_space

MARKER = "complete.json"
FOLDER = re.compile(r"checkpoint-(\d+)")  # transformers' name for them
SHARDED = "sharded"  # the folder of states in pieces
WEIGHTS = ("model", "adapter_model")  # how the names of files of whole weights begin
SPARE = 1.05  # leaves room for small files and for the file system


class DamagedCheckpointError(OSError):
    """A checkpoint that was complete and is not any more."""


class CheckpointNotSavedError(OSError):
    """A checkpoint could not be written."""


def checkpoint_folders(output_dir: str | os.PathLike) -> list[Path]:
    """Return the folders of a run's checkpoints, complete or not, the newest first."""
    output_dir = Path(output_dir)
    folders = [path for path in output_dir.iterdir() if path.is_dir()] if output_dir.is_dir() else []
    return sorted((path for path in folders if FOLDER.fullmatch(path.name)), key=step_of, reverse=True)


def step_of(folder: Path) -> int:
    """Return the step that a checkpoint's folder is named after."""
    named = FOLDER.fullmatch(folder.name)
    return int(named[1]) if named else -1


def why_incomplete(folder: str | os.PathLike) -> str | None:
    """Return why a checkpoint does not count as written to its end, in words that follow its name; None if it does.

    A marker that is no JSON is damage, which `verify` tells: the checkpoint was whole once.
    """
    folder = Path(folder)
    if not (folder / MARKER).is_file():
        return "was not written to its end"
    try:
        content = json.loads((folder / MARKER).read_text("utf-8"))
    except ValueError:
        return None
    files = content.get("files") if isinstance(content, dict) else None
    if not files or not isinstance(files, dict):
        return f"is not complete, since its {MARKER} lists no files"
    if not any(_holds_weights(name) for name in files):
        return f"is not complete, since its {MARKER} lists no weights"
    if not any((folder / name).exists() for name in files):
        return f"is not complete, since none of the files that its {MARKER} lists is there"
    return None


def is_complete(folder: str | os.PathLike) -> bool:
    """Whether a checkpoint was written to its end."""
    return why_incomplete(folder) is None


def newest_complete(output_dir: str | os.PathLike) -> Path | None:
    """Return the newest checkpoint of a run that was written to its end, or None."""
    return next(filter(is_complete, checkpoint_folders(output_dir)), None)


def mark_complete(folder: str | os.PathLike, **facts: Any) -> None:
    """Write the checksums of all files in a checkpoint, when they are on the disk, and so declares it complete.

    Args:
        folder: the checkpoint.
        facts: more to note, such as the number of processes.
    """
    folder = Path(folder)
    files = {}
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
    write_json(folder / MARKER, {**facts, "files": files})


def verify(folder: str | os.PathLike) -> None:
    """Compare a checkpoint's files with its checksums.

    Raises:
        DamagedCheckpointError: names the first file that is missing, cut off or changed, or says that the checkpoint
            was never complete.
    """
    folder = Path(folder)
    for name, noted in _read_marker(folder)["files"].items():
        path = folder / name
        if not path.is_file():
            raise _damaged(folder, f"{name} is missing")
        if path.stat().st_size != noted["size"]:
            raise _damaged(folder, f"{name} has {path.stat().st_size:,} bytes instead of {noted['size']:,}")
        if sha256_of(path) != noted["sha256"]:
            raise _damaged(folder, f"{name} is not what was saved (its sha256 differs)")


def check_free_space(output_dir: str | os.PathLike, needed: int) -> None:
    """Raise a CheckpointNotSavedError unless a disk has room for a checkpoint.

    Args:
        output_dir: the run's folder, which exists.
        needed: bytes of the checkpoint.
    """
    if missing := missing_space(output_dir, needed * SPARE):
        raise CheckpointNotSavedError(f"a checkpoint has no room: about {missing}")


def remove_old(output_dir: str | os.PathLike, keep: int | None, best: str | None = None) -> None:
    """Remove what is no longer needed, once a newer checkpoint is complete: what a dead process left, and old ones.

    Args:
        output_dir: the run's folder.
        keep: how many complete checkpoints stay (`save_total_limit`); None for all.
        best: one that stays in any case, and counts.
    """
    folders = checkpoint_folders(output_dir)
    complete = [folder for folder in folders if is_complete(folder)]
    if not complete:
        return
    stay = complete if not keep else complete[:keep]
    best_folder = Path(best).resolve() if best else None
    if keep and best_folder in {folder.resolve() for folder in complete[keep:]}:
        stay = [*complete[: max(1, keep - 1)], *(folder for folder in complete if folder.resolve() == best_folder)]
    for folder in folders:
        if folder not in stay and step_of(folder) < step_of(complete[0]):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a checkpoint, its marker first: what is half removed must not pass for complete."""
    (folder / MARKER).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a checkpoint, in a fixed order, without the marker."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent / path.name != folder / MARKER:
            yield path


def _holds_weights(name: str) -> bool:
    """Whether a file of a checkpoint, by its name within it, holds weights."""
    return name.startswith(f"{SHARDED}/") or (name.startswith(WEIGHTS) and name.endswith(".safetensors"))


def _read_marker(folder: Path) -> dict[str, Any]:
    if reason := why_incomplete(folder):
        reason = reason.replace("was not", "was never") if folder.is_dir() else "does not exist"
        raise DamagedCheckpointError(
            f"The checkpoint {folder} {reason}: go on from another one, or leave resume_from_checkpoint out to take "
            "the newest complete one."
        )
    try:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
        return {**marker, "files": dict(marker["files"])}
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(folder, f"its {MARKER} cannot be read") from error


def _damaged(folder: Path, reason: str) -> DamagedCheckpointError:
    others = [other for other in checkpoint_folders(folder.parent) if is_complete(other) and other != folder]
    older = next((other for other in others if step_of(other) < step_of(folder)), None)
    remedy = f"Remove it to go on from {older.name}" if older else "Copy it again, or remove it to begin anew"
    return DamagedCheckpointError(f"The checkpoint {folder} is damaged: {reason}. {remedy}.")
