"""Small checkpoints in the original's layout, made here: other sizes, tokenizers and seeds than any reference's."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import EsmConfig, EsmModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXT = """You are working as an excellent assistant in chemistry and molecule discovery. Below a human gives the
representation of a molecule. Answer a question about it. ### Human: <molecule></molecule> <protein></protein> What is
the function of this protein? ### Assistant: The molecule is a member of the class of chalcones. 0123456789"""


@dataclass
class Original:
    """A checkpoint in the original's layout, and the parts that it was made of."""

    state: dict[str, torch.Tensor]
    language_model: LlamaForCausalLM
    protein_encoder: EsmModel
    language_model_folder: Path
    protein_encoder_folder: Path

    def gin(self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor) -> torch.Tensor:
        """GraphMVP's network, written down once more from its paper: no code is shared with the package."""
        weights = {
            key.removeprefix("mol_structure_encoder."): tensor.float()
            for key, tensor in self.state.items()
            if key.startswith("mol_structure_encoder.")
        }
        hidden = weights["x_embedding1.weight"][x[:, 0]] + weights["x_embedding2.weight"][x[:, 1]]
        layers = sum(key.endswith("mlp.0.bias") for key in weights)
        for i in range(layers):
            bonds, directions = (weights[f"gnns.{i}.edge_embedding{k}.weight"] for k in (1, 2))
            total = hidden + bonds[4] + directions[0]  # the self-loop
            messages = hidden[edge_index[0]] + bonds[edge_attr[:, 0]] + directions[edge_attr[:, 1]]
            total = total.index_add(0, edge_index[1], messages)
            for k in (0, 2):
                total = total @ weights[f"gnns.{i}.mlp.{k}.weight"].T + weights[f"gnns.{i}.mlp.{k}.bias"]
                total = total.relu() if k == 0 else total
            norm = {
                name: weights[f"batch_norms.{i}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
            }
            total = (total - norm["running_mean"]) / (norm["running_var"] + 1e-5).sqrt() * norm["weight"] + norm["bias"]
            hidden = total.relu() if i < layers - 1 else total
        return hidden

    def logits(self, batch: dict[str, torch.Tensor], molecule_id: int, protein_id: int) -> torch.Tensor:
        """Logits of a batch of one, put together by hand from the parts."""
        ids = batch["input_ids"][0]
        embeds = self.language_model.model.embed_tokens(ids.clamp(max=molecule_id - 1)).clone()
        if "atom_features" in batch:
            atoms = self.gin(batch["atom_features"][0], batch["bond_index"][0], batch["bond_features"][0])
            embeds[ids == molecule_id] = torch.nn.functional.linear(
                atoms, self.state["proj_mol.weight"].float(), self.state["proj_mol.bias"].float()
            )
        if "protein_input_ids" in batch:
            residues = self.protein_encoder(
                input_ids=batch["protein_input_ids"][0], attention_mask=batch["protein_attention_mask"][0]
            )[0]
            embeds[ids == protein_id] = torch.nn.functional.linear(
                residues[0], self.state["proj_prot.weight"].float(), self.state["proj_prot.bias"].float()
            )
        return self.language_model(inputs_embeds=embeds[None]).logits[0]


def rescale(module: torch.nn.Module, generator: torch.Generator) -> None:
    """Random weights large enough that outputs differ, small enough that they stay finite."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                scale = 1.0 if "embed" in name else parameter.shape[-1] ** -0.5
                parameter.copy_(noise * scale)
            else:
                parameter.copy_(("norm" in name.lower() and name.endswith("weight")) + 0.1 * noise)


def train_tokenizer(folder: Path, size: int) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    tokenizer.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=size, special_tokens=special))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
    fast.save_pretrained(folder)
    return fast


def make_gin_state(width: int, layers: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    state = {"x_embedding1.weight": random(120, width), "x_embedding2.weight": random(3, width)}
    for i in range(layers):
        state[f"gnns.{i}.mlp.0.weight"] = random(2 * width, width, scale=width**-0.5)
        state[f"gnns.{i}.mlp.0.bias"] = random(2 * width, scale=0.1)
        state[f"gnns.{i}.mlp.2.weight"] = random(width, 2 * width, scale=width**-0.5)
        state[f"gnns.{i}.mlp.2.bias"] = random(width, scale=0.1)
        state[f"gnns.{i}.edge_embedding1.weight"] = random(6, width)
        state[f"gnns.{i}.edge_embedding2.weight"] = random(3, width)
    for i in range(layers):
        state[f"batch_norms.{i}.weight"] = 1 + random(width, scale=0.1)
        state[f"batch_norms.{i}.bias"] = random(width, scale=0.1)
        state[f"batch_norms.{i}.running_mean"] = random(width, scale=0.3)
        state[f"batch_norms.{i}.running_var"] = 2 + random(width, scale=0.1).abs()
        state[f"batch_norms.{i}.num_batches_tracked"] = torch.tensor(7 + i)
    return state


def make_original(
    folder: Path,
    seed: int = 5,
    vocabulary: int = 150,
    width: int = 48,
    heads: int = 3,
    layers: int = 3,
    protein_width: int = 40,
    protein_heads: int = 5,
    gin_width: int = 20,
    gin_layers: int = 4,
) -> Original:
    generator = torch.Generator().manual_seed(seed)
    tokenizer = train_tokenizer(folder / "llm", vocabulary)
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width + 4, num_hidden_layers=layers,
        num_attention_heads=heads, max_position_embeddings=512, rms_norm_eps=1e-5, pad_token_id=0,
    )  # fmt: skip
    text.save_pretrained(folder / "llm")
    text.vocab_size += 1  # [PAD]
    language_model = LlamaForCausalLM(text).eval()
    protein = EsmConfig(
        vocab_size=33, hidden_size=protein_width, num_hidden_layers=2, num_attention_heads=protein_heads,
        intermediate_size=3 * protein_width, max_position_embeddings=1026, position_embedding_type="rotary",
        pad_token_id=1, mask_token_id=32, token_dropout=True, emb_layer_norm_before=False, layer_norm_eps=1e-5,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    protein.save_pretrained(folder / "esm")
    (folder / "esm" / "vocab.txt").write_text(
        "\n".join(
            "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>".split()
        )
    )
    protein_encoder = EsmModel(protein).eval()
    for module in (language_model, protein_encoder):
        rescale(module, generator)

    state = {f"mol_structure_encoder.{k}": v for k, v in make_gin_state(gin_width, gin_layers, generator).items()}
    for key, tensor in protein_encoder.state_dict().items():
        if key == "rotary_embeddings.inv_freq":
            for i in range(2):
                state[f"prot_structure_encoder.encoder.layer.{i}.attention.self.{key}"] = tensor.clone()
        else:
            state[f"prot_structure_encoder.{key}"] = tensor
    unused = torch.randn(1026, protein_width, generator=generator)
    state["prot_structure_encoder.embeddings.position_embeddings.weight"] = unused
    head_size = width // heads
    for key, tensor in language_model.state_dict().items():
        state[f"llm.{key}"] = tensor
    for i in range(layers):
        frequencies = 10000.0 ** -(torch.arange(0, head_size, 2) / head_size)
        state[f"llm.model.layers.{i}.self_attn.rotary_emb.inv_freq"] = frequencies
    for name, size in (("proj_mol", gin_width), ("proj_prot", protein_width)):
        state[f"{name}.weight"] = torch.randn(width, size, generator=generator) * size**-0.5
        state[f"{name}.bias"] = torch.randn(width, generator=generator) * 0.1
    return Original(state, language_model, protein_encoder, folder / "llm", folder / "esm")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return make_original(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="session")
def original_file(original: Original, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "biomedgpt_small.pth"
    torch.save(original.state, path)
    return path


@pytest.fixture(scope="session")
def other_originals(tmp_path_factory: pytest.TempPathFactory) -> list[Original]:
    """Two more, of other sizes."""
    return [
        make_original(
            tmp_path_factory.mktemp("wide"), 1, 90, width=64, heads=2, layers=1, protein_width=24, protein_heads=2
        ),
        make_original(tmp_path_factory.mktemp("deep"), 2, 200, width=32, heads=8, layers=5, gin_width=36, gin_layers=2),
    ]


@pytest.fixture
def gin_state():
    return make_gin_state
