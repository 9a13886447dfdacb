"""Supervised fine-tuning by TRL's `SFTTrainer`, on rows with molecules and proteins, or without: `trainer: sft`.

trainer = BioMedGPTSFTTrainer(model, SFTConfig(output_dir="sft"), train_dataset=rows, processing_class=processor)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from transformers import PreTrainedModel, ProcessorMixin
from trl import SFTConfig, SFTTrainer

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.rows.schema import features
from biomedgpt_hf.training.trainers.trainer_kinds import TrainerKind
from biomedgpt_hf.training.trainers.trl_trainer import (
    DEFAULTS,
    FIGURES_OF_ALL,
    REFUSED,
    Collator,
    Rows,
    TRLTrainerMixin,
    find_processor,
    load_model,
    take_over,
    trained_weights_kept,
)

if TYPE_CHECKING:
    from peft import PeftModel


class BioMedGPTSFTTrainer(TRLTrainerMixin, SFTTrainer):
    """TRL's `SFTTrainer` for rows with molecules and proteins, or without; it learns the assistants' messages.

    Args:
        model: a BioMedGPT, with or without PEFT's adapters, or its folder or Hub id.
        args: TRL's; `max_length` and `packing` are the collator's business.
        data_collator: a `BioMedGPTDataCollator(processing_class)` when None.
        train_dataset, eval_dataset: rows (see `rows.schema`); of evaluation sets there may be a dictionary.
        processing_class: the model's processor; the collator's, or the one beside the model, when None.
        options: as for `SFTTrainer`, such as `peft_config`, and for `RunTrainerMixin`, such as `lengths`.

    Raises:
        ValueError: if `args` ask for what the collator does.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel | str,
        args: SFTConfig | None = None,
        data_collator: Collator | None = None,
        train_dataset: Rows | None = None,
        eval_dataset: Rows | dict[str, Rows] | None = None,
        processing_class: ProcessorMixin | None = None,
        **options: Any,
    ) -> None:
        args = take_over(args or SFTConfig("biomedgpt-sft"), "BioMedGPTDataCollator")
        if args.packing or args.padding_free:
            raise ValueError(
                f"packing={args.packing}, padding_free={args.padding_free}: TRL packs text only. Pass "
                "data_collator=BioMedGPTDataCollator(processor, packing=True) in their place."
            )
        args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
        args.assistant_only_loss = False  # the collator puts labels on the answers
        processor = find_processor(model, data_collator, processing_class)
        model = load_model(model, args, options)
        with trained_weights_kept(model):
            super().__init__(
                model,
                args=args,
                data_collator=data_collator or BioMedGPTDataCollator(processor),
                train_dataset=train_dataset,
                eval_dataset=eval_dataset,
                processing_class=processor,
                **options,
            )


_LABELS = "this package's collator puts labels on the answers"
KIND = TrainerKind(
    name="sft",
    arguments_class=SFTConfig,
    trainer_class=BioMedGPTSFTTrainer,
    collator_class=BioMedGPTDataCollator,
    row_features=features,
    types={"loss_type": Literal["nll", "dft"]},
    defaults=DEFAULTS,
    refused={
        **REFUSED,
        "share_prefix": "TRL would count the tokens of such batches, and that is not tested yet",
        "constant_prefix": FIGURES_OF_ALL,
        "chat_template_path": "the processor of the model brings the chat template",
        "eos_token": "the processor of the model brings its tokens",
        "dataset_text_field": "rows are conversations",
        "dataset_kwargs": "this package's collator lays out the rows",
        "shuffle_dataset": "rows are shuffled by seed",
        "packing_strategy": "packing (true or false) puts a batch's rows into one sequence",
        "eval_packing": "packing (true or false) puts a batch's rows into one sequence",
        "completion_only_loss": _LABELS,
        "assistant_only_loss": _LABELS,
    },
    metrics=("loss", "entropy", "mean_token_accuracy"),
)
