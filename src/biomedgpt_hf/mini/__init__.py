"""The small checkpoint that comes with the package: really trained, offline, and for demonstration only.

`examples/train_mini.py` makes it; docs/mini.md is the log of the experiments.
"""

import os
from os import PathLike
from pathlib import Path

DEMONSTRATION = (
    "Answers come from the embedded mini checkpoint, a demonstration of six and a half million parameters. Its "
    "sentences look like database entries, but much of what they claim is wrong, and on proteins it has not been shown "
    "to have learned anything. Do not rely on them."
)
# The weights started from random numbers, and every row that they learned from is under this licence, or freer.
LICENCE = "CC-BY-4.0"
SOURCES = (
    "ChEBI and ChEBI-20 (EMBL-EBI), UniProtKB/Swiss-Prot (UniProt Consortium), Saccharomyces Genome Database, DeepLoc "
    "(DTU), Prokka's databases and PubChem's names (NCBI, public domain)"
)
FOLDER = Path(__file__).resolve().parent
KNOWN = "BIOMEDGPT_KNOWN"  # environment variable: another index than the embedded one, or nothing for none


def mini_checkpoint() -> Path:
    """Folder of the embedded checkpoint, for every `from_pretrained`.

    Raises:
        FileNotFoundError: if the installation lacks it.
    """
    if not (FOLDER / "config.json").exists():
        raise FileNotFoundError(f"The embedded checkpoint is not in {FOLDER}: install the package anew.")
    return FOLDER


def known_items() -> Path | None:
    """Folder of the embedded index of known items (`biomedgpt data index`), or None if the package has none.

    The environment variable BIOMEDGPT_KNOWN names another folder; if it is empty, nothing is known.
    """
    if KNOWN in os.environ:
        return Path(os.environ[KNOWN]) if os.environ[KNOWN] else None
    return FOLDER / "known" if (FOLDER / "known").exists() else None


def is_mini(checkpoint: str | PathLike) -> bool:
    """Whether a checkpoint's path is the embedded one's."""
    return Path(checkpoint).resolve() == FOLDER
