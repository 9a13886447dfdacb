"""Heads that copy, written into a new Llama: so that it can repeat what stands in its prompt from the first step on.

A small decoder needs some two thousand steps of pure repetition before such heads form by themselves. They can also
be built. One head of the first layer hands each token on to its successor; heads of the second layer look for the
place whose *previous* token is the present one, and repeat what stands there (Olsson et al., 2022,
arXiv:2209.11895, "induction heads").

Built heads only propose: their signal is as small as everything else in a new model. `practise` makes it count, by a
hundred steps of pure repetition, before anything else is learnt. A mixture in which one row of thirty repeats does
not: it is drowned, and what was built is gone after some hundred steps.

Letters   H width of the model    D width of a head    N number of heads
Layout    the last D of H numbers are kept free of embeddings: there stands the previous token
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

SHARP = 9.0  # logit by which the head that looks one token back prefers its place
ALIKE = 28.0  # logit of a place whose previous token is the present one
IGNORED = -100  # label of what is not learnt
SLOW = 500  # tokens over which a rotary dimension that compares tokens turns by less than one radian


@torch.no_grad()
def write_copying_heads(model: PreTrainedModel, seed: int = 0) -> int:
    """Write copying heads into the first two layers of a Llama, and return the number of numbers kept free.

    Args:
        model: a `LlamaModel` with at least two layers and two heads, with biases in its attention (`attention_bias`),
            and as many key heads as query heads. Its rotary base should be a million, so that enough dimensions turn
            slowly.
        seed: of the random projections.

    Raises:
        ValueError: the model has another form.
    """
    config = model.config
    width, head, heads = config.hidden_size, config.head_dim, config.num_attention_heads
    if not config.attention_bias or config.num_key_value_heads != heads or heads < 2 or len(model.layers) < 2:
        raise ValueError("Copying heads need attention_bias, two layers and two heads, and a key for each query head.")
    free, told = slice(width - head, width), slice(0, width - head)
    random = torch.Generator().manual_seed(seed)
    embeddings = model.get_input_embeddings().weight
    embeddings[:, free] = 0
    scale = embeddings[:, told].std()
    frequencies = model.rotary_emb.inv_freq  # [D/2]
    shorter = _orthonormal(head, width - head, random)  # what is handed on of a token

    back = model.layers[0].self_attn
    rows = slice(0, head)
    for projection in (back.q_proj, back.k_proj, back.v_proj):
        projection.weight[rows] = 0
        projection.bias[rows] = 0
    # Constant queries and keys, one position apart: their product is largest for the token before.
    size = math.sqrt(SHARP * math.sqrt(head))
    for number in range(max(2, int((frequencies > 0.1).sum()))):
        back.k_proj.bias[number] = size
        back.q_proj.bias[number] = size * math.cos(frequencies[number])
        back.q_proj.bias[number + head // 2] = -size * math.sin(frequencies[number])
    back.v_proj.weight[rows, told] = shorter
    back.o_proj.weight[:, rows] = 0
    back.o_proj.weight[free, rows] = torch.eye(head) * scale * 3

    same = model.layers[1].self_attn
    slow = (frequencies * SLOW < 1).nonzero().flatten().tolist()
    compared = [*slow, *(number + head // 2 for number in slow)]
    size = math.sqrt(ALIKE * math.sqrt(head)) / math.sqrt(head)
    parts = _orthonormal(width - head, width - head, random)  # of a token, each head repeats one
    for number in range(heads - 1):
        rows = slice(number * head, (number + 1) * head)
        mixing = _orthonormal(len(compared), head, random)
        for projection in (same.q_proj, same.k_proj, same.v_proj):
            projection.weight[rows] = 0
            projection.bias[rows] = 0
        same.q_proj.weight[[number * head + place for place in compared], told] = mixing @ shorter * size
        same.k_proj.weight[[number * head + place for place in compared], free] = mixing * size
        part = parts[number * head : (number + 1) * head]
        same.v_proj.weight[rows, told] = part
        same.o_proj.weight[:, rows] = 0
        same.o_proj.weight[told, rows] = part.T * scale
    return head


def practise(
    model: PreTrainedModel, head: torch.nn.Linear, steps: int, tokens: tuple[int, int], *, rows: int = 16, seed: int = 0
) -> float:
    """Train a language model to repeat random tokens, and return the share that it repeats rightly at the end.

    Args:
        model: a language model with copying heads, without
        head: the layer that gives its logits, whose weights are those of its embeddings.
        steps: how many steps of AdamW, at a rate of 1e-3.
        tokens: the first token that may come, and the one after the last.
        rows: sequences of a step. In each, 8 to 48 tokens come twice, each time after up to 120 others.
        seed: where chance begins.
    """
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
    right = 0.0
    model.train()
    for _ in range(steps):
        ids, mask, labels = _repetitions(rows, tokens, random)
        answered = labels[:, 1:] != IGNORED
        with torch.autocast(model.device.type, torch.bfloat16):
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1][answered]
            logits = head(hidden).float()
        cross_entropy(logits, labels[:, 1:][answered]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        right = (logits.argmax(-1) == labels[:, 1:][answered]).float().mean().item()
    return right


def _repetitions(
    rows: int, tokens: tuple[int, int], random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, attention mask and labels of sequences with a part that comes twice, int64 [rows, T] each."""

    def some(least: int, most: int) -> torch.Tensor:
        size = int(torch.randint(least, most + 1, (1,), generator=random))
        return torch.randint(*tokens, (size,), generator=random)

    sequences, labels = [], []
    for _ in range(rows):
        part = some(8, 48)
        sequence = torch.cat([some(0, 120), part, some(0, 120), part])
        label = torch.full_like(sequence, IGNORED)
        label[-len(part) + 1 :] = part[1:]  # where the repetition begins, nobody can tell
        sequences.append(sequence)
        labels.append(label)
    pad = torch.nn.utils.rnn.pad_sequence
    mask = pad([torch.ones_like(sequence) for sequence in sequences], batch_first=True)
    return pad(sequences, batch_first=True), mask, pad(labels, batch_first=True, padding_value=IGNORED)


def _orthonormal(rows: int, columns: int, random: torch.Generator) -> torch.Tensor:
    """Return a random matrix with orthonormal rows or columns, float32 [rows, columns]."""
    matrix, _ = torch.linalg.qr(torch.randn(max(rows, columns), min(rows, columns), generator=random))
    return matrix if rows >= columns else matrix.T
