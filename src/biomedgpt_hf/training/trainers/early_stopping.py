"""Early stopping that outlives interruptions: how long nothing became better is counted anew from the run's log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from transformers import EarlyStoppingCallback, TrainerControl, TrainerState, TrainingArguments


class EarlyStopping(EarlyStoppingCallback):
    """transformers' callback, which would begin to count at zero again when a run goes on.

    The log is in every checkpoint, so patience and threshold may be others than before.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Count the evaluations since the last one that was better."""
        super().on_train_begin(args, state, control, **kwargs)
        self.early_stopping_patience_counter, past = 0, TrainerState()
        for _, value in logged_values(state, args.metric_for_best_model):
            self.check_metric_value(args, past, control, value)
            if past.best_metric is None or (value > past.best_metric) == bool(args.greater_is_better):
                past.best_metric = value


def is_out_of_patience(callbacks: Iterable[object]) -> bool:
    """Return whether a run has stopped early, so that it does not go on."""
    return any(
        isinstance(one, EarlyStoppingCallback) and one.early_stopping_patience_counter >= one.early_stopping_patience
        for one in callbacks
    )


def knows_best(state: TrainerState, metric: str | None) -> bool:
    """Return whether the best value that a state holds is one of this metric, and not of an earlier start's other one.

    Args:
        state: of a run that begins or goes on.
        metric: by which the best is chosen now; None for by none.
    """
    if state.best_metric is None:
        return metric is not None
    return (state.best_global_step, state.best_metric) in list(logged_values(state, metric))


def logged_values(state: TrainerState, metric: str | None) -> Iterator[tuple[int, float]]:
    """Yield the steps and values of a metric in the evaluations of a run's log."""
    name = None if metric is None else f"eval_{metric.removeprefix('eval_')}"
    for entry in state.log_history:
        if name in entry:
            yield entry["step"], entry[name]
