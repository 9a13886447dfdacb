"""The embedded checkpoint, rows of all kinds, and what a batch of them teaches: for tests of batches' layouts."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from biomedgpt_hf import BioMedGPTForConditionalGeneration, mini_checkpoint
from biomedgpt_hf.rows.schema import question_row

PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"


def make_row(question: str, answer: str, **items: list[str]) -> dict[str, Any]:
    return question_row(question, answer, task="t", source="s", id=f"{question} {answer}", license="CC0-1.0", **items)


def mixed_rows() -> list[dict[str, Any]]:
    """A molecule, a protein, text only, two molecules, a molecule and a protein, and two proteins."""
    text = make_row("What is water?", "A solvent.")
    return [
        make_row("Please describe this molecule.", "The molecule is an alcohol.", molecules=["CCO"]),
        make_row("What is its family?", "Belongs to the peptidase family.", proteins=[PROTEIN]),
        text,
        make_row("Do they react?", "No.", molecules=["C", "CC(=O)Oc1ccccc1C(=O)O"]),
        make_row("Does it bind?", "It does, and strongly.", molecules=["C1CC1"], proteins=["MGSSHHHHHH"]),
        make_row("Do they meet?", "Yes.", proteins=["ACDEFGHIK", PROTEIN[:20]]),
    ]


def load_mini(attention: str = "sdpa") -> BioMedGPTForConditionalGeneration:
    """The embedded checkpoint in training mode, without chance; in float64: float32 rounds by more than 1e-6."""
    model = BioMedGPTForConditionalGeneration.from_pretrained(mini_checkpoint(), attn_implementation=attention).double()
    for module in model.train().modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def loss_and_gradients(
    model: nn.Module, batch: Mapping[str, Any], **inputs: Any
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = model(**{**batch, **inputs}).loss
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def largest_difference(
    one: tuple[torch.Tensor, dict[str, torch.Tensor]], other: tuple[torch.Tensor, dict[str, torch.Tensor]]
) -> float:
    """The largest difference of loss and gradients."""
    assert one[1].keys() == other[1].keys() and len(one[1]) > 100
    assert min(one[1][f"model.{item}_projector.weight"].abs().max() for item in ("molecule", "protein")) > 1e-3
    of_gradients = max(float((gradient - other[1][name]).abs().max()) for name, gradient in one[1].items())
    return max(of_gradients, float((one[0] - other[0]).abs()))
