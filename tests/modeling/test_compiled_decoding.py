"""Decoding steps compiled over a static cache: the same tokens, and one compilation per shape."""

import shutil

import pytest
import torch
from tiny_models import collate, make_sample, new_tokens
from torch._dynamo.utils import counters
from transformers.generation import CompileConfig

BATCHES = {
    "a molecule": [make_sample(2, 0, 1)],
    "a protein": [make_sample(0, 1, 2)],
    "text": [make_sample(0, 0, 3)],
    "two": [make_sample(2, 0, 1), make_sample(0, 1, 2)],
    "four": [make_sample(2, 0, 1), make_sample(0, 1, 2), make_sample(0, 0, 3), make_sample(1, 2, 4)],
}


def compiled(backend: str, **options) -> dict:
    compilation = CompileConfig(fullgraph=True, backend=backend, dynamic=False)
    compilation._compile_all_devices = True  # transformers compiles on GPUs by itself, and on a CPU only if told to
    return {"cache_implementation": "static", "compile_config": compilation, **options}


@pytest.fixture
def counted():
    """Counts the graphs that are compiled in a test, from none."""
    torch._dynamo.reset()
    counters.clear()
    yield lambda: counters["stats"]["unique_graphs"]
    torch._dynamo.reset()


def test_decoding_steps_compile_without_a_graph_break(model, counted):
    batch = collate(BATCHES["four"])
    assert new_tokens(model, batch, **compiled("aot_eager")) == new_tokens(model, batch)
    assert counted() == 1
    assert not counters["graph_break"]


def test_steps_compile_once_for_a_shape_whatever_the_items(model, counted):
    """The cache is kept as long as it is large enough, so the largest goes first."""
    for name, samples in sorted(BATCHES.items(), key=lambda pair: -collate(pair[1])["input_ids"].shape[1]):
        batch = collate(samples)
        for steps in (12, 5):
            expected = new_tokens(model, batch, max_new_tokens=steps)
            assert new_tokens(model, batch, **compiled("aot_eager", max_new_tokens=steps)) == expected, name
    assert counted() <= 1 + len(BATCHES)


def test_a_second_answer_compiles_nothing(model, counted):
    batch, other = (collate([make_sample(2, 0, 1, item_seed=seed)]) for seed in (1, 2))
    answers = [new_tokens(model, one, **compiled("aot_eager")) for one in (batch, other)]
    assert answers == [new_tokens(model, one) for one in (batch, other)]
    assert counted() == 1


def test_encoders_run_once_and_outside_the_compiled_steps(model, counted, count_encoder_calls):
    batch = collate(BATCHES["four"])
    with count_encoder_calls(model) as calls:
        new_tokens(model, batch, **compiled("aot_eager"))
    assert {modality: len(sizes) for modality, sizes in calls.items()} == {"molecule": 1, "protein": 1}


def test_a_cpu_compiles_nothing_unless_told(model, counted):
    new_tokens(model, collate(BATCHES["two"]), cache_implementation="static")
    assert counted() == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.parametrize("name", BATCHES)
def test_machine_code_says_the_same(model, counted, name: str):
    batch = collate(BATCHES[name])
    for _ in range(2):
        assert new_tokens(model, batch, **compiled("inductor", max_new_tokens=12)) == new_tokens(
            model, batch, max_new_tokens=12
        )
    assert counted() == 1
