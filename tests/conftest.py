"""What every test may rely on: one thread per worker, no network, and the reference data if there."""

import os
from pathlib import Path

import pytest

# Read when torch and huggingface_hub are first imported, so they are set before any test module.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Nothing is known but what a test makes known, whatever index the package holds.
os.environ["BIOMEDGPT_KNOWN"] = ""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the repository; its tests skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the reference data (a folder named shared beside the repository) is absent")
    return folder


KNOWN_WORDS = "the molecule is an acid base methyl role as a drug conjugate it running runs".split()


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory) -> Path:
    """A folder with a WordPiece vocabulary of letters and a few words, in the place of SciBERT's."""
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))


def write_vocabulary(folder: Path) -> Path:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*KNOWN_WORDS, *letters, *(f"##{letter}" for letter in letters)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in dict.fromkeys(tokens)))
    return folder


@pytest.fixture
def cell():
    """A third modality, added from outside: the values of a cell's genes."""
    from biomedgpt_hf.modalities import MODALITIES, Modality  # not before the environment is set

    modality = Modality(
        "cell", "cells", "<cellHere>", unit="gene", notation="list of values", item_type="list[float32]"
    )
    MODALITIES[modality.name] = modality
    yield modality
    del MODALITIES[modality.name]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names no test by bytes: gzip writes the time into them, and parallel workers need the same names."""
    return argname if isinstance(val, bytes) else None
