"""Rows with a better and a worse answer to batches, as trl's `DPOTrainer` takes them.

    {"messages": [{"role": "user", "content": [{"type": "molecule"}, {"type": "text", "text": "What is it?"}]}],
     "molecules": ["CCO"], "chosen": "An alcohol.", "rejected": "A metal.", "id": "1"}

`messages`, `molecules` and `proteins` are as in every row (see `schema`), without the last answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from biomedgpt_hf.batches.collator import IGNORE_INDEX, BioMedGPTDataCollator

ANSWERS = ("chosen", "rejected")


class BioMedGPTPreferenceCollator:
    """Makes one batch of preferences: all rows with their chosen answers, then all with their rejected ones.

    A protein that both answers are about goes through the encoder once (see the model's `get_protein_features`).

    Args:
        processor: a `BioMedGPTProcessor`.
        **arguments: as `BioMedGPTDataCollator` takes them: `max_length`, `processor_kwargs`, `chat_template`, …
    """

    def __init__(self, processor: Any, **arguments: Any) -> None:
        if arguments.get("packing") or arguments.get("share_prefix"):
            raise ValueError("Preferences need a row for each answer: leave packing and share_prefix at False.")
        self.processor = processor
        self.collator = BioMedGPTDataCollator(processor, **arguments)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the processor's tensors for 2 · B rows and `completion_mask`, int64 [2 · B, T], 1 on the answers.

        Raises:
            ValueError: names the row that has no question, lacks an answer, or that `BioMedGPTDataCollator` refuses.
        """
        batch = self.collator([with_answer(row, answer) for answer in ANSWERS for row in rows])
        learned = batch.pop("labels") != IGNORE_INDEX
        begins = learned & ~torch.nn.functional.pad(learned, (1, 0))[:, :-1]
        answer_number = begins.cumsum(dim=1)  # earlier answers of a conversation belong to the question
        batch["completion_mask"] = (learned & (answer_number == answer_number[:, -1:])).long()
        return batch


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
