"""What a run does when its model is saved: evaluate it on the sets that the recipe names, and tell the scores.

    evaluation/SET/     as `biomedgpt evaluate` writes it; a run that was killed goes on with the same command

The card, `config.json` and the training report tell the scores, too.
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi
from transformers import TrainingArguments

from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.disk.replacing import write_json
from biomedgpt_hf.evaluation.evaluate import EvaluationOptions, evaluate
from biomedgpt_hf.evaluation.finding_sets import set_title
from biomedgpt_hf.evaluation.report.card_record import card_record
from biomedgpt_hf.evaluation.report.markdown import MAIN_SCORES
from biomedgpt_hf.evaluation.safety.questions import NAME as SAFETY
from biomedgpt_hf.evaluation.safety.questions import is_safety_set
from biomedgpt_hf.inference.loading import forget, identify
from biomedgpt_hf.inference.long_runs.processes import rank, wait_for_all
from biomedgpt_hf.publishing.card_file import CARD, record_scores
from biomedgpt_hf.publishing.evaluation_results import CONFIG
from biomedgpt_hf.publishing.uploading import REPORT, upload
from biomedgpt_hf.training.reporting.report import add_results

logger = logging.getLogger(__name__)

FOLDER = "evaluation"
ASKED = "asked.json"  # of which weights, and how, the scores in a folder are
# Options that only change how answers are scored, so that those that are there can be scored again.
ONLY_SCORING = ("memory", "controls", "tokenizer", "ontology", "wordnet", "resamples", "batch_tokens")


class EvaluationFailedError(ValueError):
    """A trained model is saved, and could not be evaluated."""


def evaluate_run(
    output: Path,
    folders: Mapping[str, str],
    options: EvaluationOptions,
    arguments: TrainingArguments,
    hub_id: str | None,
) -> list[str]:
    """Evaluate the model that a run has saved; every process calls it.

    Args:
        output: the run's folder.
        folders: sets by the names of the folders that their scores go to.
        options: how they are put to the model.
        arguments: of the run.
        hub_id: repository that the model was pushed to, whose card then tells the scores; None for none.

    Returns:
        A line for each set; on processes other than the first, nothing.

    Raises:
        EvaluationFailedError: naming the set and the reason; the model and finished scores stay.
    """
    forget()  # what lay in the folder before
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    records = []
    for name, source in folders.items():
        try:
            if rank() == 0:
                _make_room(output / FOLDER / name, source, output, options)
            wait_for_all()
            results = evaluate(
                source,
                output / FOLDER / name,
                checkpoint=output,
                device="cpu" if arguments.use_cpu else None,
                options=options,
            )
        except (ValueError, OSError) as error:
            raise EvaluationFailedError(
                f"The trained model is in {output}, but it could not be evaluated on {source}: {error} Give the same "
                "command again to go on with the evaluation."
            ) from error
        if results:
            records.append(card_record(results, name, set_title(Path(source))))
    forget()
    return _tell(output, records, arguments, hub_id) if records else []


def _make_room(folder: Path, source: str, output: Path, options: EvaluationOptions) -> None:
    """Put aside what a set's folder holds of other weights, or of questions that were asked otherwise."""
    told = {name: value for name, value in asdict(options).items() if name not in ONLY_SCORING}
    rows = SAFETY if is_safety_set(source) else describe_source(Path(source))["sha256"]
    asked = {"rows": rows, "digest": identify(output, None)["digest"], **told}
    path = folder / ASKED
    if folder.exists() and not (path.exists() and _read(path) == asked):
        number = 1
        while (aside := folder.with_name(f"{folder.name}.earlier-{number}")).exists():
            number += 1
        folder.rename(aside)
        logger.warning("%s held scores of other weights or options, and is %s now.", folder, aside.name)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, asked)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError:
        return None


def _tell(
    output: Path, records: Sequence[Mapping[str, Any]], arguments: TrainingArguments, hub_id: str | None
) -> list[str]:
    """Write the scores where people look, and return a line for each set."""
    if reason := record_scores(output, records):
        logger.warning("The card does not tell the scores: %s.", reason)
    add_results(output, records)
    if hub_id is not None:
        names = [name for name in (CARD, CONFIG, REPORT) if (output / name).is_file()]
        upload(HfApi(token=arguments.hub_token), hub_id, output, names, arguments.hub_revision, commit_message="Scores")
    return [_in_words(output, record) for record in records]


def _in_words(output: Path, record: Mapping[str, Any]) -> str:
    scores = record["runs"][0]["scores"]
    main = [name for name in (*MAIN_SCORES, "accuracy") if name in scores] or list(scores)[:3]
    told = ", ".join("{} {:.3f} [{:.3f}, {:.3f}]".format(name, *scores[name]) for name in main)
    where = output / FOLDER / record["set"] / "report.md"
    return f"Scored on {record['set']} ({record['split']}, {record['rows']:,} rows): {told}; see {where}."
