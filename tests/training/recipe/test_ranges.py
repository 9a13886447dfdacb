"""Numbers that no run could use are refused where they are read, each key by its own range."""

import pytest

from biomedgpt_hf.training.recipe.keys import NESTED as KEYS_BELOW
from biomedgpt_hf.training.recipe.keys import argument_keys
from biomedgpt_hf.training.recipe.ranges import RANGES
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.recipe.values import members
from biomedgpt_hf.training.trainers.trainer_kinds import TRAINERS, find_trainer

NESTED = {f"{top}.{name}": kind for top, keys in KEYS_BELOW.items() for name, kind in keys().items()}
NUMBERS = (int, float, list[int], list[float])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_key_with_a_number_has_its_range(trainer):
    """Unless the trainer refuses it, or our own key of that name is meant."""
    refused = {*find_trainer(trainer).refused, "max_length", "local_rank"}
    numeric = {
        name
        for name, annotation in {**argument_keys(trainer), **NESTED}.items()
        if any(kind in NUMBERS for kind in members(annotation)) and annotation is not bool
    }
    assert numeric - refused <= RANGES.keys(), sorted(numeric - refused - RANGES.keys())


def test_the_table_has_no_key_that_does_not_exist():
    known = {name for trainer in TRAINERS for name in argument_keys(trainer)} | NESTED.keys()
    assert RANGES.keys() <= known


def test_the_recipes_and_all_defaults_are_within_their_ranges():
    import dataclasses

    for trainer in TRAINERS:
        for field in dataclasses.fields(find_trainer(trainer).arguments_class):
            if field.name in RANGES and isinstance(field.default, int | float):
                assert field.default in RANGES[field.name], field.name


BAD = {
    "label_smoothing_factor 1.5": "0 or more and less than 1 is wanted",
    "label_smoothing_factor 1": "less than 1 is wanted",
    "adam_beta1 1.5": "0 or more and less than 1",
    "adam_beta2 1": "less than 1",
    "adam_beta2 -0.1": "0 or more",
    "adam_epsilon 0": "more than 0",
    "learning_rate 1e999": "a number is wanted",
    "learning_rate nan": "a number is wanted",
    "weight_decay -1": "0 or more",
    "warmup_steps -1": "0 or more",
    "warmup_steps 2.5": "from 1 on a whole number",
    "eval_steps 2.5": "from 1 on a whole number",
    "max_grad_norm -1": "0 or more",
    "save_total_limit 0": "1 or more is wanted, or null to keep all",
    "save_steps 0": "more than 0",
    "gradient_accumulation_steps 0": "1 or more",
    "max_steps -2": "1 or more is wanted, or null for whole epochs",
    "seed -1": "0 or more and 4,294,967,295 or less",
    "data_seed 99999999999": "4,294,967,295 or less",
    "ddp_timeout 0": "1 or more",
    "lora.r 0": "1 or more",
    "lora.lora_alpha -1": "1 or more",
    "lora.lora_dropout 1.0": "less than 1",
    "lora.layers_to_transform 0,-1": r"lora.layers_to_transform\[1\] is -1: 0 or more",
    "fsdp_config.min_num_params -1": "0 or more",
    "max_rejected 101%": "Give a number of records such as 20, or a share such as 1%",
    "max_rejected -1": "Give a number of records",
    "max_rejected many": "Give a number of records",
    "memory_budget_gib -1": "a number above 0",
    "global_batch_size 0": "a number above 0",
}


@pytest.mark.parametrize("words", BAD)
def test_a_number_out_of_its_range_is_refused_on_the_command_line_and_in_a_file(words, tmp_path):
    key, value = words.split()
    with pytest.raises(ValueError, match=BAD[words]) as error:
        read_recipe("lora_align", [f"--{key}", value])
    assert key in str(error.value) and "command line" in str(error.value) and "\n" not in str(error.value)
    top, _, rest = key.partition(".")
    value = f"[{value}]" if "," in value else value
    (tmp_path / "mine.yaml").write_text(f"{top}:\n  {rest}: {value}\n" if rest else f"{top}: {value}\n")
    with pytest.raises(ValueError, match="is wanted|give a number above 0|Give a number") as error:
        read_recipe(str(tmp_path / "mine.yaml"))
    assert key in str(error.value) and "mine.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--beta 0", "more than 0"),
        ("--label-smoothing 0.5", "0 or more and less than 0.5"),
        ("--ld-alpha 1.5", "0 or more and 1 or less"),
        ("--loss-weights 1,-1", r"loss_weights\[1\] is -1: 0 or more"),
        ("--discopop-tau 0", "more than 0"),
    ],
)
def test_trls_numbers_have_ranges_too(words, said):
    with pytest.raises(ValueError, match=said):
        read_recipe("dpo", words.split())


def test_numbers_inside_a_mapping_are_named_by_their_place(tmp_path):
    (tmp_path / "mine.yaml").write_text("lora:\n  rank_pattern:\n    q_proj: 0\n")
    with pytest.raises(ValueError, match="lora.rank_pattern.q_proj is 0: 1 or more is wanted"):
        read_recipe(str(tmp_path / "mine.yaml"))


def test_what_is_within_a_range_stays_as_it_is():
    words = "--adam-beta1 0 --adam-beta2 0.999 --warmup-steps 0.5 --eval-steps 0.25 --save-total-limit 1 --max-steps -1"
    words += " --eval-strategy steps"
    arguments = read_recipe("mini", [*words.split(), "--max-rejected", "100%", "--learning-rate", "0"]).arguments
    assert (arguments["adam_beta1"], arguments["eval_steps"], arguments["max_steps"]) == (0, 0.25, -1)
