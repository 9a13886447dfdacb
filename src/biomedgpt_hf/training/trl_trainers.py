"""TRL's trainers on rows of our schema, with our collators: supervised fine-tuning and preference optimisation.

    trainer = BioMedGPTSFTTrainer(model, SFTConfig(output_dir="sft"), train_dataset=rows, processing_class=processor)
    trainer = BioMedGPTDPOTrainer(model, args=DPOConfig(output_dir="dpo"), train_dataset=pairs, processing_class=...)

TRL's own classes work as well, if nothing is forgotten: they tokenise rows without their molecules and proteins, drop
the columns that hold these, and cut rows in the middle of one. Log-probabilities are TRL's, computed from
`lm_head.weight` itself: the two placeholders are in their denominator, and losses differ from `BioMedGPTTrainer`'s by
their share.
"""

import copy
from dataclasses import fields
from typing import Any, TypeVar

from transformers import AutoModelForMultimodalLM, AutoProcessor, ProcessorMixin
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from biomedgpt_hf.batches.collator import BioMedGPTDataCollator
from biomedgpt_hf.batches.preferences import BioMedGPTPreferenceCollator
from biomedgpt_hf.publishing.trainers import PublishingMixin

Config = TypeVar("Config", SFTConfig, DPOConfig)


class _RowsAsTheyAre(PublishingMixin):
    """Leaves rows to the collator, which knows what is in them."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset


class BioMedGPTSFTTrainer(_RowsAsTheyAre, SFTTrainer):
    """TRL's `SFTTrainer` for rows with molecules and proteins, or without; it learns the assistants' messages.

    Args:
        model: a BioMedGPT, with or without PEFT's adapters, or its folder or Hub id.
        args: TRL's; `max_length` and `packing` are the collator's business.
        data_collator: a `BioMedGPTDataCollator(processing_class)` when None.
        train_dataset, eval_dataset: rows (see `rows.schema`); of evaluation sets there may be a dictionary.
        processing_class: the model's processor; the collator's, or the one beside the model, when None.
        options: as for `SFTTrainer`, such as `peft_config`.

    Raises:
        ValueError: if `args` ask for what the collator does.
    """

    def __init__(
        self,
        model: Any,
        args: SFTConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: ProcessorMixin | None = None,
        **options: Any,
    ) -> None:
        args = _arguments(args or SFTConfig("biomedgpt-sft"), "BioMedGPTDataCollator")
        if args.packing or args.padding_free:
            raise ValueError(
                f"packing={args.packing}, padding_free={args.padding_free}: TRL packs text only. Pass "
                "data_collator=BioMedGPTDataCollator(processor, packing=True) in their place."
            )
        args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
        args.assistant_only_loss = False  # the collator sees to it
        processor = _find_processor(model, data_collator, processing_class)
        model = _load(model, args, options)
        super().__init__(
            model,
            args=args,
            data_collator=data_collator or BioMedGPTDataCollator(processor),
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processor,
            **options,
        )


class BioMedGPTDPOTrainer(_RowsAsTheyAre, DPOTrainer):
    """TRL's `DPOTrainer` for questions about molecules and proteins, or without, with two answers each.

    Args:
        model: a BioMedGPT, with or without PEFT's adapters, or its folder or Hub id.
        ref_model: what `model` is compared with, itself or its folder or Hub id; `model` as it is now when None (with
            adapters: without them).
        args: TRL's; `max_length` is the collator's business.
        data_collator: a `BioMedGPTPreferenceCollator(processing_class)` when None.
        train_dataset, eval_dataset: rows with `chosen` and `rejected` (see `data.preferences`).
        processing_class: the model's processor; the collator's, or the one beside the model, when None.
        options: as for `DPOTrainer`, such as `peft_config`.

    Raises:
        ValueError: if `args` ask for what cannot be done on such rows.
    """

    def __init__(
        self,
        model: Any,
        ref_model: Any = None,
        args: DPOConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: ProcessorMixin | None = None,
        **options: Any,
    ) -> None:
        args = _arguments(args or DPOConfig("biomedgpt-dpo"), "BioMedGPTPreferenceCollator")
        if args.precompute_ref_log_probs:
            raise ValueError(
                "precompute_ref_log_probs=True keeps its results in columns that the collator does not read: leave it "
                "out, and use a peft_config where two models take too much memory."
            )
        processor = _find_processor(model, data_collator, processing_class)
        model = _load(model, args, options)
        adapters = options.get("peft_config") is not None or hasattr(model, "peft_config")
        if ref_model is None and not adapters:
            ref_model = copy.deepcopy(model)  # TRL would load it anew, from a folder that need not be what `model` is
        elif isinstance(ref_model, str):
            ref_model = AutoModelForMultimodalLM.from_pretrained(ref_model, dtype=model.dtype)
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


def _arguments(args: Config, collator: str) -> Config:
    """Return a copy of TRL's arguments that keeps TRL's hands off the rows.

    Raises:
        ValueError: if a length was chosen: TRL would cut rows there, in the middle of a molecule.
    """
    default = next(field.default for field in fields(args) if field.name == "max_length")
    if args.max_length not in (None, default):
        raise ValueError(
            f"max_length={args.max_length}: rows with molecules and proteins are never cut. Pass data_collator="
            f"{collator}(processor, max_length={args.max_length}), which refuses longer ones."
        )
    args = copy.copy(args)
    args.max_length = None
    args.remove_unused_columns = False
    return args


def _load(model: Any, args: Config, options: dict[str, Any]) -> Any:
    """Return the model itself. TRL loads none whose configuration has no `auto_map`, such as the embedded one."""
    if not isinstance(model, str):
        return model
    how = {"dtype": "float32", **(args.model_init_kwargs or {})}
    args.model_init_kwargs = None
    if (quantization := options.pop("quantization_config", None)) is not None:
        how["quantization_config"] = quantization
    return AutoModelForMultimodalLM.from_pretrained(model, **how)


def _find_processor(model: Any, data_collator: Any, processing_class: ProcessorMixin | None) -> ProcessorMixin:
    found = processing_class or getattr(data_collator, "processor", None)
    if found is None:
        found = AutoProcessor.from_pretrained(model if isinstance(model, str) else model.config._name_or_path)
    return found
