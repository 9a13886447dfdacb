"""Talk with molecules and proteins: BioMedGPT as a Hugging Face model.

Importing this package registers its classes with transformers' Auto classes. That is all it does, and not even that
where BIOMEDGPT_REGISTER=later is set, as by the command line, whose `--help` has no use for torch. What other packages
print while they are imported for that is left out.
"""

import logging
import os
import re
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from biomedgpt_hf.public_names import find_name

_HOMES = {
    "BioMedGPTConfig": "modeling.configuration_biomedgpt",
    "GINConfig": "modeling.configuration_biomedgpt",
    "GINModel": "modeling.modeling_gin",
    "BioMedGPTModel": "modeling.modeling_biomedgpt",
    "BioMedGPTForConditionalGeneration": "modeling.modeling_biomedgpt",
    "BioMedGPTProcessor": "processors.processing_biomedgpt",
    "InvalidProteinError": "processors.processing_biomedgpt",
    "InvalidMoleculeError": "processors.molecular_graph",
    "smiles_to_graph": "processors.molecular_graph",
    "BioMedGPTDataCollator": "batches.collator",
    "BioMedGPTTrainer": "training.trainers.supervised",
    "ask": "inference.chat",
    "predict": "inference.prediction.in_memory",
    "read_molecules": "files.items",
    "read_proteins": "files.items",
    "embed": "inference.embedding.in_memory",
    "mini_checkpoint": "mini",
    "register_modality": "registration",
    "Modality": "modalities",
    "ItemReader": "processors.item_readers",
    "ModalityEncoder": "modeling.modality_encoders",
}
__all__ = [*_HOMES]
# What others tell while they are imported, and nobody who uses this package can do anything about: transformers imports
# torchao and bitsandbytes, if installed, which have parts that do not fit this machine. Loggers, and their messages.
_NOISE = {
    "torchao": re.compile(r"Failed to load .*|Skipping import of cpp extensions.*", re.DOTALL),
    "torch.utils._pytree": re.compile(r".*is an Enum subclass and is now natively supported.*", re.DOTALL),
    "bitsandbytes.backends.cpu.ops": re.compile(r"Failed to load CPU .*", re.DOTALL),
}


def __getattr__(name: str) -> Any:
    """Public names, and parts of the package such as `biomedgpt_hf.conversion`, imported when first asked for."""
    if name == "__version__":
        return version("biomedgpt-hf")
    if name not in _HOMES and not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        return import_module(f".{name}", __name__)
    return find_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def register_auto_classes() -> None:
    """Make the Auto classes know this package's types, and saved checkpoints carry their code and a model card."""
    import transformers as t

    from biomedgpt_hf.checkpoints import explain_processor, inspect_checkpoint
    from biomedgpt_hf.checkpoints.foreign_trainers import missing_attribute
    from biomedgpt_hf.joining import from_encoders
    from biomedgpt_hf.modeling import saving_biomedgpt
    from biomedgpt_hf.modeling.configuration_biomedgpt import BioMedGPTConfig, GINConfig
    from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration, BioMedGPTModel
    from biomedgpt_hf.modeling.modeling_gin import GINModel
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor
    from biomedgpt_hf.publishing.models import ModelPublisher, copies_of

    t.AutoConfig.register(BioMedGPTConfig.model_type, BioMedGPTConfig, exist_ok=True)
    t.AutoModel.register(BioMedGPTConfig, BioMedGPTModel, exist_ok=True)
    for auto_class in (t.AutoModelForCausalLM, t.AutoModelForMultimodalLM):
        auto_class.register(BioMedGPTConfig, BioMedGPTForConditionalGeneration, exist_ok=True)
    t.AutoProcessor.register(BioMedGPTConfig, BioMedGPTProcessor, exist_ok=True)

    for config_class in (BioMedGPTConfig, GINConfig):
        config_class.register_for_auto_class()
    for model_class in (BioMedGPTModel, GINModel):
        model_class.register_for_auto_class("AutoModel")
    BioMedGPTForConditionalGeneration.register_for_auto_class("AutoModelForMultimodalLM")
    BioMedGPTProcessor.register_for_auto_class()
    for module in copies_of(saving_biomedgpt):
        module.SelfContainedCheckpointMixin.publisher = ModelPublisher()
        module.SelfContainedCheckpointMixin.inspector = staticmethod(inspect_checkpoint)
    BioMedGPTForConditionalGeneration.from_encoders = classmethod(from_encoders)
    BioMedGPTProcessor.explain = staticmethod(explain_processor)
    for asked in (BioMedGPTConfig, BioMedGPTProcessor):  # by trainers that take items for images
        asked.__getattr__ = missing_attribute


def _is_no_noise(record: logging.LogRecord) -> bool:
    """Tell whether a message is to be seen; a filter of the loggers in `_NOISE`."""
    return _NOISE[record.name].fullmatch(record.getMessage()) is None


for _name in _NOISE:
    logging.getLogger(_name).addFilter(_is_no_noise)
if os.environ.get("BIOMEDGPT_REGISTER") != "later":
    register_auto_classes()
