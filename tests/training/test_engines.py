"""One process, DDP and FSDP2 train to the same weights, whatever the processes hold."""

import shutil
from pathlib import Path

import pytest
import torch
from trainings import largest_difference, logged

SAME = 2e-6  # fp32, after 6 steps
ALIGNED = ["molecule_encoder", "molecule_projector", "protein_encoder", "protein_projector"]
APART = {"kinds": "apart", "by_length": False, "arguments": {"train_sampling_strategy": "sequential"}, "steps": 4}


@pytest.fixture(scope="module")
def alone(train, tmp_path_factory):
    """One process, with two batches in each step."""
    return train(tmp_path_factory.mktemp("alone"), accumulate=2, rate=1e-3, evaluate=True)


# 1 and 2: FSDP2 is real, since tiny_run.py asserts DTensors; the engines agree.


@pytest.mark.fault
def test_fsdp_shards_and_agrees_with_one_process(alone, train, tmp_path):
    sharded = train(tmp_path, engine="fsdp", rate=1e-3, evaluate=True)
    assert largest_difference(alone, sharded) <= SAME
    for name, value in alone.said["metrics"].items():
        if "loss" in name:
            assert sharded.said["metrics"][name] == pytest.approx(value, abs=1e-5)


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_engines_agree_with_and_without_accumulation(train, tmp_path, engine: str, accumulate: int, seed: int):
    options = {"rate": 1e-3, "seed": seed, "rows": 40}
    one = train(tmp_path / "one", accumulate=2 * accumulate, **options)
    other = train(tmp_path / "other", engine=engine, accumulate=accumulate, **options)
    assert one.said["step"] == other.said["step"] == 6
    assert largest_difference(one, other) <= SAME


@pytest.mark.slow
@pytest.mark.fault
def test_fsdp_agrees_where_gradients_are_reduced_for_each_batch(alone, train, tmp_path):
    """As a recipe has it; `alone` has two batches in a step, and so has each of the two processes here."""
    reduced = {"accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}}, "batch": 1}
    sharded = train(tmp_path, engine="fsdp", accumulate=2, rate=1e-3, **reduced)
    assert sharded.said["step"] == alone.said["step"] == 6
    assert largest_difference(alone, sharded) <= SAME


@pytest.mark.fault
@pytest.mark.slow
def test_ddp_was_not_taken_for_fsdp(train, tmp_path):
    """Without the shim that shards on CPUs, asking for FSDP is refused: accelerate would run DDP."""
    run = train(tmp_path, engine="fsdp", shim=False, fails=True)
    assert "accelerate shards on GPUs only and would run DDP in its place" in run.printed


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_a_beginning_that_is_read_once_changes_nothing_on_any_engine(train, tmp_path, engine: str):
    """FSDP2 reads whole rows, since no process has all of a frozen language model; DDP reads the beginning once."""
    options = {"rate": 1e-3, "trainable": ALIGNED, "prompt": list(range(20, 31))}
    plain = train(tmp_path / "plain", accumulate=2, constant_prefix=False, **options)
    other = train(tmp_path / "other", engine=engine, **options)
    assert largest_difference(plain, other) <= SAME


# 3: no process waits for ever.


@pytest.mark.fault
def test_a_process_that_lacks_items_does_not_hang(train, tmp_path):
    train(tmp_path, engine="fsdp", generate=True, evaluate=True, **APART)


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "checkpointing"),
    [("ddp", "none"), ("ddp", "Trainer's"), ("fsdp", "none"), ("fsdp", "Trainer's"), ("fsdp", "FSDP's")],
)
def test_nor_does_it_with_checkpointed_layers_or_where_evaluation_comes_first(train, tmp_path, engine, checkpointing):
    options = {"checkpointing": checkpointing == "Trainer's"}
    if checkpointing == "FSDP's":
        options["fsdp_config"] = {"activation_checkpointing": True}
    train(tmp_path, engine=engine, generate=True, evaluate=True, evaluate_first=True, **options, **APART)


@pytest.mark.fault
def test_without_dummies_the_same_training_fails(train, tmp_path):
    """The control: what is tested above is tested."""
    run = train(tmp_path, engine="fsdp", fault={"do": "no dummies"}, timeout=20, fails=None, limit=100, **APART)
    assert run.code and not (tmp_path / "weights.safetensors").exists()


# 4: a training goes on as if nothing had happened, here or elsewhere.


THIRD = {"save_steps": 3, "logging_steps": 2}


@pytest.fixture(scope="module")
def runs(train, tmp_path_factory):
    """Trainings of 6 steps that log every second one, with a checkpoint at step 3, by engine; made when asked for."""
    made = {}

    def get(engine: str, sharded: bool = False):
        if (engine, sharded) not in made:
            options = {"accumulate": 2} if engine == "alone" else {}
            folder = tmp_path_factory.mktemp("run")
            made[engine, sharded] = train(folder, engine=engine, sharded=sharded, **THIRD, **options)
        return made[engine, sharded]

    return get


def begin_from(folder: Path, run) -> Path:
    """A folder that a run was killed in, after its third step."""
    shutil.copytree(run.folder / "checkpoint-3", folder / "checkpoint-3")
    return folder


@pytest.mark.fault
@pytest.mark.parametrize(
    ("engine", "sharded"), [("alone", False), pytest.param("ddp", False, marks=pytest.mark.slow), ("fsdp", True)]
)
def test_a_resumed_training_ends_bit_by_bit_as_the_uninterrupted_one(runs, train, tmp_path, engine, sharded):
    whole = runs(engine, sharded)
    options = {"accumulate": 2} if engine == "alone" else {}
    resumed = train(begin_from(tmp_path, whole), engine=engine, sharded=sharded, **THIRD, **options)
    assert logged(resumed.said["history"]) == logged(whole.said["history"])
    assert [entry["step"] for entry in logged(resumed.said["history"])] == [2, 4, 6, 6]  # the last one is of the end
    assert resumed.said["step"] == 6 and largest_difference(whole, resumed) == 0


@pytest.mark.fault
@pytest.mark.slow
def test_a_resumed_full_fsdp_training_ends_bit_by_bit_as_the_uninterrupted_one(runs, train, tmp_path):
    whole = runs("fsdp")
    resumed = train(begin_from(tmp_path, whole), engine="fsdp", **THIRD)
    assert largest_difference(whole, resumed) == 0 and logged(resumed.said["history"]) == logged(whole.said["history"])


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "sharded", "then"),
    [
        ("fsdp", True, "alone"),
        ("fsdp", False, "alone"),
        ("ddp", False, "alone"),
        ("fsdp", True, "ddp"),
        ("alone", False, "fsdp"),
    ],
)
def test_a_training_goes_on_with_another_engine_and_another_number_of_processes(
    runs, train, tmp_path, first, sharded, then
):
    whole = runs(first, sharded)
    resumed = train(begin_from(tmp_path, whole), engine=then, accumulate=2 if then == "alone" else 1, **THIRD)
    assert resumed.said["step"] == 6 and largest_difference(whole, resumed) <= 1e-5
    for entry, expected in zip(logged(resumed.said["history"]), logged(whole.said["history"]), strict=True):
        assert entry == pytest.approx(expected, rel=1e-3)


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "sharded"),
    [({"language_model": "qwen2"}, False), ({"lora": True}, False), ({"lora": True}, True)],
    ids=["tied embeddings", "adapters", "adapters in pieces"],
)
def test_tied_embeddings_and_adapters_go_on_bit_by_bit_too(train, tmp_path, options, sharded):
    options = {**options, "engine": "fsdp", "sharded": sharded, "save_steps": 3}
    whole = train(tmp_path / "whole", **options)
    assert largest_difference(whole, train(begin_from(tmp_path / "resumed", whole), **options)) == 0


@pytest.mark.fault
@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("ddp", {"idle": "all-linear"}),
        pytest.param("alone", {"idle": "all"}, marks=pytest.mark.slow),
        pytest.param("ddp", {"idle": "all", "checkpointing": True}, marks=pytest.mark.slow),
        pytest.param("fsdp", {"idle": "all"}, marks=pytest.mark.slow),
        pytest.param("fsdp", {"idle": "all", "sharded": True}, marks=pytest.mark.slow),
        pytest.param("fsdp", {"idle": "all-linear", "sharded": True}, marks=pytest.mark.slow),
    ],
)
def test_what_never_gets_a_gradient_neither_stops_a_training_nor_keeps_it_from_going_on(
    train, tmp_path, engine, options
):
    whole = train(tmp_path / "whole", engine=engine, save_steps=3, **options)
    resumed = train(begin_from(tmp_path / "resumed", whole), engine=engine, save_steps=3, **options)
    assert resumed.said["step"] == 6 and largest_difference(whole, resumed) == 0
    idle = {name: tensor for name, tensor in resumed.weights.items() if "idle" in name or "contact_head" in name}
    assert idle and all(torch.equal(tensor, whole.weights[name]) for name, tensor in idle.items())
