"""Rows with a better and a worse answer to batches, as TRL's `DPOTrainer` takes them.

    {"messages": [{"role": "user", "content": [{"type": "molecule"}, {"type": "text", "text": "What is it?"}]}],
     "molecules": ["CCO"], "chosen": "An alcohol.", "rejected": "A metal.", "id": "1"}

`messages`, `molecules` and `proteins` are as in every row (see `rows.schema`), without the last answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX
from biomedgpt_hf.rows.schema import features, row_fields

if TYPE_CHECKING:
    import datasets

    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

ANSWERS = ("chosen", "rejected")


def optional_columns() -> tuple[str, ...]:
    """Return the columns that a set of preferences may lack."""
    return tuple(field for field in row_fields() if field != "messages")


def preference_features() -> datasets.Features:
    """Return the columns of a set of preferences: those of every row, and two answers in plain text."""
    from datasets import Features, Value

    return Features({**features(), **{answer: Value("string") for answer in ANSWERS}})


class BioMedGPTPreferenceCollator(BioMedGPTDataCollator):
    """Makes one batch of preferences: all rows with their chosen answers, then all with their rejected ones.

    A protein that both answers are about goes through the encoder once (see the model's `get_protein_features`).

    Args:
        processor: a `BioMedGPTProcessor`.
        **arguments: as `BioMedGPTDataCollator` takes them: `max_length`, `processor_kwargs`, `chat_template`, …
    """

    def __init__(self, processor: BioMedGPTProcessor, **arguments: Any) -> None:
        if arguments.get("packing") or arguments.get("share_prefix"):
            raise ValueError("Preferences need a row for each answer: leave packing and share_prefix at False.")
        super().__init__(processor, **arguments)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the processor's tensors for 2 · B rows and `completion_mask`, int64 [2 · B, T], 1 on the answers.

        Raises:
            ValueError: names the row that has no question, lacks an answer, or that `BioMedGPTDataCollator` refuses.
        """
        batch = super().__call__([with_answer(row, answer) for answer in ANSWERS for row in rows])
        learned = batch.pop("labels") != IGNORE_INDEX
        begins = learned & ~torch.nn.functional.pad(learned, (1, 0))[:, :-1]
        answer_number = begins.cumsum(dim=1)  # earlier answers of a conversation belong to the question
        batch["completion_mask"] = (learned & (answer_number == answer_number[:, -1:])).long()
        return batch

    def row_lengths(self, rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """Return the tokens of each row's two sequences, int64 [number of rows], padding of the shorter included."""
        rows = list(rows)
        of_each = [super(BioMedGPTPreferenceCollator, self).row_lengths(with_answer(row, answer) for row in rows)
                   for answer in ANSWERS]  # fmt: skip
        return len(ANSWERS) * np.maximum(*of_each)


def with_answer(row: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """Return a row whose conversation ends with one of its answers.

    Args:
        row: one row; an answer is a text, an assistant message with text, or a list of one such message.
        answer: "chosen" or "rejected".
    """
    messages, given = row.get("messages"), row.get(answer)
    if not isinstance(messages, Sequence) or not messages or messages[-1].get("role") != "user":
        raise ValueError(
            f"Row {row.get('id')!r}: messages must end with a user's message, the question that chosen and rejected "
            "answer."
        )
    if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 1:
        given = given[0]
    message = {"role": "assistant", "content": given} if isinstance(given, str) else given
    if not isinstance(message, Mapping) or message.get("role") != "assistant" or not _is_text(message.get("content")):
        raise ValueError(
            f"Row {row.get('id')!r}, field {answer!r}: needs a text, or one assistant message with text, got {given!r}."
        )
    kept = {name: value for name, value in row.items() if name not in ANSWERS}
    return {**kept, "messages": [*messages, message]}


def _is_text(content: object) -> bool:
    """Whether a message's content is text alone; whether the text is there is checked where all rows are."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        return all(isinstance(block, Mapping) and block.get("type") == "text" for block in content)
    return isinstance(content, str)
