"""Multiple-choice questions about biomedicine, and how they are put: the only home of these prompts.

The prompts are those of lm-evaluation-harness, so that what a model is trained on and what it is
scored with are the same text, character by character. MMLU's medical subjects are put like MedQA's.
"""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_uppercase as LETTERS
from typing import NamedTuple

DECISIONS = ("yes", "no", "maybe")  # PubMedQA's answers, in the order in which they are scored


class MultipleChoiceQuestion(NamedTuple):
    """A question with its choices, whatever file it came from.

    Attributes:
        dataset: "PubMedQA", "MedMCQA", "MedQA" or "MMLU".
        id: unique within its set, e.g. "PMID:21645374", "MedQA:test:17", "MMLU:anatomy:test:3".
        question: the question, as its file has it.
        choices: the answers to choose from, as the file has them; for PubMedQA `DECISIONS`.
        answer_index: which choice is right, from 0.
        contexts: what to read first: PubMedQA's paragraphs of the abstract.
        explanation: why, where the source says so: PubMedQA's conclusion, MedMCQA's explanation.
        subject: the subject where the source names one, e.g. "anatomy".
    """

    dataset: str
    id: str
    question: str
    choices: tuple[str, ...]
    answer_index: int
    contexts: tuple[str, ...] = ()
    explanation: str = ""
    subject: str = ""


def question_key(question: str) -> str:
    """Return what a question is known by in splits and leakage: its words, without case and white space."""
    return " ".join(question.lower().split())


def prompt(question: MultipleChoiceQuestion) -> str:
    """Return the text that the model is asked, up to and with "Answer:"."""
    return PROMPTS[question.dataset](question)


def labels(question: MultipleChoiceQuestion) -> tuple[str, ...]:
    """Return what names the choices, and is scored: yes, no and maybe, or their letters."""
    if question.dataset == "PubMedQA":
        return question.choices
    return tuple(LETTERS[: len(question.choices)])


def answer(question: MultipleChoiceQuestion) -> str:
    """Return the right answer as the model should give it: "yes", or the line "B. Its text".

    A letter with its text is read by every extractor of letters, and teaches more than the letter.
    """
    label = labels(question)[question.answer_index]
    if question.dataset == "PubMedQA":
        return label
    return f"{label}. {question.choices[question.answer_index].strip()}"


def pubmedqa_prompt(question: MultipleChoiceQuestion) -> str:
    """Return PubMedQA's prompt: the abstract without its conclusion, then the question."""
    abstract = "\n".join(question.contexts)
    return f"Abstract: {abstract}\nQuestion: {question.question}\nAnswer:"


def medmcqa_prompt(question: MultipleChoiceQuestion) -> str:
    """Return MedMCQA's prompt."""
    return f"Question: {question.question}\nChoices:\n{_lettered(question)}\nAnswer:"


def medqa_prompt(question: MultipleChoiceQuestion) -> str:
    """Return MedQA's prompt; also that of MMLU here."""
    return f"Question: {question.question}\n{_lettered(question)}\nAnswer:"


def _lettered(question: MultipleChoiceQuestion) -> str:
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=False))


PROMPTS: dict[str, Callable[[MultipleChoiceQuestion], str]] = {
    "PubMedQA": pubmedqa_prompt,
    "MedMCQA": medmcqa_prompt,
    "MedQA": medqa_prompt,
    "MMLU": medqa_prompt,
}
