"""What the tests of trainings share: where their scripts are, and a training that has ended."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file

FOLDER = Path(__file__).resolve().parent
MODELS = FOLDER.parent / "modeling"
ENGINES = {"alone": 1, "ddp": 2, "fsdp": 2}  # processes of each
OUTER_LIMIT = 150  # seconds; an elastic restart over gloo was seen to hang


class Run(NamedTuple):
    """A training that has ended: its exit code, what it printed, and its folder."""

    code: int
    printed: str
    folder: Path

    @property
    def said(self) -> dict[str, Any]:
        return json.loads((self.folder / "said.json").read_text())

    @property
    def weights(self) -> dict[str, Any]:
        return load_file(self.folder / "weights.safetensors")

    @property
    def checkpoints(self) -> list[str]:
        """Names of the checkpoints that are complete."""
        return sorted(path.parent.name for path in self.folder.glob("checkpoint-*/complete.json"))


def logged(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """A training's log without what depends on the clock and the machine."""
    clock = ("_per_second", "runtime", "memory_gib")
    return [{name: value for name, value in entry.items() if not name.endswith(clock)} for entry in history]


def largest_difference(one: Run, other: Run) -> float:
    """The largest absolute difference between two trainings' weights."""
    ours, theirs = one.weights, other.weights
    assert ours.keys() == theirs.keys()
    return max((ours[name].double() - theirs[name].double()).abs().max().item() for name in ours)
