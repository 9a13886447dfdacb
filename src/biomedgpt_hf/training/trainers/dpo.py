"""Preference optimisation by TRL's `DPOTrainer`, on questions about items with two answers each: `trainer: dpo`.

trainer = BioMedGPTDPOTrainer(model, args=DPOConfig(output_dir="dpo"), train_dataset=pairs, processing_class=...)
"""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from transformers import PreTrainedModel, ProcessorMixin
from trl import DPOConfig, DPOTrainer

from biomedgpt_hf import checkpoints
from biomedgpt_hf.batches.preferences import BioMedGPTPreferenceCollator, optional_columns, preference_features
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

Loss = Literal[
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft",
]  # fmt: skip
REFERENCE = "ref"  # TRL's name for it
Divergence = Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"]


class BioMedGPTDPOTrainer(TRLTrainerMixin, DPOTrainer):
    """TRL's `DPOTrainer` for questions about molecules and proteins, or without, with two answers each.

    Args:
        model: a BioMedGPT, with or without PEFT's adapters, or its folder or Hub id.
        ref_model: what `model` is compared with, itself or its folder or Hub id; `model` as it is now when None (with
            adapters: without them, or with a copy of them as they are now).
        args: TRL's; `max_length` is the collator's business.
        data_collator: a `BioMedGPTPreferenceCollator(processing_class)` when None.
        train_dataset, eval_dataset: rows with `chosen` and `rejected` (see `batches.preferences`).
        processing_class: the model's processor; the collator's, or the one beside the model, when None.
        options: as for `DPOTrainer`, such as `peft_config`, and for `RunTrainerMixin`, such as `lengths`.

    Raises:
        ValueError: if `args` ask for what cannot be done on such rows.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel | str,
        ref_model: PreTrainedModel | str | None = None,
        args: DPOConfig | None = None,
        data_collator: Collator | None = None,
        train_dataset: Rows | None = None,
        eval_dataset: Rows | dict[str, Rows] | None = None,
        processing_class: ProcessorMixin | None = None,
        **options: Any,
    ) -> None:
        args = take_over(args or DPOConfig("biomedgpt-dpo"), "BioMedGPTPreferenceCollator")
        if args.precompute_ref_log_probs:
            raise ValueError(
                "precompute_ref_log_probs=True keeps its results in columns that the collator does not read: leave it "
                "out, and use a peft_config where two models take too much memory."
            )
        processor = find_processor(model, data_collator, processing_class)
        model = load_model(model, args, options)
        adapters = options.get("peft_config") is not None or hasattr(model, "peft_config")
        if ref_model is None and not adapters:
            ref_model = copy.deepcopy(model)  # TRL would load it anew, from a folder that need not be what `model` is
        elif isinstance(ref_model, str):
            ref_model = checkpoints.load_model(ref_model, dtype=model.dtype)
        with trained_weights_kept(model):
            super().__init__(
                model,
                ref_model,
                args=args,
                data_collator=data_collator or BioMedGPTPreferenceCollator(processor),
                train_dataset=train_dataset,
                eval_dataset=eval_dataset,
                processing_class=processor,
                **options,
            )

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """As `PublishingMixin`'s, without the copy of the adapters that they are compared with.

        A run that goes on makes the copy anew, of the adapters that it was started with.
        """
        adapters = getattr(self.model, "peft_config", None) or {}
        if REFERENCE not in adapters:
            return super()._save(output_dir, state_dict)
        saved = [name for name in adapters if name != REFERENCE]
        self.model.save_pretrained = partial(self.model.save_pretrained, selected_adapters=saved)
        try:
            super()._save(output_dir, state_dict)
        finally:
            del self.model.save_pretrained


_PAIRS = "a batch of preferences has a sequence of its own for each answer"
_PRECOMPUTED = "the collator reads no columns with precomputed log-probabilities; lora needs no second model"
_REFERENCE = "a checkpoint does not hold a reference that moves, so the run could not go on from it"
KIND = TrainerKind(
    name="dpo",
    arguments_class=DPOConfig,
    trainer_class=BioMedGPTDPOTrainer,
    collator_class=BioMedGPTPreferenceCollator,
    row_features=preference_features,
    optional_columns=optional_columns(),
    types={"loss_type": list[Loss], "f_divergence_type": Divergence},
    defaults=DEFAULTS,
    refused={
        **REFUSED,
        "packing": _PAIRS,
        "share_prefix": _PAIRS,
        "constant_prefix": FIGURES_OF_ALL,
        "precompute_ref_log_probs": _PRECOMPUTED,
        "precompute_ref_batch_size": _PRECOMPUTED,
        "sync_ref_model": _REFERENCE,
        "ref_model_mixup_alpha": _REFERENCE,
        "ref_model_sync_steps": _REFERENCE,
        "eval_answers": "it compares answers, and its rows have none to compare written ones with",
        "label_smoothing_factor": "its losses have label_smoothing in its place",
    },
    metrics=("loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins"),
    loss_unit="DPO's, mean of the pairs",
    sequences_per_row=2,
    keeps_reference=True,
)
