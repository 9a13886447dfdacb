"""Multiple-choice questions about biomedicine, and how they are put: the only home of these prompts.

The prompts are those of lm-evaluation-harness, so that what a model is trained on and what it is
scored with are the same text, character by character. MMLU's medical subjects, and questions of one's own, are put
like MedQA's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase as LETTERS
from typing import Any, NamedTuple

DECISIONS = ("yes", "no", "maybe")  # PubMedQA's answers, in the order in which they are scored
NO_ITEMS: Mapping[str, tuple[Any, ...]] = {}
PUBMEDQA = re.compile(r"Abstract: (?P<contexts>.*)\nQuestion: (?P<question>.*)\nAnswer:", re.DOTALL)
END = "\nAnswer:"


class MultipleChoiceQuestion(NamedTuple):
    """A question with its choices, whatever file it came from.

    Attributes:
        dataset: "PubMedQA", "MedMCQA", "MedQA", "MMLU", "MedConceptsQA", or the name of a set of one's own.
        id: unique within its set, e.g. "PMID:21645374", "MedQA:test:17", "MMLU:anatomy:test:3".
        question: the question, as its file has it.
        choices: the answers to choose from, as the file has them; for PubMedQA `DECISIONS`.
        answer_index: which choice is right, from 0.
        contexts: what to read first: PubMedQA's paragraphs of the abstract.
        explanation: why, where the source says so: PubMedQA's conclusion, MedMCQA's explanation.
        subject: the subject where the source names one, e.g. "anatomy"; of MedConceptsQA vocabulary and level.
        items: molecules and proteins that are asked about, by the name of their modality.
        entry_date: when the source's entry was made (see `rows.entry_dates`), where it tells: PubMedQA's year.
    """

    dataset: str
    id: str
    question: str
    choices: tuple[str, ...]
    answer_index: int
    contexts: tuple[str, ...] = ()
    explanation: str = ""
    subject: str = ""
    items: Mapping[str, tuple[Any, ...]] = NO_ITEMS
    entry_date: str | None = None

    @property
    def is_lettered(self) -> bool:
        """Return whether the prompt lists the choices behind letters, so that their order is seen."""
        if self.dataset in PROMPTS:
            return self.dataset != "PubMedQA"
        return not set(self.choices) <= set(DECISIONS)

    def in_order(self, order: Sequence[int]) -> MultipleChoiceQuestion:
        """Return the question with its choices in another order: first the choice number `order[0]`, and so on."""
        choices = tuple(self.choices[place] for place in order)
        return self._replace(choices=choices, answer_index=list(order).index(self.answer_index))


def question_key(question: str) -> str:
    """Return what a question is known by in splits and leakage: its words, without case and white space."""
    return " ".join(question.lower().split())


def prompt(question: MultipleChoiceQuestion) -> str:
    """Return the text that the model is asked, up to and with "Answer:"."""
    return PROMPTS.get(question.dataset, own_prompt)(question)


def labels(question: MultipleChoiceQuestion) -> tuple[str, ...]:
    """Return what names the choices, and is scored: yes, no and maybe, or their letters."""
    return tuple(LETTERS[: len(question.choices)]) if question.is_lettered else question.choices


def answer(question: MultipleChoiceQuestion) -> str:
    """Return the right answer as the model should give it: "yes", or the line "B. Its text".

    A letter with its text is read by every extractor of letters, and teaches more than the letter.
    """
    label = labels(question)[question.answer_index]
    return f"{label}. {question.choices[question.answer_index].strip()}" if question.is_lettered else label


def read_back(prompt: str, answer: str) -> MultipleChoiceQuestion | None:
    """Return the question of a training row, without dataset and id, out of the texts that were made of it here.

    Args:
        prompt: what `prompt` made of the question.
        answer: what `answer` made of it; an explanation may follow.

    Returns:
        The question; None where the texts are no prompt and answer of this module.
    """
    said = answer.strip()
    if found := PUBMEDQA.fullmatch(prompt):
        decision = re.split(r"[.\s]", said, maxsplit=1)[0].lower()
        place = DECISIONS.index(decision) if decision in DECISIONS else -1
        contexts = tuple(found["contexts"].split("\n"))
        return MultipleChoiceQuestion("", "", found["question"], DECISIONS, place, contexts) if place >= 0 else None
    body = prompt.removesuffix(END)
    if body == prompt:
        return None
    question, choices = _cut_choices(body)
    right = [place for place, choice in enumerate(choices) if said == f"{LETTERS[place]}. {choice.strip()}"]
    if len(choices) < 2 or not right:
        return _decision(body, said)
    question = question.removeprefix("Question: ").removesuffix("\nChoices:")
    return MultipleChoiceQuestion("", "", question, choices, right[0])


def _decision(body: str, said: str) -> MultipleChoiceQuestion | None:
    """Return a question without an abstract that is answered with yes, no or maybe."""
    if said.lower() not in DECISIONS:
        return None
    place = DECISIONS.index(said.lower())
    return MultipleChoiceQuestion("", "", body.removeprefix("Question: "), DECISIONS, place)


def _cut_choices(body: str) -> tuple[str, tuple[str, ...]]:
    """Return what stands before the lettered lines, and the choices; they may have several lines, the last A counts."""
    start = body.rfind("\nA. ")
    if start < 0:
        return body, ()
    question, rest = body[:start], body[start + len("\nA. ") :]
    choices = []
    for letter in LETTERS[1:]:
        choice, marked, rest = rest.partition(f"\n{letter}. ")
        choices.append(choice)
        if not marked:
            break
    return question, tuple(choices)


def pubmedqa_prompt(question: MultipleChoiceQuestion) -> str:
    """Return PubMedQA's prompt: the abstract without its conclusion, then the question."""
    abstract = "\n".join(question.contexts)
    return f"Abstract: {abstract}\nQuestion: {question.question}{END}"


def medmcqa_prompt(question: MultipleChoiceQuestion) -> str:
    """Return MedMCQA's prompt."""
    return f"Question: {question.question}\nChoices:\n{_lettered(question)}{END}"


def medqa_prompt(question: MultipleChoiceQuestion) -> str:
    """Return MedQA's prompt; also that of MMLU here."""
    return f"Question: {question.question}\n{_lettered(question)}{END}"


def medconceptsqa_prompt(question: MultipleChoiceQuestion) -> str:
    """Return MedConceptsQA's prompt: the file's own text, which lists the choices."""
    return f"{question.question}\n{_lettered(question)}{END}"


def own_prompt(question: MultipleChoiceQuestion) -> str:
    """Return the prompt of a question of one's own: MedQA's, or where the answer is yes, no or maybe PubMedQA's."""
    if question.is_lettered:
        return medqa_prompt(question)
    return pubmedqa_prompt(question) if question.contexts else f"Question: {question.question}{END}"


def _lettered(question: MultipleChoiceQuestion) -> str:
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=False))


PROMPTS: dict[str, Callable[[MultipleChoiceQuestion], str]] = {
    "PubMedQA": pubmedqa_prompt,
    "MedMCQA": medmcqa_prompt,
    "MedQA": medqa_prompt,
    "MMLU": medqa_prompt,
    "MedConceptsQA": medconceptsqa_prompt,
}
