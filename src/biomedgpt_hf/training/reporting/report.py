"""What a run leaves for people: `loss_curve.png`, `training_report.md`, and facts for the model card.

All three may be published with the checkpoint, so folders are named by their last part, as where they lie on somebody's
machine is nobody else's business, and access tokens are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.publishing.evaluation_results import RESULTS, results_section, weights_digest
from biomedgpt_hf.publishing.uploading import PICTURE, REPORT
from biomedgpt_hf.training.reporting.curves import Curve, draw, figure_curves, loss_curves, values_of
from biomedgpt_hf.training.reporting.run_facts import TOOLS, RunFacts, duration, hardware, publishable

CAVEAT = (
    "A loss says how well the model predicts the wording of answers, or tells two of them apart, and nothing about "
    "whether what it says is correct: measure that on questions whose answers are known."
)
# The hyper-parameters that a card shows, as far as the run was given them.
TOLD = (
    *("learning_rate", "lr_scheduler_type", "warmup_steps", "optim", "weight_decay", "num_train_epochs", "max_steps"),
    *("global_batch_size", "max_tokens_per_batch", "per_device_train_batch_size", "gradient_accumulation_steps"),
    *("max_length", "beta", "loss_type", "bf16", "quantization", "seed"),
)


def write_report(output_dir: str | Path, log_history: Iterable[Mapping[str, Any]], facts: RunFacts) -> Path:
    """Write the picture and the report into a run's folder, and return the report's path.

    Args:
        output_dir: the run's folder, where the trained model is saved as well.
        log_history: the Trainer's `state.log_history`; it may be empty, and its losses not finite.
        facts: what else there is to tell.

    Raises:
        OSError: the folder cannot be written.
    """
    folder, log = Path(output_dir), list(log_history)
    folder.mkdir(parents=True, exist_ok=True)
    curves = loss_curves(log)
    picture = [f"![Loss over the steps]({PICTURE})"] if draw(curves, folder / PICTURE, facts.loss_unit) else []
    sections = [
        f"# Training report: {facts.recipe}",
        _fenced("bash", publishable(facts.command)),
        _table({"what": "value"} | _overview(facts)),
        f"## Losses\n\n{CAVEAT}",
        *picture,
        _loss_table(curves),
        *_figures(figure_curves(log, facts.metrics)),
        "## Speed and memory",
        _table({"what": "value"} | _speed(log)),
        "## Data",
        _sets_table(facts.sets),
        f"Rows used: {_rows_told(facts) or 'not known'}.",
        "## Parts trained",
        _table({"part": "parameters"} | {part: f"{count:,}" for part, count in facts.trained.items()}),
        "## Settings",
        _table({"key": "value"} | {**facts.settings, **facts.arguments}),
        "## Versions",
        _table({"package": "version"} | versions(*TOOLS)),
        "## Load it",
        "The model is in this report's folder; `checkpoint-…` folders beside it are for going on with the training.",
        _fenced("python", _loading(facts.plain_language_model)),
    ]
    path = folder / REPORT
    path.write_text("\n\n".join(filter(None, sections)) + "\n", encoding="utf-8")
    return path


def add_results(output_dir: str | Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Put the scores of the trained model at the end of a run's report, in the place of earlier ones.

    Args:
        output_dir: the run's folder.
        records: what `evaluation.report.card_record` returns, one for each set.
    """
    path = Path(output_dir, REPORT)
    before = path.read_text("utf-8") if path.is_file() else ""
    entry = {"weights": weights_digest(Path(output_dir)), "sets": records}
    text = before.partition(RESULTS)[0].rstrip("\n") + "\n" + results_section(entry)
    path.write_text(text, encoding="utf-8")


def card_facts(log_history: Iterable[Mapping[str, Any]], facts: RunFacts) -> dict[str, str]:
    """Return what a model card tells of a run, for the `training` of a config."""
    told = {**facts.arguments, **facts.settings}
    by_steps = (told.get("max_steps") or -1) > 0  # the number of epochs has no effect then
    told.pop("num_train_epochs" if by_steps else "max_steps", None)
    curves = {curve.name: curve for curve in loss_curves(log_history)}
    losses = [_in_words(curves[name]) for name in ("loss", "eval_loss") if name in curves and curves[name].finite]
    card = {
        **_overview(facts),
        "parts trained": ", ".join(f"{part} ({count:,})" for part, count in facts.trained.items()),
        "data": "; ".join(map(_set_in_words, facts.sets)),
        "rows": _rows_told(facts),
        "hyper-parameters": ", ".join(f"{name} {told[name]}" for name in TOLD if told.get(name) is not None),
        "loss": "; ".join(losses),
        "versions": ", ".join(f"{name} {version}" for name, version in versions(*TOOLS).items()),
    }
    return {name: publishable(value) for name, value in card.items() if value}


def _overview(facts: RunFacts) -> dict[str, str]:
    share = f" of {facts.parameters:,}" if facts.parameters else ""
    times = "once" if facts.resumed == 1 else f"{facts.resumed} times"
    kept = {"weights": f"those of step {facts.kept_step:,}, {facts.kept_by}"} if facts.kept_step else {}
    ended = {"ended": facts.ended_early} if facts.ended_early else {}
    return {
        "recipe": facts.recipe,
        "trainer": facts.trainer,
        "started from": facts.base,
        "parameters trained": f"{sum(facts.trained.values()):,}{share}",
        "steps": f"{facts.steps:,} ({facts.epochs:.3g} epochs)",
        **ended,
        **kept,
        "hardware": hardware(facts.device, facts.processes),
        "duration": duration(facts.seconds) + (f", resumed {times}" if facts.resumed else ", without interruption"),
    }


def _speed(log: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Medians over the log: the first steps, and those after an evaluation, are slower."""
    told = {}
    for name, title in (("tokens_per_second", "tokens/s"), ("label_tokens_per_second", "label tokens/s")):
        if values := values_of(log, name):
            told[f"{title}, all processes, median"] = f"{median(values):,.0f}"
    if values := values_of(log, "memory_gib"):
        told["peak memory of one process"] = f"{max(values):,.2f} GiB"
    return told


def _loss_table(curves: Sequence[Curve]) -> str:
    if not curves:
        return "No loss was logged."
    lines = ["| loss | first | best | last | not finite |", "|---|---|---|---|---|"]
    for curve in curves:
        points = (curve.points[0], curve.best, curve.points[-1])
        told = (_number(*point[::-1]) if point else "none" for point in points)
        lines.append(f"| {curve.name} | {' | '.join(told)} | {len(curve.points) - len(curve.finite)} |")
    return "\n".join(lines)


def _figures(curves: Sequence[Curve]) -> list[str]:
    """Return a table of what the trainer logs beside its loss, such as the rewards of a preference optimisation."""
    if not curves:
        return []
    lines = ["| figure | first | last |", "|---|---|---|"]
    for curve in curves:
        first, last = (_number(*point[::-1]) for point in (curve.points[0], curve.points[-1]))
        lines.append(f"| {curve.name} | {first} | {last} |")
    return ["## Figures of the trainer", "\n".join(lines)]


def _number(value: float, step: int) -> str:
    return f"{value:.4f} (step {step:,})" if math.isfinite(value) else f"{value} (step {step:,})"


def _in_words(curve: Curve) -> str:
    kind = "evaluation" if curve.is_evaluation else "training"
    (first_step, first), (last_step, last) = curve.points[0], curve.points[-1]
    if len(curve.points) == 1:
        return f"{kind} {_number(first, first_step)}"
    lowest = f", best {_number(*curve.best[::-1])}" if curve.best else ""
    return f"{kind} {_number(first, first_step)} to {_number(last, last_step)}{lowest}"


def _sets_table(sets: Sequence[Mapping[str, Any]]) -> str:
    if not sets:
        return ""
    lines = ["| set | title | made | rows | sha256 of its manifest |", "|---|---|---|---|---|"]
    for described in sets:
        rows = ", ".join(f"{split} {count:,}" for split, count in described.get("rows", {}).items())
        checksum = f"`{described['sha256']}`" if "sha256" in described else "no manifest"
        made = str(described.get("created", ""))[:10]
        lines.append(f"| {described['set']} | {described.get('title', '')} | {made} | {rows} | {checksum} |")
    return "\n".join(lines)


def _set_in_words(described: Mapping[str, Any]) -> str:
    title = f"{described['title']} ({described['set']})" if "title" in described else described["set"]
    licences = f", licences of its rows: {', '.join(described['licenses'])}" if described.get("licenses") else ""
    return f"{title}, manifest sha256 {described['sha256'][:16]}…{licences}" if "sha256" in described else title


def _rows_told(facts: RunFacts) -> str:
    """Rows used and left out, by split."""
    told = [
        f"{split} {count:,} (left out as unreadable or too long: {facts.rejected.get(split, 0):,})"
        for split, count in facts.rows.items()
    ]
    return ", ".join(told)


def _table(rows: Mapping[str, Any]) -> str:
    """Return a table of two columns; its first pair is the header. Without more it is nothing."""
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items() if not name.endswith("_token")]
    return "\n".join([lines[0], "|---|---|", *lines[1:]]) if len(lines) > 1 else "Nothing was logged."


def _cell(value: Any) -> str:
    return publishable(" ".join(str(value).split()).replace("|", "\\|"))


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _loading(plain_language_model: bool) -> str:
    if plain_language_model:
        names, first = ("AutoTokenizer", "AutoModelForCausalLM"), ""
    else:
        names, first = ("AutoProcessor", "AutoModelForMultimodalLM"), "import biomedgpt_hf  # registers the classes\n"
    variables = ("tokenizer" if plain_language_model else "processor", "model")
    lines = [f'{variable} = {name}.from_pretrained(".")' for variable, name in zip(variables, names, strict=True)]
    return f"{first}from transformers import {', '.join(names)}\n\n" + "\n".join(lines)
