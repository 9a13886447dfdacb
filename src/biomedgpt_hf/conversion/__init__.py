"""Original checkpoints → folders that `from_pretrained` loads, and a BioMedGPT's language model → a plain one."""

from .biomedgpt import convert_biomedgpt
from .errors import ConversionError
from .fair_esm import convert_fair_esm
from .graphmvp import convert_graphmvp
from .language_model import export_language_model
from .writing import ConversionReport

__all__ = [
    "ConversionError",
    "ConversionReport",
    "convert_biomedgpt",
    "convert_fair_esm",
    "convert_graphmvp",
    "export_language_model",
]
