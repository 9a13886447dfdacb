"""Small models with large weights, and batches built tensor by tensor, without the processor."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import EsmConfig, LlamaConfig, PreTrainedConfig, PreTrainedModel

from biomedgpt_hf import BioMedGPTConfig, BioMedGPTForConditionalGeneration, GINConfig

VOCABULARY = 98
MOLECULE, PROTEIN = 96, 97  # placeholders
GREEDY = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}


def tiny_config(**arguments: Any) -> BioMedGPTConfig:
    """Llama, ESM-2 and GIN; any of them, or another field, can be given otherwise."""
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=0,
    )
    protein = EsmConfig(
        vocab_size=33,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        position_embedding_type="rotary",
        token_dropout=True,
        pad_token_id=1,
        mask_token_id=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    molecule = GINConfig(hidden_size=16, num_hidden_layers=2)
    parts: dict[str, PreTrainedConfig] = {"text_config": text, "protein_config": protein, "molecule_config": molecule}
    return BioMedGPTConfig(**{**parts, **arguments})


def tiny_model(config: BioMedGPTConfig | None = None, seed: int = 0) -> BioMedGPTForConditionalGeneration:
    torch.manual_seed(seed)
    model = BioMedGPTForConditionalGeneration(config or tiny_config())
    return rescale(model).eval()


@torch.no_grad()
def rescale(model: PreTrainedModel) -> PreTrainedModel:
    """Makes matrices keep the size of what they multiply: a fresh model's outputs are almost the same for any input."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.weight.normal_()
        elif isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D":
            fan_in = module.weight.shape[0 if type(module).__name__ == "Conv1D" else 1]
            module.weight.normal_(std=1.5 * fan_in**-0.5)
        elif isinstance(module, nn.BatchNorm1d):
            module.running_var.fill_(4.0)
    if isinstance(getattr(model, "lm_head", None), nn.Linear):
        model.lm_head.weight.normal_(std=2 * model.lm_head.weight.shape[1] ** -0.5)
    model.tie_weights()
    return model


@dataclass
class Sample:
    """One prompt: ids with placeholders, its molecules (x, edge_index, edge_attr) and its proteins (ids)."""

    input_ids: list[int]
    molecules: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = field(default_factory=list)
    proteins: list[list[int]] = field(default_factory=list)


def make_molecule(
    atoms: int, seed: int, atom_sizes: tuple[int, ...] = (118, 3), bond_sizes: tuple[int, ...] = (4, 3)
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A chain of random atoms and bonds: x [N, F], edge_index [2, E], edge_attr [E, G]."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.stack([torch.randint(size, (atoms,), generator=generator) for size in atom_sizes], 1)
    pairs = [pair for i in range(atoms - 1) for pair in ((i, i + 1), (i + 1, i))]
    edge_index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
    bonds = [torch.randint(size, (max(atoms - 1, 0),), generator=generator) for size in bond_sizes]
    return x, edge_index, torch.stack(bonds, 1).repeat_interleave(2, 0)


def make_sample(
    molecules: int = 0, proteins: int = 0, seed: int = 0, item_seed: int | None = None, flanks: int = 2, **sizes: Any
) -> Sample:
    """Text around molecules of unequal size, then proteins of unequal length.

    Args:
        item_seed: other items of the same sizes in the same text, if it differs from `seed`.
        flanks: how many rows a protein has in the prompt beyond its residues (`<cls>` and `<eos>`).
        sizes: `atom_sizes` and `bond_sizes` of other feature sets.
    """
    item_seed = seed if item_seed is None else item_seed
    generator = torch.Generator().manual_seed(seed)
    sample = Sample([1, *torch.randint(3, 90, (4,), generator=generator).tolist()])
    for k in range(molecules):
        atoms = 2 + k + seed % 3
        sample.molecules.append(make_molecule(atoms, 10 * item_seed + k, **sizes))
        sample.input_ids += [MOLECULE] * atoms + [5]
    generator = torch.Generator().manual_seed(100 + item_seed)
    for k in range(proteins):
        residues = 3 + k + seed % 4
        sample.proteins.append([0, *torch.randint(4, 24, (residues,), generator=generator).tolist(), 2])
        sample.input_ids += [PROTEIN] * (residues + flanks) + [6]
    sample.input_ids += [7, 8 + seed]
    return sample


def collate(samples: list[Sample], side: str = "left", labels: int = 0) -> dict[str, torch.Tensor]:
    """A batch as the processor makes it; with labels on the last tokens of each sample if their number is given."""

    def pad(rows: list[torch.Tensor], value: int = 0, side: str = "right") -> torch.Tensor:
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value, padding_side=side)

    ids = [torch.tensor(sample.input_ids) for sample in samples]
    batch = {"input_ids": pad(ids, 0, side), "attention_mask": pad([torch.ones_like(i) for i in ids], 0, side)}
    if any(sample.molecules for sample in samples):
        columns: dict[str, list[torch.Tensor]] = {}
        widths = next((m[0].shape[1], m[2].shape[1]) for sample in samples for m in sample.molecules)
        for sample in samples:
            sizes = torch.tensor([len(x) for x, _, _ in sample.molecules], dtype=torch.long)
            offsets = sizes.cumsum(0) - sizes
            nothing = [torch.zeros(0, width, dtype=torch.long) for width in (widths[0], 2, widths[1])]
            x = torch.cat([nothing[0], *(m[0] for m in sample.molecules)])
            bonds = [m[1].T + offset for m, offset in zip(sample.molecules, offsets, strict=True)]
            index = torch.cat([nothing[1], *bonds])
            rows = {
                "atom_features": x,
                "atom_mask": torch.ones(len(x), dtype=torch.long),
                "bond_index": index,
                "bond_features": torch.cat([nothing[2], *(m[2] for m in sample.molecules)]),
                "bond_mask": torch.ones(len(index), dtype=torch.long),
                "atom_molecule": torch.arange(len(sizes)).repeat_interleave(sizes),
            }
            for name, row in rows.items():
                columns.setdefault(name, []).append(row)
        batch.update({name: pad(rows) for name, rows in columns.items()})
        batch["bond_index"] = batch["bond_index"].transpose(1, 2).contiguous()
    if any(sample.proteins for sample in samples):
        most = max(len(sample.proteins) for sample in samples)
        longest = max(len(protein) for sample in samples for protein in sample.proteins)
        rows = [
            [torch.tensor(protein) for protein in sample.proteins]
            + [torch.tensor([], dtype=torch.long)] * (most - len(sample.proteins))
            for sample in samples
        ]
        batch["protein_input_ids"] = torch.stack(
            [torch.stack([functional.pad(p, (0, longest - len(p)), value=1) for p in row]) for row in rows]
        )
        batch["protein_attention_mask"] = torch.stack(
            [torch.stack([functional.pad(torch.ones_like(p), (0, longest - len(p))) for p in row]) for row in rows]
        )
    if labels:
        batch["labels"] = torch.full_like(batch["input_ids"], -100)
        for row, sample in enumerate(samples):
            end = batch["input_ids"].shape[1] if side == "left" else len(sample.input_ids)
            batch["labels"][row, end - labels : end] = batch["input_ids"][row, end - labels : end]
    return batch


def new_tokens(model: PreTrainedModel, batch: dict[str, torch.Tensor], **arguments: Any) -> list[list[int]]:
    """What the model generates after the prompts, greedily unless told otherwise."""
    start = batch["input_ids"].shape[1] if "input_ids" in batch else 0
    return model.generate(**batch, **{**GREEDY, **arguments})[:, start:].tolist()
