"""Multiple-choice questions, put to a model and scored.

    from biomedgpt_hf.evaluation.multiple_choice import evaluate_choices
    found = evaluate_choices("ori_pqal.json", checkpoint="DIR", protocol="loglik", output="pubmedqa.jsonl")
    found.scores["all"]["accuracy"]        # {"value": …, "low": …, "high": …}

OUTPUT                a line for each question and order (`ChoicePrediction`); it appears when all are answered
OUTPUT.manifest.json  what was asked for, with which model and versions
.OUTPUT.running/      the answers so far, until then; the same call goes on from there
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.disk.paths import require_free
from biomedgpt_hf.disk.replacing import replace_file, write_json
from biomedgpt_hf.evaluation.kept_predictions import kept_manifest
from biomedgpt_hf.evaluation.multiple_choice.asking import Asked, ask_all
from biomedgpt_hf.evaluation.multiple_choice.language_models import load_answerer
from biomedgpt_hf.evaluation.multiple_choice.predictions import (
    ChoicePrediction,
    read_choice_predictions,
    write_choice_predictions,
)
from biomedgpt_hf.evaluation.multiple_choice.protocols import NEW_TOKENS, PROTOCOLS, Chooser
from biomedgpt_hf.evaluation.multiple_choice.questions import check_ids, read_choice_questions
from biomedgpt_hf.evaluation.multiple_choice.scores import score_choices
from biomedgpt_hf.evaluation.prediction_files import PROTOCOL_VERSION
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.set_rows import equally_spaced
from biomedgpt_hf.inference.loading import check_choice, identify
from biomedgpt_hf.inference.long_runs.journal import Journal
from biomedgpt_hf.inference.long_runs.run import TOOLS, manifest_path, running_folder
from biomedgpt_hf.sets.biomedical_qa.builder import MEDICAL_SUBJECTS
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion

WINDOW = 1024  # questions in all their orders that are sorted by length together

Source = str | PathLike | Sequence[str | PathLike] | Sequence[MultipleChoiceQuestion]


@dataclass(frozen=True)
class ChoiceEvaluation:
    """What a model chose, and what it is worth.

    Attributes:
        predictions: in the order of the questions, each in all its orders.
        scores: see `score_choices`.
        manifest: what was asked for, with which model and versions, as JSON values.
    """

    predictions: list[ChoicePrediction]
    scores: dict[str, Any]
    manifest: dict[str, Any]


def evaluate_choices(
    questions: Source,
    *,
    checkpoint: str | PathLike | None = None,
    protocol: str = "loglik",
    few_shot: int = 0,
    examples: Source = (),
    shuffles: int = 0,
    description: str = "",
    chat_template: bool | str | PathLike | None = None,
    items_as_text: bool = False,
    output: str | PathLike | None = None,
    split: str | None = None,
    limit: int | None = None,
    subjects: Collection[str] | None = MEDICAL_SUBJECTS,
    device: str | torch.device | None = None,
    dtype: str = "auto",
    revision: str | None = None,
    batch_tokens: int = 8192,
    new_tokens: int = NEW_TOKENS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: bool | None = None,
) -> ChoiceEvaluation:
    """Put multiple-choice questions to a model and score its choices.

    Args:
        questions: files, folders of sets, or questions (see `read_choice_questions`).
        checkpoint: folder or Hub id of a BioMedGPT or of any causal language model; None is the embedded demonstration.
        protocol: "loglik", "generate_lmflow" or "generate_strict", see `protocols`.
        few_shot: number of answered examples before each question.
        examples: where they come from, like `questions`; of a set its training rows. The first that fit are taken.
        shuffles: in how many further orders the choices are shown. A question of n choices has n - 1 of them.
        description: a text before everything, with its line breaks, as tasks of lm-evaluation-harness have it.
        chat_template: put questions as conversations in the model's chat template, or in one that is named: "paper",
            "language-model" or a file. None does so where the model itself sees molecules or proteins of the question.
        items_as_text: let a BioMedGPT read molecules and proteins as text, as any other language model does.
        output: file of predictions to write, .jsonl. An unfinished run goes on; a finished one is read and scored.
        split: which rows of a set are asked; None for its test rows, or else its validation rows.
        limit: ask only so many questions, spread over all of them; None for all.
        subjects: which subjects of MMLU are asked; None for all.
        device: where to run; None is the first of cuda, mps, cpu.
        dtype: "float32", "bfloat16", "float16", or "auto" for the checkpoint's own. Only float32 gives the same
            log-likelihoods in every batch.
        revision: branch, tag or commit of a BioMedGPT on the Hub.
        batch_tokens: largest number of tokens in a batch.
        new_tokens: largest number of tokens that a model may write.
        resamples: how many sets are drawn for the intervals.
        seed: of the orders and of the draw.
        progress: show a progress bar; None shows it on a terminal.

    Returns:
        Predictions, scores and manifest.

    Raises:
        FileExistsError: the output is there already, and answers something else.
        OSError: a file or checkpoint is missing, or cannot be read or written. What was finished is kept.
        ValueError: arguments do not fit together, sources hold no questions, or no question could be put.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    least = {"batch_tokens": (batch_tokens, 1), "new_tokens": (new_tokens, 1)}
    least |= {"few_shot": (few_shot, 0), "shuffles": (shuffles, 0), "resamples": (resamples, 1)}
    for name, (number, smallest) in least.items():
        if number < smallest:
            raise ValueError(f"{name} is {number}. It must be at least {smallest}.")
    if output is not None:
        _check_output(Path(output))
    asked = ask_all(
        equally_spaced(_questions(questions, split, subjects), limit),
        few_shot=few_shot,
        examples=_questions(examples, "train", None) if few_shot and examples else (),
        shuffles=shuffles,
        description=description,
        seed=seed,
    )
    answerer = load_answerer(
        checkpoint, device, dtype, revision, items_as_text, None if isinstance(chat_template, bool) else chat_template
    )
    chooser = Chooser(
        answerer,
        protocol,
        chat_template=None if chat_template is None else bool(chat_template),
        batch_tokens=batch_tokens,
        new_tokens=new_tokens,
    )
    facts = {
        **identify(checkpoint, answerer.model),
        "protocol": protocol,
        "protocol_version": PROTOCOL_VERSION,
        "few_shot": few_shot,
        "shuffles": shuffles,
        "chat_template": chat_template if isinstance(chat_template, bool | None) else Path(chat_template).name,
        "chat_template_sha256": _sha256(answerer.chat_template) if chat_template else None,
        "items": "encoded" if answerer.processor is not None else "as text",
        "new_tokens": None if protocol == "loglik" else new_tokens,
        "dtype": str(answerer.model.dtype).removeprefix("torch."),
        "questions": len(asked),
        "asked_sha256": _digest(asked),
    }
    kept = kept_manifest(Path(output), facts) if output is not None else None
    if kept is not None and output is not None:
        predictions = read_choice_predictions(output)
    else:
        predictions = _answer_all(chooser, asked, facts, Path(output) if output is not None else None, progress)
    manifest = kept or _manifest(chooser, facts, predictions)
    if not manifest["answered"]:
        raise ValueError(f"No question could be put. {predictions[0].id}: {predictions[0].error}")
    return ChoiceEvaluation(predictions, score_choices(predictions, resamples=resamples, seed=seed), manifest)


def _manifest(chooser: Chooser, facts: dict[str, Any], predictions: Sequence[ChoicePrediction]) -> dict[str, Any]:
    return {
        **facts,
        "device": str(chooser.answerer.model.device),
        "predictions": len(predictions),
        "answered": sum(one.status == "ok" for one in predictions),
        "truncated": sum(one.truncated for one in predictions),
        "versions": versions(*TOOLS),
    }


def _check_output(output: Path) -> None:
    """Check, before anything is loaded, that a run can begin or go on."""
    if output.suffix != ".jsonl":
        raise ValueError(f"{output} must end in .jsonl.")
    if output.is_dir():
        raise FileExistsError(f"{output} is a folder. Remove it or choose another output.")
    if not (manifest_path(output).exists() or running_folder(output).exists()):
        require_free(output)


def _questions(source: Source, split: str | None, subjects: Collection[str] | None) -> list[MultipleChoiceQuestion]:
    sources = [source] if isinstance(source, str | PathLike) else list(source)
    questions = [one for one in sources if isinstance(one, MultipleChoiceQuestion)]
    if len(questions) != len(sources) or not sources:
        if questions:
            raise ValueError("Pass either questions or files with questions, not both.")
        return read_choice_questions(*sources, split=split, subjects=subjects)
    check_ids(questions)
    return questions


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(asked: Sequence[Sequence[Asked]]) -> str:
    """Return what tells these prompts, in all orders and with their examples, from others."""
    digest = hashlib.sha256()
    for one in (one for of_question in asked for one in of_question):
        digest.update(f"{one.question.id}\0{one.order}\0{one.question.answer_index}\0{one.text}\0".encode())
    return digest.hexdigest()


def _answer_all(
    chooser: Chooser, asked: list[list[Asked]], facts: dict[str, Any], output: Path | None, progress: bool | None
) -> list[ChoicePrediction]:
    """Return the predictions of all questions; with an output, those of an earlier run of it among them."""
    hidden = None if progress is None else not progress
    with tqdm(total=sum(map(len, asked)), desc="questions", unit="", disable=hidden) as bar:
        if output is None:
            found: dict[tuple[int, int], ChoicePrediction] = {}
            for window in _windows(asked):
                for batch in chooser.choose([one for _, one in window]):
                    found |= {window[place][0]: prediction for place, prediction in batch}
                    bar.update(len(batch))
            return [found[place] for place in sorted(found)]
        journal = Journal(running_folder(output), facts)
        try:
            for window in _windows(asked):
                done = journal.done(window[0][0][0], window[-1][0][0])
                bar.update(sum(place in done for place, _ in window))
                left = [(place, one) for place, one in window if place not in done]
                for batch in chooser.choose([one for _, one in left]):
                    journal.add((*left[place][0], prediction.to_json().encode()) for place, prediction in batch)
                    bar.update(len(batch))
            predictions = [ChoicePrediction.from_json(payload.decode()) for *_, payload in journal.results()]
            partial = journal.folder / output.name
            write_choice_predictions(partial, predictions)
            write_json(manifest_path(output), _manifest(chooser, facts, predictions))
            replace_file(partial, output)
            journal.remove()
            return predictions
        finally:
            journal.close()


def _windows(asked: list[list[Asked]]) -> Iterator[list[tuple[tuple[int, int], Asked]]]:
    """Yield some questions at a time, each with its row from 1 and the number of its order."""
    placed = (((row, one.number), one) for row, of_question in enumerate(asked, start=1) for one in of_question)
    while window := list(islice(placed, WINDOW)):
        yield window
