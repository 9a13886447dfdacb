"""Original checkpoints → folders that `from_pretrained` loads, and a BioMedGPT's language model → a plain one."""

from biomedgpt_hf.conversion.biomedgpt import convert_biomedgpt
from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.fair_esm import convert_fair_esm
from biomedgpt_hf.conversion.graphmvp import convert_graphmvp
from biomedgpt_hf.conversion.language_model import export_language_model
from biomedgpt_hf.conversion.writing import ConversionReport

__all__ = [
    "ConversionError",
    "ConversionReport",
    "convert_biomedgpt",
    "convert_fair_esm",
    "convert_graphmvp",
    "export_language_model",
]
