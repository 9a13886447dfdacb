"""Protein sequences to token ids, exactly one per residue.

How a sequence is read (L residues give L tokens, and the encoder's start and end tokens around them):

    lower case              upper-cased first (EsmTokenizer makes one `<unk>` of a whole lower-case run)
    white space             dropped wherever it stands: sequences come wrapped in lines, or spaced as "M K T"
    A … Z                   the vocabulary's id; the rare letters B, O, U, X, Z have their own in ESM-2
    J (Leu or Ile), or any  `<unk>`, one for each residue; ESM-2's vocabulary has no J
    letter it does not have
    "-" and "." (gaps)      the vocabulary's id, an error where it has none
    "*" (stop)              dropped at the end, an error inside
    the path of a file,     an error, though "x.fasta" could be letters around a gap
    such as "x.fasta"
    anything else           an error with the character and its index; special tokens such as "<mask>" too
"""

import re
import string
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from .molecule_input import FILE_PATH

# ESM-2's alphabet (Lin et al., 2023; fair-esm "ESM-1b" alphabet), in the order of its embedding's rows.
ESM2_VOCABULARY = (
    "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>"
).split()
STANDARD_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
GAPS = "-."
SYMBOLS = GAPS + "|"  # and ESM-C's chain break
LARGEST_VOCABULARY = 1000  # protein vocabularies have 30 to 200 tokens, language models 30,000 and more
NUCLEOTIDES, SHORTEST_NUCLEOTIDE_WARNING = "ACGTUN", 50
NAMES_A_FILE = (
    "it looks like the path of a file. Pass what is in it: read_proteins(path), or --protein-file on the command line."
)
SMILES = re.compile(r"(\[[^\]]+\]|Br|Cl|[BCNOPSFIbcnops]|[-=#$:/\\.%()0-9])+")  # for a hint only


class InvalidProteinError(ValueError):
    """A value that cannot be read as a protein.

    Attributes:
        value: what was given.
        position: its index among the proteins of the call, None for a single one.
        reason: what is wrong with it.
    """

    def __init__(self, value: Any, position: int | None, reason: str) -> None:
        super().__init__(value, position, reason)  # the arguments, so that worker processes can pickle it
        self.value, self.position, self.reason = value, position, reason

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 80:
            shown = f"{shown[:60]}… ({len(str(self.value)):,} characters)"
        return f"Cannot read protein{'' if self.position is None else f' {self.position}'}, {shown}: {self.reason}"


class ResidueTable(NamedTuple):
    """What a protein tokenizer does, as arrays, for which reading a protein is one lookup.

    Attributes:
        ids: id of each ASCII character, −1 where it is not a residue, int64 [128].
        start: ids before the residues, int64 [number of them].
        end: ids after the residues, int64 [number of them].
        pad_id: id that fills short rows.
    """

    ids: np.ndarray
    start: np.ndarray
    end: np.ndarray
    pad_id: int


def read_residue_table(tokenizer: PreTrainedTokenizerBase) -> ResidueTable:
    """Read a protein tokenizer's vocabulary and its start and end tokens.

    Args:
        tokenizer: any tokenizer whose vocabulary has a token for each residue ("L", or "▁L" as in ProtT5).

    Raises:
        ValueError: if it is no protein tokenizer, or has no padding token.
    """
    vocabulary = tokenizer.get_vocab()
    residues = {
        letter: vocabulary.get(letter, vocabulary.get(f"▁{letter}")) for letter in string.ascii_uppercase + SYMBOLS
    }
    missing = [letter for letter in STANDARD_RESIDUES if residues[letter] is None]
    if missing or len(vocabulary) > LARGEST_VOCABULARY:
        lacks = f", none for {', '.join(missing)}" if missing else ""
        raise ValueError(
            f"{type(tokenizer).__name__} is no protein tokenizer: it has {len(vocabulary):,} tokens{lacks}. "
            "Pass the protein encoder's own tokenizer, or None for ESM-2's."
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(f"The protein tokenizer {type(tokenizer).__name__} has no padding token: set pad_token.")
    unknown = -1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id
    ids = np.full(128, -1, dtype=np.int64)
    for letter, index in residues.items():
        ids[ord(letter)] = index if index is not None else unknown if letter.isalpha() else -1
    alone = tokenizer("L")["input_ids"]
    if residues["L"] not in alone:
        raise ValueError(f"{type(tokenizer).__name__} reads the residue L as {alone}, not as {residues['L']}.")
    at = alone.index(residues["L"])
    start, end = np.array(alone[:at], dtype=np.int64), np.array(alone[at + 1 :], dtype=np.int64)
    return ResidueTable(ids, start, end, tokenizer.pad_token_id)


def build_protein_tokenizer(source: PreTrainedTokenizerBase | None = None) -> PreTrainedTokenizerBase:
    """Return a fast tokenizer with one token per residue and the ids of `source`.

    Args:
        source: the protein encoder's tokenizer: an EsmTokenizer, a BERT type such as ProtBert's that wants spaces
            between residues, a sentencepiece type such as ProtT5's. None gives ESM-2's. One that is fast and reads a
            token per residue already, such as ESM-C's, comes back as it is.

    Raises:
        ValueError: if `source` is no protein tokenizer.
    """
    if source is None:
        return _character_tokenizer({token: index for index, token in enumerate(ESM2_VOCABULARY)}, _ESM2_SPECIAL)
    table = read_residue_table(source)
    if source.is_fast and source("LAGJJV")["input_ids"] == encode_protein("LAGJJV", table).tolist():
        return source
    vocabulary = {token.removeprefix("▁") or token: index for token, index in source.get_vocab().items()}
    special = {
        name: token
        for name, token in source.special_tokens_map.items()
        if isinstance(token, str) and token in vocabulary
    }
    start, end = (source.convert_ids_to_tokens(ids.tolist()) for ids in (table.start, table.end))
    return _character_tokenizer(vocabulary, special, start, end)


_ESM2_SPECIAL = {f"{name}_token": f"<{name}>" for name in ("cls", "pad", "eos", "unk", "mask")}


def _character_tokenizer(
    vocabulary: dict[str, int],
    special: dict[str, str],
    start: Sequence[str] = ("<cls>",),
    end: Sequence[str] = ("<eos>",),
) -> PreTrainedTokenizerFast:
    """Return a tokenizer of single characters: byte-pair encoding without a pair to merge."""
    tokenizer = Tokenizer(BPE(vocabulary, merges=[], unk_token=special.get("unk_token")))
    around = dict.fromkeys([*start, *end])
    tokenizer.post_processor = TemplateProcessing(
        single=[*start, "$A", *end], special_tokens=[(token, vocabulary[token]) for token in around]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="right",
        clean_up_tokenization_spaces=False,
        **special,
    )


def encode_protein(
    value: str,
    table: ResidueTable,
    *,
    position: int | None = None,
    max_length: int | None = None,
    truncation: bool = False,
) -> np.ndarray:
    """Return the token ids of one protein; the module's docstring says how characters are read.

    Args:
        value: amino-acid sequence.
        table: the tokenizer, as `read_residue_table` reads it.
        position: index of the protein in the call, for errors.
        max_length: most tokens, start and end included; None for no limit.
        truncation: cut a longer protein at its end, with a warning, instead of raising.

    Returns:
        int64 [start + residues + end].

    Raises:
        InvalidProteinError: if `value` is no sequence, or too long.
    """
    if not isinstance(value, str):
        raise InvalidProteinError(value, position, f"expected a string of amino-acid letters, got {_kind(value)}.")
    residues = "".join(value.split()).removesuffix("*")
    if not residues.isascii() or not residues:
        raise InvalidProteinError(value, position, _complaint(value, table))
    if "." in residues and re.fullmatch(FILE_PATH, value.strip()):
        raise InvalidProteinError(value, position, NAMES_A_FILE)
    residues = residues.upper()
    ids = table.ids[np.frombuffer(residues.encode("ascii"), dtype=np.uint8)]
    if ids.min() < 0:
        raise InvalidProteinError(value, position, _complaint(value, table))
    if len(ids) >= SHORTEST_NUCLEOTIDE_WARNING and not residues.strip(NUCLEOTIDES):
        warnings.warn(
            f"{_name(position)} holds {len(ids):,} letters out of {NUCLEOTIDES} only: it looks like a nucleotide "
            "sequence, but is read as amino acids. Translate it first.",
            stacklevel=2,
        )
    around = len(table.start) + len(table.end)
    if max_length is not None and len(ids) + around > max_length:
        ids = ids[: _longest(value, position, len(ids), around, max_length, truncation)]
    return np.concatenate([table.start, ids, table.end])


def _longest(value: str, position: int | None, residues: int, around: int, max_length: int, truncation: bool) -> int:
    """Return how many residues a too long protein may keep, with a warning, or raise where it may not be cut."""
    excess = (
        f"its {residues:,} residues make {residues + around:,} tokens, more than the limit of {max_length:,} tokens "
        f"({max_length - around:,} residues)"
    )
    if not truncation:
        remedy = (
            'Pass a domain of it, or have its end cut off: protein_kwargs={"truncation": True} does it in the '
            'processor, long_proteins="crop" in predict and embed.'
        )
        raise InvalidProteinError(value, position, f"{excess}. {remedy}")
    warnings.warn(f"{_name(position)} was cut: {excess}.", stacklevel=3)
    return max_length - around


def _name(position: int | None) -> str:
    return "The protein" if position is None else f"Protein {position}"


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _complaint(value: str, table: ResidueTable) -> str:
    """Return why a string is no protein, and what to do about it."""
    if not value.strip().rstrip("*"):
        return "it is empty. Pass one letter per residue, such as 'MKTAYIAK'."
    if value.lstrip().startswith(">"):
        return (
            "it begins with a FASTA header line. Pass the sequence alone, or the file by --protein-file on the "
            "command line."
        )
    if special := re.search(r"<\w+>|\[(CLS|SEP|PAD|UNK|MASK)\]", value):
        return f"{special[0]!r} at index {special.start()}: special tokens cannot be typed inside a sequence."
    index = next(
        index
        for index, letter in enumerate(value)
        if not letter.isspace() and (not letter.isascii() or table.ids[ord(letter.upper())] < 0)
    )
    if value.startswith("InChI=") or SMILES.fullmatch(value.strip()):
        return f"{value[index]!r} at index {index} is not a residue. It looks like a molecule. Pass it as one."
    if value[index] == "*":
        return f"'*' at index {index}: a stop inside the sequence. Pass the chain before it, or one chain at a time."
    if value[index] in GAPS:
        return f"{value[index]!r} at index {index}: this encoder's vocabulary has no gaps. Take them out."
    return f"{value[index]!r} at index {index} is not a residue. Write one letter per residue and nothing else."


def collate_proteins(samples: Sequence[Sequence[np.ndarray]], pad_id: int) -> dict[str, np.ndarray]:
    """Return the proteins of a batch as padded tensors.

    Args:
        samples: for each of B samples, the token ids of its proteins in prompt order, int64 [R] each.
        pad_id: id that fills short rows and absent proteins.

    Returns:
        `protein_input_ids`, `protein_attention_mask`: int64 [B, P, R] for at most P proteins of at most R tokens.
    """
    shape = (
        len(samples),
        max(len(sample) for sample in samples),
        max(len(protein) for sample in samples for protein in sample),
    )
    ids = np.full(shape, pad_id, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    for row, sample in enumerate(samples):
        for column, protein in enumerate(sample):
            ids[row, column, : len(protein)] = protein
            mask[row, column, : len(protein)] = 1
    return {"protein_input_ids": ids, "protein_attention_mask": mask}
