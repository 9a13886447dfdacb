"""What is kept of each question: a line of JSON, enough to score it again without the model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.answers import unit_of
from biomedgpt_hf.evaluation.multiple_choice.asking import Asked
from biomedgpt_hf.files.sources import read_lines
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import labels


@dataclass(frozen=True)
class ChoicePrediction:
    """What a model chose.

    Attributes:
        id: the question's name.
        number: 0 where the choices stand in their own order, otherwise the number of the shuffle.
        dataset: where the question is from, such as "PubMedQA".
        subject: of MMLU and others, or "".
        question: its text, without the choices.
        choices: as the model was shown them.
        order: for each of them its place in the question's own order.
        labels: what names them, and is scored: letters, or yes, no and maybe.
        answer_index: place of the right one among `choices`.
        chosen: place of the model's, None where it gave none (N/A).
        log_likelihoods: natural logarithm of each label's probability after the prompt; None where none was asked for.
        text: what the model wrote, None where it was not asked to write.
        log_probability: sum of the natural log-probabilities of the tokens that it wrote.
        truncated: whether the prompt lost its beginning.
        status: "ok", or "error" where the question could not be put.
        error: why.
        items: molecules and proteins by the name of their modality.
        entry_date: when the source's entry was made (see `rows.entry_dates`), where it tells.
    """

    id: str
    number: int
    dataset: str
    subject: str
    question: str
    choices: tuple[str, ...]
    order: tuple[int, ...]
    labels: tuple[str, ...]
    answer_index: int
    chosen: int | None = None
    log_likelihoods: tuple[float, ...] | None = None
    text: str | None = None
    log_probability: float | None = None
    truncated: bool = False
    status: str = "ok"
    error: str | None = None
    items: Mapping[str, tuple[Any, ...]] | None = None
    entry_date: str | None = None

    @property
    def unit(self) -> str:
        """Return what it shares with others that are not independent of it: its items, or else its name."""
        return unit_of(self.items or {}, self.id)

    @property
    def chosen_content(self) -> int | None:
        """Return the place of the chosen one in the question's own order."""
        return None if self.chosen is None else self.order[self.chosen]

    def to_json(self) -> str:
        """Return the prediction as one line of JSON."""
        return json.dumps({name.name: getattr(self, name.name) for name in fields(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> ChoicePrediction:
        """Return the prediction of a line.

        Raises:
            ValueError: it is not one.
        """
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        try:
            read: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
            }
            if read.get("items"):
                read["items"] = {name: tuple(of) for name, of in read["items"].items()}
            prediction = cls(**read)
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error).replace("ChoicePrediction.__init__() ", "it ")) from error
        size = len(prediction.choices)
        if any(not 0 <= place < size for place in (prediction.answer_index, prediction.chosen or 0)):
            raise ValueError(f"answer_index and chosen must be places among {size} choices")
        return prediction


def start_prediction(asked: Asked, **found: Any) -> ChoicePrediction:
    """Return the prediction of an asked question with what was found out."""
    question = asked.question
    return ChoicePrediction(
        id=question.id,
        number=asked.number,
        dataset=question.dataset,
        subject=question.subject,
        question=question.question,
        choices=question.choices,
        order=asked.order,
        labels=labels(question),
        answer_index=question.answer_index,
        items=dict(question.items) or None,
        entry_date=question.entry_date,
        **found,
    )


def failed_prediction(asked: Asked, error: object) -> ChoicePrediction:
    """Return the prediction of a question that could not be put."""
    return start_prediction(asked, status="error", error=" ".join(str(error).split()))


def write_choice_predictions(path: Path, predictions: Iterable[ChoicePrediction]) -> None:
    """Write predictions as JSON Lines."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for prediction in predictions:
            file.write(prediction.to_json() + "\n")


def read_choice_predictions(path: str | PathLike) -> list[ChoicePrediction]:
    """Read what `evaluate_choices` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no prediction, or there is none.
    """
    predictions = []
    for number, line in read_lines(Path(path)):
        if line.strip():
            try:
                predictions.append(ChoicePrediction.from_json(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number} is no prediction of a choice: {error}.") from error
    if not predictions:
        raise ValueError(f"{path} holds no predictions.")
    return predictions
