"""How many tokens a row will take in the language model: its text, atoms and residues, without making a graph.

The number is exactly that of the collator's `attention_mask.sum()`, because the same functions render the conversation,
cut it into segments and tokenise these; only what does not change the number is left out. Atoms are counted in the text
of a SMILES; the few with explicit hydrogens, and InChI, are read by RDKit as the processor reads them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rdkit import rdBase

from biomedgpt_hf.batches.documents import document_ids
from biomedgpt_hf.processors.molecule_input import RefusedError, parse_text
from biomedgpt_hf.processors.processor_options import read_options
from biomedgpt_hf.processors.prompt_segments import SEGMENT_BREAK, cut, start_ids, tokenize_segments
from biomedgpt_hf.rows.documents import is_document
from biomedgpt_hf.rows.schema import to_conversation

if TYPE_CHECKING:
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

ROWS_AT_ONCE = 1_000
# One atom of a SMILES: in brackets, or of the organic subset; everything else that may stand outside brackets.
ATOM = r"\[[^][]*\]|Br|Cl|[BCNOPSFIbcnops*]"
ATOMS, SMILES = re.compile(ATOM), re.compile(rf"(?:{ATOM}|[-=#$:/\\.%()~<>0-9])+")
# Hydrogens with brackets of their own, which RDKit takes into their neighbours unless they mean something.
HYDROGEN = re.compile(r"\[\d*(?:H(?![a-z])|#1(?!\d))")


def count_atoms(molecule: str) -> int:
    """Return how many atoms, and so placeholders, the processor gives a molecule.

    Args:
        molecule: SMILES or InChI. A SMILES is taken on trust: only RDKit would find that it is chemically wrong.

    Raises:
        ValueError: what is neither.
    """
    text = molecule.strip()
    if SMILES.fullmatch(text) and not HYDROGEN.search(text) and (atoms := ATOMS.findall(text)):
        return len(atoms)
    try:
        with rdBase.BlockLogs():
            return int(parse_text(text).GetNumAtoms())
    except RefusedError as error:
        reason, remedy = error.args
        raise ValueError(f"Cannot count the atoms of {molecule[:100]!r}: {reason}. {remedy}.") from error


def row_lengths(
    rows: Iterable[Mapping[str, Any]],
    processor: BioMedGPTProcessor,
    processor_kwargs: Mapping[str, Any] | None = None,
    **template_arguments: Any,
) -> np.ndarray:
    """Return the number of tokens of each row, as the collator with the same arguments would make them.

    Args:
        rows: as the collator takes them; read once, in order, some at a time.
        processor: a `BioMedGPTProcessor`.
        processor_kwargs: as the collator's, e.g. {"truncation": True} for proteins.
        **template_arguments: likewise.

    Returns:
        int64 [number of rows]. A row longer than the processor's context has the length it would have.

    Raises:
        ValueError: names the row that the collator could not read either: it breaks the schema, a protein is too long
            and may not be cut, …
    """
    count = TokenCounter(processor, dict(processor_kwargs or {}), template_arguments)
    following = iter(rows)
    chunks: list[np.ndarray] = []
    while some := list(islice(following, ROWS_AT_ONCE)):
        chunks.append(count(some))
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int64)


# Modalities whose placeholders are counted without reading an item as the processor does.
COUNTERS: dict[str, Callable[[str], int]] = {"molecule": count_atoms}


class Text(NamedTuple):
    """The text of a conversation as it is tokenised.

    Attributes:
        tokens: how many, start tokens included and placeholders not.
        separators: the placeholders and breaks in it, in order.
    """

    tokens: int
    separators: list[str]


class TokenCounter:
    """Counts the tokens of rows, with what does not depend on them made once.

    Args:
        processor: a `BioMedGPTProcessor`.
        processor_kwargs: as the collator's.
        template_arguments: likewise.
    """

    def __init__(
        self, processor: BioMedGPTProcessor, processor_kwargs: dict[str, Any], template_arguments: dict[str, Any]
    ) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer
        self.options = read_options(processor, dict(processor_kwargs), with_answers=False)
        # The template writes the break that the processor cuts a prompt at, if it knows of one.
        self.template_arguments = {
            "segment_break": SEGMENT_BREAK,
            "sanitize_control_tokens": True,
            **template_arguments,
        }

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the lengths of a few rows, int64 [number of rows]."""
        are_documents = np.array([is_document(row) for row in rows])
        lengths = np.zeros(len(rows), np.int64)
        if are_documents.any():
            texts = [row["text"] for row in rows if is_document(row)]
            lengths[are_documents] = [len(ids) for ids in document_ids(self.tokenizer, texts)]
        if not are_documents.all():
            lengths[~are_documents] = self._of_conversations([row for row in rows if not is_document(row)])
        return lengths

    def _of_conversations(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        conversations = [to_conversation(row) for row in rows]
        return [
            text.tokens + self._items(row.get("id"), conversation)
            for row, conversation, text in zip(rows, conversations, self.read_texts(conversations), strict=True)
        ]

    def read_texts(self, conversations: Sequence[list[dict[str, Any]]]) -> list[Text]:
        """Return the texts that a template makes of conversations.

        Raises:
            ValueError: the processor refuses one of the conversations, and does not say which.
        """
        prompts = self.processor.apply_chat_template(conversations, tokenize=False, **self.template_arguments)
        pieces = [cut(prompt, self.processor.placeholders) for prompt in prompts]
        different = list(dict.fromkeys(segment for of_row in pieces for segment in of_row[::2]))
        marked = self.template_arguments["sanitize_control_tokens"]
        tokenized = tokenize_segments(self.tokenizer, different, with_offsets=False, marked=marked)
        size = {segment: len(ids) for segment, (ids, _) in zip(different, tokenized, strict=True)}
        start = self._start(prompts[0])
        return [Text(start + sum(map(size.__getitem__, of_row[::2])), of_row[1::2]) for of_row in pieces]

    def _start(self, prompt: str) -> int:
        """Return the number of start tokens; as in transformers, none where the template writes its own."""
        start_token = self.tokenizer.bos_token
        written = start_token is not None and prompt.startswith(start_token)
        return 0 if written or self.options.get("add_special_tokens") is False else len(start_ids(self.tokenizer))

    def _items(self, row_id: object, conversation: Sequence[Mapping[str, Any]]) -> int:
        """Return how many placeholders the items of a conversation take."""
        blocks = (block for message in conversation for block in message["content"])
        total = 0
        for block in blocks:
            try:
                if block["type"] in COUNTERS:
                    total += COUNTERS[block["type"]](block[block["type"]])
                elif block["type"] in self.processor.readers:
                    total += self._placeholders(block["type"], block[block["type"]])
            except ValueError as error:
                raise ValueError(f"Row {row_id!r}: {error}") from error
        return total

    def _placeholders(self, modality: str, item: Any) -> int:
        """Return how many placeholders an item takes, by reading it."""
        reader = self.processor.readers[modality]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the collator warns of what is cut, when it is
            read = reader.read(item, self.processor, truncation=self.options["truncation"])
        return reader.count(read, self.processor)
