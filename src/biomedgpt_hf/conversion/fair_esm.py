"""ESM-2 as fair-esm publishes it (https://github.com/facebookresearch/esm) → an `EsmForMaskedLM` folder.

The folder is what facebook/esm2_* are on the Hub: `AutoModel` gives the encoder, `AutoModelForMaskedLM` the language
model, and `predict_contacts` works if the contact-regression file lay beside the weights.
"""

import argparse
import re
from pathlib import Path

import torch
from transformers import EsmConfig, EsmForMaskedLM

from biomedgpt_hf.conversion.checkpoint import Checkpoint, StoredTensor, open_checkpoint
from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.placing import check_rotary, count_layers, need, place_tensors, rotary_frequencies
from biomedgpt_hf.conversion.writing import (
    ConversionReport,
    NewTensor,
    make_report,
    resolve_dtype,
    save_around,
    write_weights,
)
from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.processors.protein_tokenizer import ESM2_VOCABULARY, build_protein_tokenizer

PREFIXES = ("encoder.sentence_encoder.", "encoder.")
# Parts of a key, in transformers' and in fair-esm's words.
WORDS = {
    "esm.embeddings.word_embeddings": "embed_tokens",
    "esm.encoder.emb_layer_norm_after": "emb_layer_norm_after",
    "esm.contact_head": "contact_head",
    "lm_head.decoder": "lm_head",
    "esm.encoder.layer.": "layers.",
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "LayerNorm": "final_layer_norm",
}
# Attention heads of the published ESM-2, by layers and width (Lin et al., 2023, Table S1).
PUBLISHED_HEADS = {(6, 320): 20, (12, 480): 20, (30, 640): 20, (33, 1280): 20, (36, 2560): 40, (48, 5120): 40}
ROTARY = r".*\.(rot_emb|rotary_embeddings)\.inv_freq"


def convert_fair_esm(
    file: str | Path,
    output: str | Path,
    contact_regression: str | Path | None = None,
    dtype: torch.dtype | str | None = None,
    max_shard_size: int | str = "5GB",
) -> ConversionReport:
    """Convert an ESM-2 of fair-esm.

    Args:
        file: such as `esm2_t36_3B_UR50D.pt`.
        output: folder to write: config, weights, tokenizer, `conversion.json`.
        contact_regression: the file with the contact head; when None, `…-contact-regression.pt` beside `file` is
            taken, and without it there is no contact head.
        dtype: data type to write, such as "bfloat16"; the file's own when None.
        max_shard_size: longest weight file.

    Raises:
        FileNotFoundError, FileExistsError: for the file; for a folder that is not empty.
        ConversionError: if the file is damaged or is no ESM-2.
    """
    dtype = resolve_dtype(dtype)
    file = Path(file)
    beside = file.with_name(f"{file.stem}-contact-regression{file.suffix}")
    regression = Path(contact_regression) if contact_regression else beside
    files = [file, regression] if contact_regression or regression.exists() else [file]
    with staged_folder(output) as folder, open_checkpoint(files) as checkpoint:
        settings = checkpoint.extra.pop("cfg", {})
        if "args" in checkpoint.extra or not any(re.match(PREFIXES[0], key) for key in checkpoint.tensors):
            raise ConversionError(
                f"{file.name} is no ESM-2 of fair-esm (those have encoder.sentence_encoder.embed_tokens.weight): "
                "ESM-1, MSA and ESMFold files are other networks."
            )
        checkpoint.tensors = _without_prefix(checkpoint.tensors)
        config = _config(checkpoint, settings)
        with torch.device("meta"):
            model = EsmForMaskedLM(config)
        expected = model.state_dict()
        check_rotary(checkpoint, ROTARY, config.hidden_size // config.num_attention_heads, 10000.0, "no ESM-2")
        placed, dropped = place_tensors(
            checkpoint,
            expected,
            original_esm_key,
            homeless={ROTARY: "computed by the model"},
            may_lack=r"esm\.(rotary_embeddings\.inv_freq|contact_head\..*)",
        )
        _check_tied(placed)
        del placed["lm_head.decoder.weight"]
        dropped["lm_head.weight"] = "the same as embed_tokens.weight, to which the model ties it"
        dropped |= {key: "no weights: lay beside the state dict" for key in checkpoint.extra}
        tensors = [NewTensor(key, (stored,), dtype or stored.dtype) for key, stored in placed.items()]
        tensors.append(rotary_tensor("esm.rotary_embeddings.inv_freq", config))
        write_weights(folder, tensors, max_shard_size)
        save_around(folder, model, tensors)
        build_protein_tokenizer().save_pretrained(folder)
        notes = []
        if "esm.contact_head.regression.weight" not in placed:
            notes.append(
                f"No contact head: {beside.name} was not beside the weights, so predict_contacts is untrained."
            )
        added = {tensors[-1].key: "rotary frequencies, float32"}
        facts = {"sources": checkpoint.sources, "dropped": dropped, "added": added, "notes": notes}
        report = make_report(output, "esm", model, tensors, **facts)
        report.save(folder)
    return report


def original_esm_key(key: str) -> str:
    """fair-esm's key, without prefix, for one of `EsmForMaskedLM`."""
    for ours, theirs in WORDS.items():
        key = re.sub(rf"(^|(?<=\.)){re.escape(ours)}", theirs, key)
    return key


def esm_config(layers: int, width: int, heads: int, inner: int, token_dropout: bool = True) -> EsmConfig:
    """Config of an ESM-2; what is not given is the same in all published ones."""
    return EsmConfig(
        vocab_size=len(ESM2_VOCABULARY),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        token_dropout=token_dropout,
        position_embedding_type="rotary",
        max_position_embeddings=1026,
        layer_norm_eps=1e-5,
        emb_layer_norm_before=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=ESM2_VOCABULARY.index("<pad>"),
        mask_token_id=ESM2_VOCABULARY.index("<mask>"),
        eos_token_id=ESM2_VOCABULARY.index("<eos>"),
    )


def esm_heads(checkpoint: Checkpoint, prefix: str, layers: int, width: int) -> int | None:
    """Attention heads of an ESM-2, from its rotary frequencies, its contact head, or the published sizes."""
    for key, stored in checkpoint.tensors.items():
        if key.startswith(prefix) and re.fullmatch(ROTARY, key):
            return width // (2 * stored.shape[0])
    contacts = checkpoint.tensors.get(f"{prefix}contact_head.regression.weight")
    if contacts is not None:
        return contacts.shape[1] // layers
    return PUBLISHED_HEADS.get((layers, width))


def rotary_tensor(key: str, config: EsmConfig) -> NewTensor:
    """Return the encoder's rotary frequencies: always float32, since half precision spoils long proteins."""
    head_size = config.hidden_size // config.num_attention_heads
    return NewTensor(key, (rotary_frequencies(head_size, config.rope_theta),), torch.float32)


def _config(checkpoint: Checkpoint, settings: object) -> EsmConfig:
    """From the settings in the file, compared with the tensors' shapes when these are placed."""
    layers = count_layers(checkpoint, r"layers\.(\d+)\.")
    width = need(checkpoint, "embed_tokens.weight").shape[1]
    inner = need(checkpoint, "layers.0.fc1.weight").shape[0]
    heads = esm_heads(checkpoint, "", layers, width)
    namespace = settings.get("model") if isinstance(settings, dict) else None
    known = vars(namespace) if isinstance(namespace, argparse.Namespace) else {}
    heads = known.get("encoder_attention_heads", heads)
    if not heads:
        raise ConversionError(f"{checkpoint.names} does not tell its number of attention heads: no cfg, no rot_emb.")
    return esm_config(known.get("encoder_layers", layers), width, heads, inner, known.get("token_dropout", True))


def _without_prefix(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    short = {}
    for key, tensor in tensors.items():
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), "")
        short[key.removeprefix(prefix)] = tensor
    return short


def _check_tied(placed: dict[str, StoredTensor]) -> None:
    """Raise an error if the model does not tie its head to the embeddings, so a head of its own would be lost."""
    head, embeddings = placed["lm_head.decoder.weight"], placed["esm.embeddings.word_embeddings.weight"]
    if not torch.equal(head.tensor(), embeddings.tensor()):
        raise ConversionError(f"{head.name} differs from {embeddings.name}: ESM-2 ties them, so this is another model.")
