"""`biomedgpt calibrate`: how right a checkpoint's answers are likely to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biomedgpt_hf.commands import options
from biomedgpt_hf.console import command, group

if TYPE_CHECKING:
    from biomedgpt_hf.confidence.calibration import Fit, Measured

commands = group("What answers are worth.")


@command(
    commands,
    "calibrate",
    "calibrate scores/predictions.jsonl --checkpoint my_run",
    "calibrate alone/predictions.jsonl in-prompt/predictions.jsonl --checkpoint my_run --output confidence.json",
)
def calibrate(
    predictions: Annotated[
        list[Path],
        typer.Argument(metavar="PREDICTIONS", help="Files of `biomedgpt evaluate` about rows not trained on."),
    ],
    checkpoint: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the checkpoint that gave the answers.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write; confidence.json in the folder if none.")
    ] = None,
    resamples: Annotated[int, typer.Option(metavar="N", min=100, help="Resamples of the bootstrap.")] = 1_000,
    processes: options.Processes = None,
) -> None:
    """Fit how right a checkpoint's answers are likely to be, so that answers have a confidence.

    Confidence .62 means: of answers like this one, 62 % was right on average. Right is what the score of the row's kind
    of question says: exact answers, F1 of names and EC numbers, the right choice, else ROUGE-L. Answers without known
    items, with known items beside them (evaluate --neighbours 1) and in the prompt (--in-prompt) are fitted apart.
    """
    from biomedgpt_hf.confidence.calibration_file import NAME
    from biomedgpt_hf.confidence.signs import CONDITIONS
    from biomedgpt_hf.evaluation.confidence.calibrate import calibrate as calibrate_checkpoint

    found = calibrate_checkpoint(predictions, checkpoint, output=output, resamples=resamples, processes=processes)
    for condition, fit in found.fits.items():
        typer.echo(f"{CONDITIONS[condition]}: {in_words(fit)}")
    typer.echo(f"{output or checkpoint / NAME} is written.", err=True)


def in_words(fit: Fit) -> str:
    """Return what a fit was made of, and how wrong it is on items that it has not seen."""
    return (
        f"{fit.rows:,} answers about {fit.items:,} different items, {fit.rightness:.3f} right on average "
        f"({', '.join(fit.targets)}); expected calibration error {_interval(fit.expected_calibration_error)}, "
        f"Brier score {_interval(fit.brier)}."
    )


def _interval(measured: Measured) -> str:
    return f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]"
