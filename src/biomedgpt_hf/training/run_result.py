"""How a run ended, and what a person wants to know of it."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        output: its folder.
        step: steps taken in all.
        steps: steps that were asked for.
        metrics: of the last evaluation, and the training's own.
        stopped_by: the signal that stopped it before its end; 0 if none did.
        kept_step: the step whose weights were kept since its evaluation was the best; None for the last one.
        kept_by: by what it was the best.
        ended_early: why it ended before its last step; empty if it did not.
        scores: a line for each set that the saved model was evaluated on.
    """

    output: Path
    step: int
    steps: int
    metrics: dict[str, float]
    stopped_by: int = 0
    kept_step: int | None = None
    kept_by: str = "the best evaluation"
    ended_early: str = ""
    scores: Sequence[str] = ()

    def summary(self) -> str:
        """Return what a person wants to know, in a few lines."""
        if self.stopped_by:
            name = signal.Signals(self.stopped_by).name
            return (
                f"Stopped by {name} after step {self.step} of {self.steps}; checkpoint-{self.step} is complete. "
                "Give the same command again to go on."
            )
        losses = {name: value for name, value in self.metrics.items() if name.endswith("loss")}
        told = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
        losses_told = f" ({told})" if told else ""
        kept = f", with the weights of step {self.kept_step}, {self.kept_by}" if self.kept_step else ""
        early = f", stopped {self.ended_early}" if self.ended_early else ""
        first = f"Wrote {self.output} after {self.step} steps{losses_told}{early}{kept}; see training_report.md there."
        return "\n".join([first, *self.scores])
