"""The Trainer of alignment and of every other supervised training of this package: `trainer: supervised`.

    trainer = BioMedGPTTrainer(model, arguments, train_dataset=rows, data_collator=BioMedGPTDataCollator(processor),
                               processing_class=processor)
    trainer.train(resume_from_checkpoint=True)      # from the newest complete checkpoint, or from the beginning

transformers' plain Trainer trains the same model with the same collator to the same weights, unless it smooths labels
(see `label_smoothing`). This one adds what `run_trainer` lists, and losses by kind of row.
"""

import sys
import time
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput, has_length
from transformers.utils import ModelOutput

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX
from biomedgpt_hf.rows.schema import features
from biomedgpt_hf.training.model.constant_prefix import ConstantPrefix
from biomedgpt_hf.training.reporting.tally import Tally, row_kinds
from biomedgpt_hf.training.trainers.run_trainer import RunTrainerMixin
from biomedgpt_hf.training.trainers.trainer_kinds import TrainerKind


class BioMedGPTTrainer(RunTrainerMixin, Trainer):
    """transformers' `Trainer` with what `RunTrainerMixin` adds, and losses by kind of row.

    Args:
        constant_prefix: read the beginning that a batch's rows share only once where the language model is frozen (see
            `model.constant_prefix`, which also tells where it does nothing).
        arguments, options: as for `Trainer`, and `lengths`, `max_tokens_per_batch` and `groups` of `RunTrainerMixin`.

    Raises:
        WrongEngineError: if the training would not run as its arguments say.
    """

    def __init__(self, *arguments: Any, constant_prefix: bool = True, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # What is compiled would be compiled again for each length of a beginning.
        self._prefix = ConstantPrefix(self.model) if constant_prefix and not self.args.torch_compile else None
        self._evaluated_batches, self._rows_to_evaluate = 0, sys.maxsize

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, ModelOutput]:
        """As the Trainer's; it also notes what was learnt, by kind of row."""
        counts = "labels" in inputs and self.label_smoother is None and self.compute_loss_func is None
        asked = inputs
        if counts and self._gives_token_losses:
            asked = {**self._shorten(inputs), "output_token_losses": True}
        loss, outputs = super().compute_loss(model, asked, True, num_items_in_batch)
        if counts and self.model.training:
            self._tally.add(inputs, outputs.get("token_losses"))
        elif counts:
            self._tally_evaluated(inputs, outputs.get("token_losses"))
        return (loss, outputs) if return_outputs else loss

    def _shorten(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return a training batch with the keys and values of its constant beginning in place of these tokens."""
        if self._prefix is None or not self.model.training:
            return inputs
        with self.accelerator.autocast():  # in which the forward runs, too
            return self._prefix.shorten(inputs)

    def _tally_evaluated(self, inputs: dict[str, Any], token_losses: torch.Tensor | None) -> None:
        """Note an evaluated batch, without the rows that accelerate repeats to give all processes as many batches."""
        position = self._evaluated_batches * self.args.world_size + self.args.process_index
        self._evaluated_batches += 1
        rows = len(inputs["input_ids"])
        own = min(rows, max(0, self._rows_to_evaluate - position * self.args.eval_batch_size))
        if own < rows and token_losses is not None and "position_ids" not in inputs:
            inputs = {**inputs, "labels": inputs["labels"].clone()}
            inputs["labels"][own:] = IGNORE_INDEX
            token_losses = token_losses[: self._tally.label_tokens(inputs)]
        self._tally.add(inputs, token_losses)

    @property
    def _gives_token_losses(self) -> bool:
        """Whether the model is a BioMedGPT, with or without adapters, and no plain language model."""
        return hasattr(self.model.config, "molecule_token_id")

    def evaluation_loop(
        self, dataloader: DataLoader, *arguments: Any, metric_key_prefix: str = "eval", **options: Any
    ) -> EvalLoopOutput:
        """As the Trainer's; the loss is the mean over all label tokens, however they were put into batches."""
        training, self._tally = self._tally, Tally(self.model.config, self.args.device)
        started = time.perf_counter()
        rows: Any = dataloader.dataset
        self._evaluated_batches, self._rows_to_evaluate = 0, len(rows) if has_length(rows) else sys.maxsize
        try:
            output = super().evaluation_loop(dataloader, *arguments, metric_key_prefix=metric_key_prefix, **options)
            results = self._tally.results(time.perf_counter() - started)
        finally:
            self._tally = training
            self._tally_started += time.perf_counter() - started
        losses = {f"{metric_key_prefix}_{name}": value for name, value in results.items() if name.startswith("loss")}
        output.metrics.update(losses)
        return output


KIND = TrainerKind(
    name="supervised",
    arguments_class=TrainingArguments,
    trainer_class=BioMedGPTTrainer,
    collator_class=BioMedGPTDataCollator,
    row_features=features,
    own_settings=("constant_prefix",),
    metrics=("loss", *(f"loss_{kind}" for kind in row_kinds())),
)
