"""Small models whose outputs depend on their inputs, and batches for them."""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # these tests, and the processes that they start, import tiny_models

from tiny_models import Sample, collate, make_sample, tiny_model  # noqa: E402

from biomedgpt_hf import BioMedGPTForConditionalGeneration, GINConfig, GINModel  # noqa: E402


@pytest.fixture(scope="session")
def shared_model() -> BioMedGPTForConditionalGeneration:
    """A model in evaluation mode, made once. Its answers must hang on the items, else tests prove little."""
    model = tiny_model()
    with torch.no_grad():
        for kind in ({"molecules": 1, "proteins": 0}, {"molecules": 0, "proteins": 1}):
            ours, other = make_sample(**kind, seed=1), make_sample(**kind, seed=1, item_seed=2)
            assert ours.input_ids == other.input_ids
            logits, others = model(**collate([ours])).logits[0, -1, :-2], model(**collate([other])).logits[0, -1, :-2]
            assert 0.5 < logits.std() < 50
            assert (logits - others).abs().max() > 0.5 * logits.std()
    return model


@pytest.fixture
def model(shared_model: BioMedGPTForConditionalGeneration) -> BioMedGPTForConditionalGeneration:
    """A copy of the model, for tests to change."""
    return copy.deepcopy(shared_model)


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """Two molecules; one protein; text only; one molecule and two proteins."""
    return [make_sample(2, 0, 1), make_sample(0, 1, 2), make_sample(0, 0, 3), make_sample(1, 2, 4)]


@pytest.fixture
def batch(samples: list[Sample]) -> dict[str, torch.Tensor]:
    """All samples, padded on the left."""
    return collate(samples)


@pytest.fixture
def training_batch(samples: list[Sample]) -> dict[str, torch.Tensor]:
    """All samples, padded on the right, with labels on each sample's last tokens."""
    return collate(samples, side="right", labels=3)


@pytest.fixture
def gin() -> GINModel:
    """A GIN in evaluation mode with running statistics that are not trivial."""
    torch.manual_seed(0)
    model = GINModel(GINConfig(hidden_size=16, num_hidden_layers=3)).eval()
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    return model


@pytest.fixture
def count_encoder_calls() -> Callable[..., Iterator[dict[str, list[int]]]]:
    """A context in which each encoder call appends how many items (atoms, proteins) it got."""

    @contextmanager
    def counting(model: BioMedGPTForConditionalGeneration) -> Iterator[dict[str, list[int]]]:
        calls: dict[str, list[int]] = {"molecule": [], "protein": []}
        encoders = {"molecule": model.model.molecule_encoder, "protein": model.model.protein_encoder}

        def note(modality: str) -> Callable[..., None]:
            return lambda module, args, kwargs: calls[modality].append(len(args[0] if args else kwargs["input_ids"]))

        hooks = [
            encoder.register_forward_pre_hook(note(modality), with_kwargs=True)
            for modality, encoder in encoders.items()
        ]
        yield calls
        for hook in hooks:
            hook.remove()

    return counting
