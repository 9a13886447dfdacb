"""How a question is put: with examples before it, its choices in some order, as a text or as a conversation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from biomedgpt_hf.evaluation.items_in_text import write_items
from biomedgpt_hf.inference.item_arguments import item_blocks
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion, labels, prompt

# Between context and answer, and between examples: lm-evaluation-harness's defaults.
DELIMITER, BETWEEN_EXAMPLES = " ", "\n\n"


class Asked(NamedTuple):
    """A question as it is put.

    Attributes:
        question: with its choices in the order in which they are shown.
        number: 0 for the question's own order, otherwise the number of the shuffle.
        order: for each choice its place in the question's own order.
        examples: answered questions that stand before it.
        description: a text before all of them, with its line breaks.
    """

    question: MultipleChoiceQuestion
    number: int
    order: tuple[int, ...]
    examples: tuple[MultipleChoiceQuestion, ...] = ()
    description: str = ""

    @property
    def text(self) -> str:
        """Return the whole prompt as a text, items between tags, laid out as lm-evaluation-harness does."""
        shown = [f"{_put(one)}{DELIMITER}{_answer(one)}{BETWEEN_EXAMPLES}" for one in self.examples]
        return "".join([self.description, *shown, _put(self.question)])

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return the whole prompt as a conversation, in which each example is a question and its answer."""
        messages: list[dict[str, Any]] = []
        for one in (*self.examples, self.question):
            messages.append({"role": "user", "content": [*item_blocks(one.items), _words(prompt(one))]})
            messages.append({"role": "assistant", "content": [_words(_answer(one))]})
        if self.description:
            messages[0]["content"].append(_words(self.description + messages[0]["content"].pop()["text"]))
        return messages[:-1]


def ask_all(
    questions: Sequence[MultipleChoiceQuestion],
    *,
    few_shot: int = 0,
    examples: Sequence[MultipleChoiceQuestion] = (),
    shuffles: int = 0,
    description: str = "",
    seed: int = 0,
) -> list[list[Asked]]:
    """Return each question as it is put, in its own order and in others.

    Args:
        questions: the questions.
        few_shot: number of examples before each: the first ones of its data set that are not the question itself.
        examples: answered questions to take them from.
        shuffles: number of further orders of its choices; questions that do not list their choices have none.
        description: a text before everything.
        seed: of the orders.

    Raises:
        ValueError: there are too few examples, or no question lists its choices.
    """
    if shuffles and not any(question.is_lettered for question in questions):
        raise ValueError("No question lists its choices, so they have no order to shuffle: pass shuffles=0.")
    pools = _Pools(examples)
    asked = []
    for question in questions:
        shown = pools.examples(question, few_shot)
        asked.append(
            [
                Asked(question.in_order(order), number, order, shown, description)
                for number, order in enumerate(orders(question, shuffles, seed))
            ]
        )
    return asked


def orders(question: MultipleChoiceQuestion, shuffles: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Return the orders in which a question's choices are shown, its own first.

    Each further one is a rotation: no choice keeps its letter, so an answer that stays with the content and one that
    stays with the letter are never the same.

    Args:
        question: the question.
        shuffles: number of further orders. A question of n choices has n - 1, and one that does not list them none.
        seed: of the choice among them.
    """
    size = len(question.choices)
    own = tuple(range(size))
    if not question.is_lettered:
        return [own]
    digest = hashlib.blake2b(f"{seed} {question.id}".encode(), digest_size=8).digest()
    start = int.from_bytes(digest) % (size - 1)
    steps = [1 + (start + number) % (size - 1) for number in range(min(shuffles, size - 1))]
    return [own, *(own[step:] + own[:step] for step in steps)]


class _Pools:
    """Examples by data set and subject; of MMLU, as its authors do, from a question's own subject if it has enough."""

    def __init__(self, examples: Sequence[MultipleChoiceQuestion]) -> None:
        self._all = list(examples)
        self._alike: dict[tuple[str, ...], list[MultipleChoiceQuestion]] = {}
        for one in examples:
            self._alike.setdefault((one.dataset,), []).append(one)
            self._alike.setdefault((one.dataset, one.subject), []).append(one)

    def examples(self, question: MultipleChoiceQuestion, few_shot: int) -> tuple[MultipleChoiceQuestion, ...]:
        """Return the first examples that are not the question itself.

        Raises:
            ValueError: there are too few.
        """
        alike = self._alike.get((question.dataset,), self._all)
        same = self._alike.get((question.dataset, question.subject), [])
        pool = same if len(same) > few_shot else alike
        others = (one for one in pool if one.id != question.id and one.question != question.question)
        found = tuple(islice(others, few_shot))
        if len(found) < few_shot:
            raise ValueError(
                f"few_shot is {few_shot}, but there are {len(found)} examples besides question {question.id!r}: "
                "pass more examples, such as those of the training or development split."
            )
        return found


def _put(question: MultipleChoiceQuestion) -> str:
    return write_items(question.items) + prompt(question)


def _answer(question: MultipleChoiceQuestion) -> str:
    return labels(question)[question.answer_index]


def _words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
