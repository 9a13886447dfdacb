"""A new checkpoint out of separate parts: what `biomedgpt init` does."""

from pathlib import Path
from typing import Any

from .checkpoints import find_config
from .modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration
from .processors.processing_biomedgpt import BioMedGPTProcessor
from .processors.processor_agreement import protein_positions

MAX_PROTEIN_LENGTH = 1024  # ESM-2's training length in tokens (Lin et al., 2022), and the original's limit


def assemble(
    language_model: str,
    protein_encoder: str,
    molecule_encoder: str,
    output: Path,
    chat_template: str = "paper",
    molecule_features: str | None = None,
    **settings: Any,
) -> None:
    """Join parts by new, untrained projectors and save model and processor in one folder.

    Args:
        language_model: folder or Hub id; its tokenizer gets two placeholders.
        protein_encoder: folder or Hub id, with its tokenizer.
        molecule_encoder: folder or Hub id, or "random" for a new GIN.
        output: folder to write; it must not exist, or be empty.
        chat_template: "paper", "language-model" for its own, or a file.
        molecule_features: what a new GIN reads, "graphmvp" by default; a trained one tells it itself.
        settings: other arguments of `BioMedGPTProcessor`.

    Raises:
        FileExistsError: if the folder holds something.
        OSError: naming the part, if one cannot be found.
        ValueError: if the parts do not fit together.
    """
    if output.exists() and (output.is_file() or any(output.iterdir())):
        raise FileExistsError(f"{output} already exists: remove it or choose another folder.")
    if molecule_encoder != "random":
        molecule_features = getattr(find_config(molecule_encoder), "feature_set", molecule_features)
    positions = protein_positions(find_config(protein_encoder))
    processor = BioMedGPTProcessor.from_parts(
        language_model,
        protein_encoder,
        chat_template,
        molecule_features=molecule_features or "graphmvp",
        max_protein_length=min(MAX_PROTEIN_LENGTH, positions or MAX_PROTEIN_LENGTH),
        max_context_length=getattr(find_config(language_model), "max_position_embeddings", None),
        **settings,
    )
    model = BioMedGPTForConditionalGeneration.from_encoders(
        language_model, protein_encoder, molecule_encoder, processor=processor
    )
    processor.check_model(model.config)
    model.save_pretrained(output)
    processor.save_pretrained(output)
