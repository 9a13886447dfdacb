"""WordNet, where METEOR takes its synonyms from: found on disk, never downloaded.

It is looked for in NLTK's own folders, then in the folder that `$BIOMEDGPT_WORDNET` names, which holds the database
files of WordNet 3.0 (as Debian's package `wordnet-base` has them in /usr/share/wordnet).
"""

from __future__ import annotations

import hashlib
import io
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from biomedgpt_hf.extras import missing_package

FOLDER_VARIABLE = "BIOMEDGPT_WORDNET"
# The files that synonyms come from. NLTK opens more of them, but only for what is not asked here.
DATABASE_FILES = tuple(f"{kind}.{part}" for kind in ("data", "index") for part in ("adj", "adv", "noun", "verb"))
EXCEPTION_FILES = tuple(f"{part}.exc" for part in ("adj", "adv", "noun", "verb"))

# lexnames(5WN), WordNet 3.0: the names of the lexicographer files 00 to 44. Debian's package leaves the file out.
_NOUNS = (
    "Tops act animal artifact attribute body cognition communication event feeling food group location motive object "
    "person phenomenon plant possession process quantity relation shape state substance time"
)
_VERBS = (
    "body change cognition communication competition consumption contact creation emotion motion perception possession "
    "social stative weather"
)
LEXICOGRAPHER_FILES = (
    *(("adj.all", 3), ("adj.pert", 3), ("adv.all", 4)),
    *((f"noun.{name}", 1) for name in _NOUNS.split()),
    *((f"verb.{name}", 2) for name in _VERBS.split()),
    ("adj.ppl", 3),
)


class MissingWordNetError(FileNotFoundError):
    """WordNet is not on this machine, so METEOR has no synonyms; another number under its name would mislead."""


def load_wordnet() -> Any:
    """Open WordNet.

    Returns:
        an `nltk.corpus.reader.wordnet.WordNetCorpusReader`.

    Raises:
        MissingWordNetError: WordNet is neither in NLTK's folders nor in `$BIOMEDGPT_WORDNET`, or files are missing.
        ModuleNotFoundError: nltk is not installed.
    """
    try:
        import nltk.data
    except ImportError as error:
        raise ModuleNotFoundError(missing_package("nltk", "evaluation")) from error
    for place in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        try:
            return _reader(nltk.data.find(place))
        except LookupError:
            continue
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        raise MissingWordNetError(
            "METEOR needs WordNet 3.0, which is not on this machine. Install Debian's package wordnet-base and set "
            f"{FOLDER_VARIABLE}=/usr/share/wordnet, or run `python -c \"import nltk; nltk.download('wordnet')\"`, "
            "or ask for the score without synonyms, which has the name meteor_no_wordnet."
        )
    missing = [name for name in (*DATABASE_FILES, *EXCEPTION_FILES) if not (pathlib.Path(folder) / name).is_file()]
    if missing:
        raise MissingWordNetError(
            f"{FOLDER_VARIABLE} names {folder!r}, where {', '.join(missing[:3])} of WordNet's database is missing. "
            "Name the folder that holds data.noun, index.noun and the like, such as /usr/share/wordnet."
        )
    # NLTK opens only what lies under its list of folders. The user has named this one.
    if folder not in nltk.data.path:
        nltk.data.path.append(folder)
    return _reader(folder)


def _reader(root: Any) -> Any:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        def open(self, file: str) -> Any:
            if file == "lexnames" and not _exists(self, file):
                return io.StringIO("".join(_lexname_rows()))
            return super().open(file)

        def map_wn(self, *_: Any, **__: Any) -> None:
            """Leave other languages' wordnets aside."""

    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The multilingual functions are not available")
        return Reader(root, None)


def _exists(reader: Any, name: str) -> bool:
    try:
        reader.abspath(name).open().close()
    except OSError:
        return False
    return True


def _lexname_rows() -> Iterator[str]:
    for number, (name, part_of_speech) in enumerate(LEXICOGRAPHER_FILES):
        yield f"{number:02d}\t{name}\t{part_of_speech}\n"


def wordnet_version(reader: Any) -> dict[str, str]:
    """Return what identifies a WordNet: its `version`, and the `sha256` over its database and exception files."""
    digest = hashlib.sha256()
    for name in (*DATABASE_FILES, *EXCEPTION_FILES):
        with reader.abspath(name).open() as file:
            digest.update(name.encode() + b"\0")
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    return {"version": str(reader.get_version()), "sha256": digest.hexdigest()}
