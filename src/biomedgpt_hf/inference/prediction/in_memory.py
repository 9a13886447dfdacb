"""Questions about many items: lists of them, or files of any size.

predict("Describe this molecule.", molecules=["CCO", "CCN"])
predict_files(["molecules.sdf"], "answers.jsonl", ["Describe this molecule."])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import torch
from tqdm.auto import tqdm

from biomedgpt_hf.confidence.signs import AS_TEXT, ENCODED
from biomedgpt_hf.files.items.items import Item
from biomedgpt_hf.files.records import RejectedRecord
from biomedgpt_hf.inference.answering import DEFAULT_NEW_TOKENS
from biomedgpt_hf.inference.confidence import check_least, open_confidence
from biomedgpt_hf.inference.decoding import decoding, whole_number
from biomedgpt_hf.inference.evidence import check_evidence, open_evidence
from biomedgpt_hf.inference.item_arguments import given_rows, is_table, split_arguments
from biomedgpt_hf.inference.language_models import OWN_TEMPLATE, is_language_model, load_as_text, open_as_text
from biomedgpt_hf.inference.loading import LONG_PROTEINS, check_choice, identify, load, open_checkpoint
from biomedgpt_hf.inference.prediction.predictions import Predictions
from biomedgpt_hf.inference.prediction.predictor import Prediction, Predictor
from biomedgpt_hf.inference.prediction.requests import Preparer, Request
from biomedgpt_hf.inference.text_prompts import TextProcessor
from biomedgpt_hf.modalities import MODALITIES

WINDOW = 1024  # rows that are sorted by length together
Column = Any  # an entry for each row: one item, several, or None; `item_arguments` tells what may hold them


@dataclass(frozen=True)
class PredictionSettings:
    """How many questions are answered.

    Attributes:
        checkpoint: folder or Hub id; None is the embedded demonstration.
        revision: branch, tag or commit of a checkpoint on the Hub.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: "float32", "bfloat16", "float16", or "auto" for the checkpoint's own. Only float32 gives the same
            answers in every batch.
        batch_tokens: largest number of tokens in a batch, with padding, new tokens and beams. A longer prompt is a
            batch of its own.
        max_new_tokens: largest number of new tokens in an answer.
        num_beams: number of beams; 1 is greedy.
        temperature, top_p, top_k: sample the answers, as transformers' `generate` does; None, or a temperature of 0,
            for the likeliest words.
        seed: where chance begins, so that the same run gives the same answers.
        long_proteins: "report" refuses proteins beyond the encoder's limit, or as text beyond the model's context, row
            by row; "crop" cuts their ends off.
        items_as_text: write SMILES and residues into the prompt, where a BioMedGPT would see the items themselves. Any
            other language model is asked so anyway.
        chat_template: how such a prompt is laid out, see `TextProcessor`.
        evidence: give each answer what is known of its items: the nearest known ones, and what RDKit computes.
        index: folder of an index of known items (see `biomedgpt_hf.neighbours`); None for the embedded one, if the
            package has one.
        neighbours: how many of the nearest known items to give for each item; None for one.
        in_prompt: let the model read what is known before it answers. Known items for which its context has no room
            are left out, the farthest first.
        min_confidence: leave out answers with a confidence below this, 0 to 1; they have the status "withheld". The
            checkpoint needs a calibration (`biomedgpt calibrate`).
        progress: show a progress bar; None shows it on a terminal.

    Raises:
        ValueError: a value is not allowed, or two do not fit together.
    """

    checkpoint: str | PathLike | None = None
    revision: str | None = None
    device: str | torch.device | None = None
    dtype: str = "auto"
    batch_tokens: int = 8192
    max_new_tokens: int = DEFAULT_NEW_TOKENS
    num_beams: int = 1
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    long_proteins: str = "report"
    evidence: bool = True
    index: str | PathLike | None = None
    neighbours: int | None = None
    in_prompt: bool = False
    min_confidence: float | None = None
    items_as_text: bool = False
    chat_template: str | PathLike | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        for name in ("batch_tokens", "max_new_tokens", "num_beams"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))  # of numpy too
        if self.seed is not None:
            object.__setattr__(self, "seed", whole_number("seed", self.seed, least=-(2**63)))
        check_choice("long_proteins", self.long_proteins, LONG_PROTEINS)
        check_evidence(self.evidence, self.index, self.neighbours, self.in_prompt)
        object.__setattr__(self, "min_confidence", check_least(self.min_confidence))
        decoding({**self._options, "num_beams": self.num_beams})

    @property
    def _options(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}

    @property
    def _text(self) -> dict[str, Any]:
        return {"chat_template": self.chat_template, "new_tokens": self.max_new_tokens}

    @property
    def sampling(self) -> dict[str, Any]:
        """Arguments of `generate_answers` for answers by chance; empty where they are the likeliest."""
        told = decoding(self._options)
        return {**told, "seed": self.seed} if told else {}

    def facts(self, predictor: Predictor) -> dict[str, Any]:
        """Return everything about the model and its settings that answers depend on, as JSON values.

        Args:
            predictor: what `predictor` returned.
        """
        return {
            **identify(self.checkpoint, predictor.model),
            "dtype": str(predictor.model.dtype).removeprefix("torch."),
            "max_new_tokens": self.max_new_tokens,
            "num_beams": self.num_beams,
            **dict.fromkeys((*self._options, "do_sample", "seed")),
            **self.sampling,
            "long_proteins": self.long_proteins,
            **(predictor.processor.facts if isinstance(predictor.processor, TextProcessor) else {"items": ENCODED}),
            "evidence": predictor.evidence is not None,
            **(predictor.evidence.facts if predictor.evidence else {}),
            **(predictor.confidence.facts if predictor.confidence else {}),
        }

    def _is_asked_as_text(self) -> bool:
        """Return whether items are written into the prompt.

        Raises:
            OSError, ValueError: there is no such checkpoint, or a template is named though nothing asks for one.
        """
        as_text = self.items_as_text or is_language_model(self.checkpoint, self.revision)
        if self.chat_template is not None and not as_text:
            raise ValueError(OWN_TEMPLATE.format(str(self.chat_template)))
        return as_text

    def preparer(self) -> Preparer:
        """Return what tells whether a question can be asked, before the model is loaded."""
        source = (self.checkpoint, self.device, self.dtype, self.revision)
        as_text = self._is_asked_as_text()
        config, processor = open_as_text(*source, **self._text) if as_text else open_checkpoint(*source)
        return Preparer(config, processor, self.max_new_tokens, self.long_proteins == "crop")

    def predictor(self, device: str | torch.device | None = None) -> Predictor:
        """Load the checkpoint and the index, and the calibration before them."""
        device, crop = device or self.device, self.long_proteins == "crop"
        wanted = (self.evidence, self.index, self.neighbours, self.in_prompt)
        evidence = open_evidence(*wanted, device=device, crop=crop)
        source, as_text = (self.checkpoint, device, self.dtype, self.revision), self._is_asked_as_text()
        items = AS_TEXT if as_text else ENCODED
        confidence = open_confidence(self.checkpoint, self.revision, self.min_confidence, evidence, items)
        model, processor = load_as_text(*source, **self._text) if as_text else load(*source)
        return Predictor(
            model,
            processor,
            batch_tokens=self.batch_tokens,
            max_new_tokens=self.max_new_tokens,
            num_beams=self.num_beams,
            sampling=self.sampling,
            crop=crop,
            evidence=evidence,
            confidence=confidence,
        )


def predict(
    questions: str | Sequence[str],
    molecules: Column = None,
    proteins: Column = None,
    *,
    ids: Sequence[str] | None = None,
    **others: Any,
) -> Predictions:
    """Asks each question about each row, in batches. An item is encoded once for all questions.

    Args:
        questions: one question or several.
        molecules: for each row a SMILES or InChI, several of them, or None: a list, a Series, an array, or a table with
            a column of them.
        proteins: for each row a sequence, several of them, or None, likewise.
        ids: names of the rows.
        others: items of further modalities by their columns, such as `cells=[…]`, and `PredictionSettings`.

    Returns:
        The prediction for each row and question, in that order, as a list that `to_pandas()` makes a table of. A row
        that cannot be read has the status "error".

    Raises:
        ValueError: the arguments do not fit together, or a question cannot be asked.
        TypeError: there is no such argument.
        OSError: there is no such checkpoint or index.

    Example:
        >>> predict("Describe this molecule.", molecules=["CCO", "CCN"])[1].answer
        'The molecule is ...'
    """
    known = [*(field.name for field in fields(PredictionSettings)), "questions", "ids"]
    columns, settings = split_arguments({"molecules": molecules, "proteins": proteins, **others}, known, "predict")
    chosen = PredictionSettings(**settings)
    items = rows_of(columns, ids)
    asked = check_questions(chosen.preparer(), questions)
    predictor = chosen.predictor()
    found: dict[tuple[int, int], Prediction] = {}
    hidden = None if chosen.progress is None else not chosen.progress
    with tqdm(total=len(items) * len(asked), desc="answers", unit="", disable=hidden) as bar:
        for start in range(0, len(items), WINDOW):
            for batch in predictor.answer(list(requests_of(items[start : start + WINDOW], asked))):
                found |= {(request.item.row, request.number): prediction for request, prediction in batch}
                bar.update(len(batch))
    return Predictions(found[place] for place in sorted(found))


def rows_of(columns: Mapping[str, Column], ids: Sequence[str] | None = None) -> list[Item]:
    """Return lists of the same length as rows.

    Args:
        columns: the entries of each modality, by its name.
        ids: names of the rows.

    Raises:
        ValueError: they do not have the same length, or one of them is a single string.
    """
    items = {modality: given_rows(column, modality) for modality, column in columns.items() if column is not None}
    if isinstance(ids, str):
        raise ValueError(f"ids is the text {ids[:60]!r}. Pass a list with an entry for each row.")
    names = None if ids is None else list(ids)
    columns_and_ids = {MODALITIES[modality].column: rows for modality, rows in items.items()} | {"ids": names}
    lengths = {name: len(column) for name, column in columns_and_ids.items() if column is not None}
    if len(set(lengths.values())) != 1 or not items:
        wanted = ", ".join(modality.column for modality in MODALITIES.values())
        raise ValueError(f"Pass one or several of {wanted}, with equally many entries (and ids). Got {lengths}.")
    (size,) = set(lengths.values())
    of_table = any(map(is_table, columns.values()))  # a list says by None that a question is about no item
    nothing = RejectedRecord(f"no {' or '.join(MODALITIES)}", "there is nothing in the row")
    rows = zip([""] * size if names is None else names, *items.values(), strict=True)
    return [
        Item(
            number,
            str(name),
            dict(zip(items, cells, strict=True)),
            problem=nothing if of_table and not any(cells) else None,
        )
        for number, (name, *cells) in enumerate(rows, start=1)
    ]


def check_questions(prepare: Preparer, questions: str | Sequence[str]) -> list[str]:
    """Return questions as a list.

    Raises:
        ValueError: there is none, or one cannot be asked.
    """
    asked = [questions] if isinstance(questions, str) else list(questions)
    if not asked:
        raise ValueError("There is no question. Pass one or several.")
    for question in asked:
        prepare(Request(Item(0, ""), 0, question))
    return asked


def requests_of(items: Sequence[Item], questions: Sequence[str]) -> Iterator[Request]:
    """Yield the questions about some rows: the common questions, or, if there are none, each row's own."""
    for item in items:
        for number, question in enumerate(questions or [item.question]):
            yield Request(item, number, question)
