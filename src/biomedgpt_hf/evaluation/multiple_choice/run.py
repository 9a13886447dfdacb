"""Multiple-choice questions, put to a model and scored.

    from biomedgpt_hf.evaluation.multiple_choice import evaluate_choices
    found = evaluate_choices("ori_pqal.json", checkpoint="DIR", protocol="loglik", output="pubmedqa.jsonl")
    found.scores["all"]["accuracy"]        # {"value": …, "low": …, "high": …}

Under torchrun the processes share the questions; only the first one reads what all of them chose, and scores it.

OUTPUT                a line for each question and order (`ChoicePrediction`); it appears when all are answered
OUTPUT.manifest.json  what was asked for, with which model and versions
.OUTPUT.running/      the answers so far, until then; the same call goes on from there
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from biomedgpt_hf.confidence.signs import AS_TEXT, ENCODED
from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.evaluation.kept_predictions import kept_manifest
from biomedgpt_hf.evaluation.multiple_choice.answering import answer_here, answer_shared, told_of
from biomedgpt_hf.evaluation.multiple_choice.asking import Asked, ask_all
from biomedgpt_hf.evaluation.multiple_choice.language_models import load_answerer
from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction, read_choice_predictions
from biomedgpt_hf.evaluation.multiple_choice.protocols import NEW_TOKENS, PROTOCOLS, Chooser
from biomedgpt_hf.evaluation.multiple_choice.questions import check_ids, read_choice_questions
from biomedgpt_hf.evaluation.multiple_choice.scores import score_choices
from biomedgpt_hf.evaluation.prediction_files import PROTOCOL_VERSION
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.set_rows import equally_spaced
from biomedgpt_hf.inference.loading import check_choice, identify
from biomedgpt_hf.inference.long_runs.processes import own_device, rank, world_size
from biomedgpt_hf.inference.long_runs.run import TOOLS, check_output, manifest_path
from biomedgpt_hf.sets.biomedical_qa.builder import MEDICAL_SUBJECTS
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion

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
        output: file of predictions to write, .jsonl. An unfinished run goes on, with any number of processes.
            A finished one is read and scored.
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
        Predictions, scores and manifest; on processes other than the first, the manifest alone.

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
        if not manifest_path(Path(output)).exists():  # a finished run is read, and its output need not be writable
            check_output(output, (".jsonl",), ())
    elif world_size() > 1:
        raise ValueError("Several processes have to leave what they find somewhere: pass an output, .jsonl.")
    asked = ask_all(
        equally_spaced(_questions(questions, split, subjects), limit),
        few_shot=few_shot,
        examples=_questions(examples, "train", None) if few_shot and examples else (),
        shuffles=shuffles,
        description=description,
        seed=seed,
    )
    answerer = load_answerer(
        checkpoint,
        own_device(device),
        dtype,
        revision,
        items_as_text,
        None if isinstance(chat_template, bool) else chat_template,
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
        "items": ENCODED if answerer.processor is not None else AS_TEXT,
        "new_tokens": None if protocol == "loglik" else new_tokens,
        "dtype": str(answerer.model.dtype).removeprefix("torch."),
        "questions": len(asked),
        "asked_sha256": _digest(asked),
    }
    if output is not None:
        kept = kept_manifest(Path(output), facts)
        manifest = kept or answer_shared(chooser, asked, facts, Path(output), _files(questions), progress)
        predictions = read_choice_predictions(output) if rank() == 0 else []
    else:
        predictions = list(answer_here(chooser, asked, progress))
        manifest = {**facts, "device": str(answerer.model.device), "versions": versions(*TOOLS), **told_of(predictions)}
    if rank() > 0:
        return ChoiceEvaluation([], {}, manifest)
    if not manifest["answered"]:
        raise ValueError(f"No question could be put. {predictions[0].id}: {predictions[0].error}")
    return ChoiceEvaluation(predictions, score_choices(predictions, resamples=resamples, seed=seed), manifest)


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


def _files(questions: Source) -> list[Path]:
    """Return the files and folders that questions come from, if they come from some."""
    sources = [questions] if isinstance(questions, str | PathLike) else questions
    return [Path(one) for one in sources if isinstance(one, str | PathLike)]
