"""Which split a question is in: what its file is, and what the paper or the data set's authors do with it."""

from __future__ import annotations

import re
from pathlib import Path

from biomedgpt_hf.building.splits import split_of_hash

PUBMEDQA_SETS = ("PQA-A", "PQA-L", "PQA-U")
PARTS = {
    "train": "train",
    "dev": "dev",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
# (what a file holds, its part) → split; "" is a whole PubMedQA file. What is not here is left out.
ROLES: dict[str, dict[tuple[str, str], str]] = {
    # Paper, §4.1: trained on PQA-A and MedMCQA's training set, tested on the 1,000 questions of PQA-L,
    # the 4,183 of MedMCQA's development set, and USMLE (MedQA) without its training set. It does not
    # speak of MMLU and MedConceptsQA, whose test files are kept as such.
    "paper": {
        **{("PQA-A", part): "train" for part in ("", "train", "dev")},
        **{("PQA-L", part): "test" for part in ("", "train", "dev", "test")},
        ("MedMCQA", "train"): "train",
        ("MedMCQA", "dev"): "test",
        ("MedQA", "test"): "test",
        ("MMLU", "test"): "test",
        ("MedConceptsQA", "test"): "test",
    },
    # As the authors split them. PQA-L as a whole is told apart by its list of test questions
    # (`pubmedqa_split`); MMLU's dev files are the five examples that a model is shown beforehand.
    "official": {
        ("PQA-A", ""): "train",
        **{(name, "train"): "train" for name in ("PQA-A", "PQA-L", "MedMCQA", "MedQA", "MMLU")},
        **{(name, "dev"): "validation" for name in ("PQA-A", "PQA-L", "MedMCQA", "MedQA")},
        **{(name, "test"): "test" for name in ("PQA-L", "MedMCQA", "MedQA", "MMLU", "MedConceptsQA")},
        ("MMLU", "dev"): "train",
        ("MedConceptsQA", "dev"): "train",
        ("MMLU", "validation"): "validation",
    },
}


class UnknownRoleError(ValueError):
    """A file's name does not tell which part of its data set it is."""


def part_of_file(path: Path, holds: str) -> str:
    """Return which part of a data set a file is: "train", "dev", "validation", "test"; for PubMedQA also "".

    A part is a word of the file's name (`phrases_no_exclude_train.jsonl`, `dev.json`,
    `anatomy_val.csv`, `test-00000-of-00001.parquet`), or else of its folder's name (the Hub's
    `train/0000.parquet`). PubMedQA's files are whole sets, unless named as its authors' script does:
    `train_set.json`, `dev_set.json`, `test_set.json`.

    Args:
        path: the file.
        holds: what is in it, e.g. "MedQA" or "PQA-L".

    Raises:
        UnknownRoleError: there is no such word, or more than one.
    """
    path = Path(path)
    if holds in PUBMEDQA_SETS:
        named = re.search(r"(?:^|_)(train|dev|test)_set\b", path.name)
        return named[1] if named else ""
    name = path.name.split(".")[0]
    parts = _parts_in(name) or _parts_in(path.parent.name)
    if holds == "MedConceptsQA" and not parts:  # its authors' script writes whole files: VOCABULARY_LEVEL.csv
        return "test"
    if len(parts) != 1:
        found = "no such word" if not parts else " and ".join(sorted(parts))
        raise UnknownRoleError(
            f"{path}: a {holds} file, but which part of it? Its name has {found}. Name it with one of train, dev, "
            f"validation or test, e.g. {'anatomy_test.csv' if holds == 'MMLU' else 'train.jsonl'}."
        )
    part = parts.pop()
    return "dev" if part == "validation" and holds != "MMLU" else part


def _parts_in(name: str) -> set[str]:
    return {PARTS[word] for word in re.split(r"[^a-z0-9]+", name.lower()) if word in PARTS}


def subject_of(path: Path) -> str:
    """Return the subject of an MMLU file from its name: `anatomy_test.csv` → "anatomy".

    Raises:
        UnknownRoleError: the name is not SUBJECT_PART.
    """
    named = re.fullmatch(r"(.+)_(?:test|dev|val|valid|validation|train)", Path(path).name.split(".")[0].lower())
    if not named:
        raise UnknownRoleError(f"{path}: an MMLU file needs the name SUBJECT_PART, e.g. anatomy_test.csv: rename it.")
    return named[1]


def pubmedqa_split(pmid: str, test_pmids: frozenset[str], seed: int) -> str:
    """Return the official split of a question of `ori_pqal.json`.

    The authors test on the 500 questions of `test_ground_truth.json` and use the other 500 for
    ten-fold cross-validation. Here one in ten of those, by a hash, is for validation; for exactly
    their folds, give the files that their `split_dataset.py` makes.
    """
    return "test" if pmid in test_pmids else split_of_hash(seed, pmid, (9, 1, 0))
