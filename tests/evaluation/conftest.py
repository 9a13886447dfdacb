"""What tests of scores share."""

import pytest

KNOWN = "the molecule is an acid base methyl role as a drug conjugate it running runs".split()


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory):
    """Return a folder with a WordPiece vocabulary of letters and a few words."""
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))


def write_vocabulary(folder):
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *KNOWN, *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in dict.fromkeys(tokens)))
    return folder
