"""What becomes of TRL's trainers that do not read molecules and proteins, when they are given a BioMedGPT's processor.

They take a processor for one of images, and ask it or the configuration for what only those have. The package lets
both answer with a sentence that names the trainer. It is an AttributeError, so whoever only looks whether an attribute
is there (`hasattr`, `getattr` with a default) is told what he would be told anyway.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

NEAR = 12  # how many callers are asked for their names
PROCESSOR = "BioMedGPTProcessor"  # not the class: remote code has one of its own


class UnsupportedTrainerError(AttributeError):
    """A trainer was given a processor that it cannot use."""


def missing_attribute(owner: object, name: str) -> NoReturn:
    """Raise the AttributeError of an attribute that a processor or configuration does not have.

    Args:
        owner: the processor or configuration.
        name: of the attribute.

    Raises:
        UnsupportedTrainerError: if one of TRL's trainers asks that has our processor.
        AttributeError: otherwise.
    """
    reason = f"{type(owner).__name__!r} object has no attribute {name!r}"
    if "trl" in sys.modules and not name.startswith("__") and (trainer := _asking_trainer()):
        raise UnsupportedTrainerError(
            f"TRL's {trainer} does not train with molecules and proteins: of TRL's trainers, SFT and DPO do, as "
            "BioMedGPTSFTTrainer and BioMedGPTDPOTrainer (biomedgpt_hf.training.trainers.sft and .dpo). For text "
            f"alone, pass it processing_class=processor.tokenizer. ({reason}.)"
        )
    raise AttributeError(reason)


def _asking_trainer() -> str | None:
    """Return the name of TRL's trainer that is being made or trains among the callers, if it has our processor."""
    frame: Any = sys._getframe(2)
    for _ in range(NEAR):
        if frame is None:
            return None
        if str(frame.f_globals.get("__name__")).startswith("trl."):
            trainer = frame.f_locals.get("self")
            given = frame.f_locals.get("processing_class") or getattr(trainer, "processing_class", None)
            if type(trainer).__name__.endswith("Trainer") and type(given).__name__ == PROCESSOR:
                return type(trainer).__name__.removeprefix("_")
        frame = frame.f_back
    return None
