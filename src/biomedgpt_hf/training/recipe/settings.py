"""What a run is told beside its trainer's arguments and `LoraConfig`: the few keys of this package."""

from dataclasses import dataclass, field
from typing import Any, Literal

from biomedgpt_hf.rows.limits import parse_limit
from biomedgpt_hf.training.model.model_parts import PARTS
from biomedgpt_hf.training.trainers.trainer_kinds import SUPERVISED, check_trainer_name

ALIGNED_PARTS = [part for part in PARTS if part != "language_model"]  # what alignment trains (paper §3.2)


@dataclass
class Settings:
    """Our keys of a recipe, with their defaults.

    Attributes:
        trainer: what trains: "supervised", or one of TRL's, "sft" or "dpo" (see `trainers.trainer_kinds`).
        model: folder or Hub id of a BioMedGPT, "mini" for the embedded one, or a plain causal language model.
        train_data: folders made by `biomedgpt data`, or Hub ids; their `train` splits together.
        eval_data: likewise; None for the `validation` splits of `train_data`, where they have one.
        trainable: parts that train, of `PARTS`; everything else is frozen. "language_model" is the language model with
            its `lm_head`. Empty for the usual: the encoders and projectors (paper §3.2), the language model where it
            is alone, and with `lora` nothing beside it and its `modules_to_save`.
        dtype: of the frozen parts where the run trains in bfloat16 (`bf16`): "bfloat16", which "auto" is too, or
            "float32". Elsewhere they are float32, as trained parts always are.
        quantization: "nf4" holds the language model in bitsandbytes' 4-bit NormalFloat.
        lora: arguments of `peft.LoraConfig`, or None.
        max_length: longest row in tokens, atoms and residues included; longer rows are left out and listed.
        truncate_proteins: cut proteins beyond the encoder's limit, instead of leaving their rows out.
        batching: "length" puts rows of similar length together, "random" does not.
        max_tokens_per_batch: most tokens of a batch, padding included, instead of `per_device_train_batch_size` rows.
        global_batch_size: rows of one optimizer step over all processes; the accumulation steps follow from it.
        packing: put a batch's rows one after another in one sequence, with positions that start again.
        share_prefix: put questions about one item behind its molecule or protein once; batches then count items.
        constant_prefix: read the beginning that all rows of a batch share, such as the system prompt, only once where
            the language model is frozen; where that is not possible the key says nothing.
        max_rejected: how many unreadable rows are tolerated, a number such as "20" or a share; None for any.
        memory_budget_gib: memory of one device in GiB, which the plan is compared with.
        evaluate: what is evaluated when training has ended: "sets", folders of sets that `biomedgpt data` made, and
            options of `biomedgpt evaluate` (see `recipe.evaluations`); None for nothing.
        eval_answers: which answers evaluations during training ask for, and how they are scored (`AnswerOptions`); None
            for none, or the usual ones where `metric_for_best_model` is a score of answers.
        early_stopping_patience: stop when so many evaluations in a row were no better by `metric_for_best_model`; None
            to train to the end.
        early_stopping_threshold: what is better by no more than this counts as no better.
        language_model_only: `model` is a plain causal language model, trained alone; `biomedgpt convert
            language-model` takes it out of a BioMedGPT, and `biomedgpt init` puts it back.

    Raises:
        ValueError: if a value is unknown, or two contradict each other.
    """

    trainer: str = SUPERVISED
    model: str | None = None
    train_data: list[str] | None = None
    eval_data: list[str] | None = None
    trainable: list[str] = field(default_factory=list)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    quantization: Literal["nf4"] | None = None
    lora: dict[str, Any] | None = None
    max_length: int | None = None
    truncate_proteins: bool = False
    batching: Literal["length", "random"] = "length"
    max_tokens_per_batch: int | None = None
    global_batch_size: int | None = None
    packing: bool = False
    share_prefix: bool = False
    constant_prefix: bool = True
    max_rejected: str | None = "1%"
    memory_budget_gib: float | None = None
    evaluate: dict[str, Any] | None = None
    eval_answers: dict[str, Any] | None = None
    early_stopping_patience: int | None = None
    early_stopping_threshold: float = 0.0
    language_model_only: bool = False

    def __post_init__(self) -> None:
        if self.max_rejected is not None:
            self.max_rejected = str(self.max_rejected)  # YAML reads a number here
            parse_limit(self.max_rejected)
        if unknown := [part for part in self.trainable if part not in PARTS]:
            raise ValueError(f"trainable has {unknown[0]!r}, which is no part: choose from {', '.join(PARTS)}.")
        check_trainer_name(self.trainer)
        self._check_lora()
        if not self.trainable and self.lora is None:
            self.trainable = ["language_model"] if self.language_model_only else ALIGNED_PARTS.copy()
        if self.language_model_only and set(self.trainable) - {"language_model"}:
            raise ValueError(
                f"trainable is {', '.join(self.trainable)}, but language_model_only trains a language model without "
                "encoders: leave trainable out."
            )
        if self.quantization and "language_model" in self.trainable:
            raise ValueError(
                f"quantization is {self.quantization!r} and trainable has 'language_model', but four-bit weights "
                "cannot be trained: add lora, or take one of the two out."
            )
        self._check_batches()
        self._check_numbers()

    def changed(self) -> dict[str, Any]:
        """Return the keys whose values are not the defaults, with these values."""
        return {key: value for key, value in vars(self).items() if value != getattr(Settings(), key)}

    def frozen_dtype(self, bf16: bool) -> str:
        """Dtype of the frozen parts, "float32" or "bfloat16".

        Args:
            bf16: whether the run trains in bfloat16.
        """
        # Without bf16 nothing would bring frozen parts in bfloat16 and trained ones in float32 together.
        return "bfloat16" if bf16 and self.dtype != "float32" else "float32"

    def _check_lora(self) -> None:
        if self.lora is not None and self.trainable:
            raise ValueError(
                f"trainable is {', '.join(self.trainable)} beside lora, but it would not be saved with the adapter: "
                "name what trains in lora's modules_to_save, and leave trainable out."
            )

    def _check_batches(self) -> None:
        if self.global_batch_size and self.max_tokens_per_batch:
            raise ValueError(
                f"global_batch_size is {self.global_batch_size} and max_tokens_per_batch {self.max_tokens_per_batch}, "
                "but batches of so many tokens have no fixed number of rows: set one of them to null."
            )
        if self.max_tokens_per_batch and self.batching == "random":
            raise ValueError(
                f"max_tokens_per_batch is {self.max_tokens_per_batch} and batching random, but only batches by length "
                "keep to a number of tokens: take one of the two out."
            )
        if self.share_prefix and self.batching == "random":
            raise ValueError(
                "share_prefix is set and batching random, but only batches by length bring questions about one item "
                "together: take one of the two out."
            )
        if self.packing and self.share_prefix:
            raise ValueError("packing and share_prefix are both set, and each lays out the batch: choose one.")

    def _check_numbers(self) -> None:
        positive = ("max_length", "max_tokens_per_batch", "global_batch_size", "memory_budget_gib")
        for name in (*positive, "early_stopping_patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}: give a number above 0, or null.")
        if self.early_stopping_threshold < 0:
            raise ValueError(f"early_stopping_threshold is {self.early_stopping_threshold}: give 0 or more.")
        if self.early_stopping_threshold and self.early_stopping_patience is None:
            raise ValueError(
                f"early_stopping_threshold is {self.early_stopping_threshold}, which would have no effect: set "
                "early_stopping_patience, or leave early_stopping_threshold out."
            )
