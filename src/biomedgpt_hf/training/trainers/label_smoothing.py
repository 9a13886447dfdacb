"""Label smoothing (`label_smoothing_factor`) over the tokens that a model can say.

transformers' `LabelSmoother` smooths over the placeholders too, whose logits of −16384 are most of its loss, and its
Trainer moves labels to the token before only for models that it knows by name, which BioMedGPT is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from transformers.trainer_pt_utils import LabelSmoother
from transformers.utils import ModelOutput


@dataclass
class VocabularyLabelSmoother(LabelSmoother):
    """Cross entropy with a share `epsilon` of each target spread evenly over the vocabulary without placeholders.

    Attributes:
        epsilon: the share.
        ignore_index: a label that does not count; nor does a placeholder.
        placeholder_ids: ids that stand for atoms and residues.
    """

    placeholder_ids: Sequence[int] = field(default_factory=tuple)

    def __call__(
        self,
        model_output: ModelOutput,
        labels: torch.Tensor,
        shift_labels: bool = True,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the sum over the label tokens, divided by `num_items_in_batch` or by their number.

        Args:
            model_output: with `logits` [B, T, V] of a causal language model.
            labels: [B, T].
            shift_labels: not read: a position always predicts the next one's label.
            num_items_in_batch: label tokens of all batches that make up a step.
        """
        logits, targets = model_output["logits"][:, :-1], labels[:, 1:].to(model_output["logits"].device)
        placeholders = targets.new_tensor(self.placeholder_ids)
        keep = (targets != self.ignore_index) & ~torch.isin(targets, placeholders)
        logits, targets = logits[keep].float(), targets[keep]
        real = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
        real[placeholders] = False
        of_target = logits.gather(-1, targets[:, None])[:, 0]
        of_all = logits.masked_fill(~real, 0).sum(-1) / real.sum()
        losses = logits.logsumexp(-1) - (1 - self.epsilon) * of_target - self.epsilon * of_all
        count = torch.as_tensor(len(targets) if num_items_in_batch is None else num_items_in_batch)
        return losses.sum() / count.to(losses.device).clamp(min=1)
