"""The one list of modalities: what a prompt may hold besides text. Everything that treats them alike loops over it.

A modality has a record here and two halves that go with every checkpoint and therefore import nothing from here: a
reader of its items (`processors/item_readers.py`) and an encoder of them (`modeling/modality_encoders.py`). They are
known by the same name; `biomedgpt_hf.register_modality` adds all three.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Modality:
    """What everything outside the model and its processor knows of a modality.

    Attributes:
        name: "molecule"; blocks of a conversation have it as their type.
        column: "molecules": column of rows, argument of the processor and of `ask` and `predict`.
        placeholder: token of the prompt that stands for one unit of an item, such as `<moleculeHere>`.
        unit: what one placeholder stands for, such as "atom".
        notation: how an item is written, in words for messages: "SMILES or InChI".
        item_type: how `datasets` keeps an item: the name of a value type, or "list[…]" of one, such as "list[float32]".
    """

    name: str
    column: str
    placeholder: str
    unit: str
    notation: str
    item_type: str = "string"

    @property
    def items_are_lists(self) -> bool:
        """Whether an item is itself a list, such as the values of a cell's genes."""
        return self.item_type.startswith("list[")

    @property
    def value_type(self) -> str:
        """The type of an item, or of the values that it is a list of: "string", "float32"."""
        return self.item_type.removeprefix("list[").removesuffix("]")

    @property
    def items_are_texts(self) -> bool:
        """Whether an item is a text, such as a SMILES."""
        return self.item_type == "string"

    @property
    def encoder(self) -> str:
        """Name of its encoder in the model."""
        return f"{self.name}_encoder"

    @property
    def projector(self) -> str:
        """Name of its projector in the model."""
        return f"{self.name}_projector"

    @property
    def token_id(self) -> str:
        """Name of its placeholder's id in the model's configuration."""
        return f"{self.name}_token_id"


MOLECULE = Modality("molecule", "molecules", "<moleculeHere>", unit="atom", notation="SMILES or InChI")
PROTEIN = Modality("protein", "proteins", "<proteinHere>", unit="residue", notation="amino-acid sequence")
# In the order in which everything loops over them. `register_modality` adds to it.
MODALITIES: dict[str, Modality] = {modality.name: modality for modality in (MOLECULE, PROTEIN)}


def item_columns() -> dict[str, str]:
    """Return the column of rows that holds the items of each modality, by the modality's name."""
    return {modality.name: modality.column for modality in MODALITIES.values()}


class KnowingModalities(Generic[Argument, Result]):
    """A function for worker processes: where it arrives, the modalities that were registered here are known too.

    Args:
        function: picklable, of one argument.
    """

    def __init__(self, function: Callable[[Argument], Result]) -> None:
        self._function, self._modalities = function, dict(MODALITIES)

    def __call__(self, argument: Argument) -> Result:
        """Call the function."""
        return self._function(argument)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Register what is not known in this process, when the function is unpickled."""
        self.__dict__.update(state)
        for name, modality in self._modalities.items():
            MODALITIES.setdefault(name, modality)
