"""The pieces that MolT5's evaluator compares: SciBERT's uncased WordPiece, the first 512 of a text.

Edwards et al., 2022 (arXiv:2204.11817), `evaluation/text_translation_metrics.py`. The tokenizer alone moves BLEU-4 by
.06, so the vocabulary's hash is recorded beside every score.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

SCIBERT = "allenai/scibert_scivocab_uncased"
MOST_PIECES = 512
# Left out wherever they stand, also when a text spells them.
LEFT_OUT = ("[PAD]", "[CLS]", "[SEP]")
# A generated caption may begin with this, which the evaluator cuts off.
LEADING = "[CLS] "
BERT_STEPS = ("BertNormalizer", "BertPreTokenizer", "WordPiece")


class MissingVocabularyError(FileNotFoundError):
    """The tokenizer of the text metrics is not to be had; another one would give other numbers under their names."""


class WordPieces:
    """Splits texts into the pieces that BLEU and METEOR compare.

    Args:
        tokenizer: a folder that holds `vocab.txt` or a saved tokenizer, a name on the Hub, or a loaded tokenizer.

    Raises:
        MissingVocabularyError: there is no tokenizer in that place.
    """

    def __init__(self, tokenizer: str | os.PathLike | Any = SCIBERT) -> None:
        self.name = os.fspath(tokenizer) if isinstance(tokenizer, str | os.PathLike) else type(tokenizer).__name__
        self._tokenizer = _load(tokenizer) if isinstance(tokenizer, str | os.PathLike) else tokenizer

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the pieces of each text: all of them, special tokens too."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            pieces = [self._tokenizer.tokenize(text) for text in texts]
        else:
            backend.no_truncation()
            backend.no_padding()
            pieces = [encoding.tokens for encoding in backend.encode_batch(texts, add_special_tokens=False)]
        return pieces

    @property
    def splits_at_spaces(self) -> bool:
        """Whether a text's pieces are those of the parts between its spaces, as with BERT's tokenizers.

        Whatever they do to a text before it is cut into words, they do character by character, or within what stands
        between spaces.
        """
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            return False
        steps = tuple(type(step).__name__ for step in (backend.normalizer, backend.pre_tokenizer, backend.model))
        added = (token.content for token in backend.get_added_tokens_decoder().values())
        return steps == BERT_STEPS and not any(" " in content for content in added)

    def version(self) -> dict[str, Any]:
        """Return what identifies the pieces: `name`, `size` of the vocabulary, and its `sha256`.

        The hash is that of the tokens in the order of their ids, one a line: the hash of SciBERT's own `vocab.txt`.
        """
        tokens = sorted(self._tokenizer.get_vocab().items(), key=lambda entry: entry[1])
        text = "".join(f"{token}\n" for token, _ in tokens)
        return {"name": self.name, "size": len(tokens), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _load(place: str | os.PathLike) -> Any:
    from transformers import AutoTokenizer, BertTokenizerFast

    folder = pathlib.Path(place)
    # `from_pretrained` and not `vocab_file=`: the latter gives nothing but [UNK] in transformers 5.
    kind = BertTokenizerFast if (folder / "vocab.txt").is_file() else AutoTokenizer
    try:
        return kind.from_pretrained(os.fspath(place), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise MissingVocabularyError(
            f"The text metrics cannot load their tokenizer from {os.fspath(place)!r}: {str(error).splitlines()[0]} "
            f"Name a folder that holds SciBERT's vocab.txt ({SCIBERT}), or allow the Hub."
        ) from error
