"""An original BioMedGPT (OpenBioMed v0.1, class `BioMedGPTV`) → a checkpoint folder of this package."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import EsmConfig, GenerationConfig, LlamaConfig

from biomedgpt_hf.conversion.checkpoint import Checkpoint, StoredTensor, open_checkpoint
from biomedgpt_hf.conversion.configs import (
    LLAMA_ROTARY,
    check_rotary_frequencies,
    has_tokenizer,
    infer_protein_config,
    infer_text_config,
    load_config,
    load_tokenizer,
)
from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.fair_esm import rotary_tensor
from biomedgpt_hf.conversion.graphmvp import infer_gin_config, original_gin_key
from biomedgpt_hf.conversion.placing import need, place_tensors
from biomedgpt_hf.conversion.writing import (
    ConversionReport,
    NewTensor,
    make_report,
    resolve_dtype,
    save_around,
    write_weights,
)
from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.modeling.configuration_biomedgpt import BioMedGPTConfig
from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

EMBEDDINGS, HEAD = "model.language_model.embed_tokens.weight", "lm_head.weight"
PROTEIN_FREQUENCIES = "model.protein_encoder.rotary_embeddings.inv_freq"
PARTS = {
    "model.language_model.": "llm.model.",
    "lm_head.": "llm.lm_head.",
    "model.protein_encoder.": "prot_structure_encoder.",
    "model.molecule_projector.": "proj_mol.",
    "model.protein_projector.": "proj_prot.",
}
MOLECULE_ENCODER, MOLECULE_SOURCE = "model.molecule_encoder.", "mol_structure_encoder."
HOMELESS = {
    LLAMA_ROTARY: "rotary frequencies: the model computes them",
    r"prot_structure_encoder\..*\.rotary_embeddings\.inv_freq": "rotary frequencies: the model computes them",
    r"prot_structure_encoder\.embeddings\.position_embeddings\.weight": "unused: the encoder is rotary",
    r"prot_structure_encoder\.embeddings\.position_ids": "the numbers 0, 1, 2, …: no weight",
    r"prot_structure_encoder\.pooler\.dense\.(weight|bias)": "untrained and unused: BioMedGPT reads residues",
}
SEED = 0  # of the placeholders' embeddings


def convert_biomedgpt(
    files: str | Path | Iterable[str | Path],
    output: str | Path,
    language_model: str | Path | None = None,
    protein_encoder: str | Path | None = None,
    dtype: torch.dtype | str | None = None,
    max_shard_size: int | str = "5GB",
) -> ConversionReport:
    """Convert an original BioMedGPT, such as `biomedgpt_10b.pth`.

    Tensors go from file to file in chunks, so memory hardly depends on the checkpoint's size. The vocabulary gets two
    rows for the placeholders: in the embeddings, where real features replace them, small random ones (by which the
    model tells placeholders in a prompt given as embeddings); in `lm_head`, whose logits there are masked, the mean of
    all rows, so that code which forgets the mask moves no probability by more than 2 / vocabulary.

    Args:
        files: one file; or several, each with some of the keys; or the byte pieces of one file; in any order.
        output: folder to write: config, weights, processor, code, card, `conversion.json`.
        language_model: folder or Hub id with the language model's config and tokenizer (PharMolix/BioMedGPT-LM-7B for
            BioMedGPT-10B); weights in it are not read. When None, the config is inferred and the folder gets no
            processor.
        protein_encoder: likewise for ESM-2. When None, the config is inferred; when it has no tokenizer, ESM-2's is
            taken, which is always the same.
        dtype: data type to write, such as "bfloat16"; every tensor's own when None. Loading casts all tensors to the
            config's, which is that of most of them.
        max_shard_size: longest weight file.

    Returns:
        What was written, dropped, added and assumed.

    Raises:
        FileNotFoundError, FileExistsError: for the files; for a folder that is not empty.
        ConversionError: if a file is damaged, truncated or foreign, a part or tensor is missing, unknown or of another
            shape, a value is not finite, or a config or tokenizer does not fit. Nothing is left behind then.
    """
    dtype = resolve_dtype(dtype)
    assumed: dict[str, Any] = {}
    # Before the files are read through: a wrong name should not cost minutes.
    text = load_config(language_model, "language_model", "llama") if language_model else None
    protein = load_config(protein_encoder, "protein_encoder", "esm") if protein_encoder else None
    with staged_folder(output) as folder, open_checkpoint(files) as checkpoint:
        _check_parts(checkpoint)
        text = text or infer_text_config(checkpoint, assumed)
        protein = protein or infer_protein_config(checkpoint, assumed)
        check_rotary_frequencies(checkpoint, text, protein)
        processor = _make_processor(checkpoint, language_model, protein_encoder, text.max_position_embeddings)
        model = _empty_model(checkpoint, text, protein, processor)
        tensors, dropped = _new_tensors(checkpoint, model, dtype)

        write_weights(folder, tensors, max_shard_size)
        save_around(folder, model, tensors)
        notes = []
        if processor is None:
            notes.append(
                "No tokenizer was given, so there is no processor: add one by BioMedGPTProcessor.from_parts, or "
                "convert again with language_model."
            )
        else:
            processor.check_model(model.config)
            processor.save_pretrained(folder)
        added = _added(tensors)
        dropped |= {key: "no weights: lay beside the state dict" for key in checkpoint.extra}
        facts = {"dropped": dropped, "added": added, "assumed": assumed, "notes": notes}
        report = make_report(output, "biomedgpt", model, tensors, sources=checkpoint.sources, **facts)
        report.save(folder)
    return report


def original_key(key: str) -> str:
    """Return the original's key for one of `BioMedGPTForConditionalGeneration`."""
    if key.startswith(MOLECULE_ENCODER):
        return MOLECULE_SOURCE + original_gin_key(key.removeprefix(MOLECULE_ENCODER))
    for ours, theirs in PARTS.items():
        if key.startswith(ours):
            return theirs + key.removeprefix(ours)
    return key


def _check_parts(checkpoint: Checkpoint) -> None:
    """Tells another kind of checkpoint from a BioMedGPT with missing parts."""
    prefixes = {**PARTS, MOLECULE_ENCODER: MOLECULE_SOURCE}.values()
    if not any(key.startswith(tuple(prefixes)) for key in checkpoint.tensors):
        first = next(iter(checkpoint.tensors), "nothing")
        raise ConversionError(
            f"{checkpoint.names} is no original BioMedGPT: it has neither llm.* nor prot_structure_encoder.* nor "
            f"mol_structure_encoder.* (it begins with {first})."
        )


def _make_processor(
    checkpoint: Checkpoint,
    language_model: str | Path | None,
    protein_encoder: str | Path | None,
    context_length: int,
) -> BioMedGPTProcessor | None:
    """Return the processor, whose placeholders must be the two ids after the checkpoint's vocabulary."""
    if language_model is None:
        return None
    tokenizer = load_tokenizer(language_model, "language_model")
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})  # as the original did, whatever padding token there was
    protein_tokenizer = None  # ESM-2's own, which is always the same
    if protein_encoder and (has_tokenizer(protein_encoder) or not Path(protein_encoder).is_dir()):
        protein_tokenizer = load_tokenizer(protein_encoder, "protein_encoder")
    processor = BioMedGPTProcessor.from_parts(tokenizer, protein_tokenizer, max_context_length=context_length)
    rows = need(checkpoint, original_key(EMBEDDINGS)).shape[0]
    if (processor.molecule_token_id, processor.protein_token_id) != (rows, rows + 1):
        raise ConversionError(
            f"The tokenizer of {language_model} has {processor.molecule_token_id} tokens with [PAD], but the "
            f"checkpoint's vocabulary has {rows}: pass the language model that this checkpoint was made with."
        )
    return processor


def _empty_model(
    checkpoint: Checkpoint, text: LlamaConfig, protein: EsmConfig, processor: BioMedGPTProcessor | None
) -> BioMedGPTForConditionalGeneration:
    """Return the model on the meta device, with the vocabulary two rows larger than the checkpoint's."""
    rows = need(checkpoint, original_key(EMBEDDINGS)).shape[0]
    text.vocab_size = rows + 2
    text.tie_word_embeddings = bool(text.tie_word_embeddings) and original_key(HEAD) not in checkpoint.tensors
    if processor is not None:
        text.pad_token_id = processor.tokenizer.pad_token_id
    sources = ", ".join(f"{source['file']} (SHA-256 {source['sha256']})" for source in checkpoint.sources)
    config = BioMedGPTConfig(
        text_config=text,
        protein_config=protein,
        molecule_config=infer_gin_config(checkpoint, MOLECULE_SOURCE),
        molecule_token_id=rows,
        protein_token_id=rows + 1,
        protein_feature_select="full",
        training={"Trained elsewhere": f"converted from the original BioMedGPT in {sources}; see conversion.json"},
    )
    with torch.device("meta"):
        model = BioMedGPTForConditionalGeneration(config)
    model.generation_config = GenerationConfig(  # the original's chat: greedy, 256 new tokens
        do_sample=False,
        max_new_tokens=256,
        suppress_tokens=[rows, rows + 1],
        pad_token_id=config.pad_token_id,
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
    )
    return model


def _new_tensors(
    checkpoint: Checkpoint, model: BioMedGPTForConditionalGeneration, dtype: torch.dtype | None
) -> tuple[list[NewTensor], dict[str, str]]:
    """Return the tensors to write, and the reason for each of the source's that is left out."""
    expected = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del expected[HEAD]
    placed, dropped = place_tensors(
        checkpoint,
        {key: _original_shape(key, tensor) for key, tensor in expected.items()},
        original_key,
        HOMELESS,
        may_lack=re.escape(PROTEIN_FREQUENCIES) + r"|.*\.num_batches_tracked",
    )
    tensors = []
    for key in expected:
        if key == PROTEIN_FREQUENCIES:
            tensors.append(rotary_tensor(key, model.config.protein_config))
        elif key not in placed:
            tensors.append(NewTensor(key, (torch.zeros((), dtype=torch.long),), torch.long))
        else:
            stored = placed[key]
            target = (dtype or stored.dtype) if stored.dtype.is_floating_point else stored.dtype
            pieces: tuple[StoredTensor | torch.Tensor, ...] = (stored,)
            if key == EMBEDDINGS:
                pieces += (_random_rows(stored, model.config.initializer_range),)
            elif key == HEAD:
                pieces += (_mean_row(stored).expand(2, -1),)
            tensors.append(NewTensor(key, pieces, target))
    return tensors, dropped


def _added(tensors: list[NewTensor]) -> dict[str, str]:
    """Return what the source does not have: keys, or rows of them, with a description."""
    added = {}
    for tensor in tensors:
        if tensor.key in (EMBEDDINGS, HEAD):
            added[f"{tensor.key}[{tensor.pieces[0].shape[0]}:]"] = "placeholders"
        elif tensor.key == PROTEIN_FREQUENCIES:
            added[tensor.key] = "rotary frequencies, float32"
        elif isinstance(tensor.pieces[0], torch.Tensor):
            added[tensor.key] = "0: the source does not count batches"
    return added


def _original_shape(key: str, tensor: torch.Tensor) -> torch.Tensor:
    return tensor[:-2] if key in (EMBEDDINGS, HEAD) else tensor


def _random_rows(table: StoredTensor, deviation: float) -> torch.Tensor:
    """Two different rows, the same in every conversion, float32 [2, width]."""
    return torch.randn(2, table.shape[1], generator=torch.Generator().manual_seed(SEED)) * deviation


def _mean_row(table: StoredTensor) -> torch.Tensor:
    """Mean of all rows, float32 [1, width]."""
    total = torch.zeros(1, table.shape[1])
    for chunk in table.chunks():
        total += chunk.float().sum(0, keepdim=True)
    return total / table.shape[0]
