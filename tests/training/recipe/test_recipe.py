"""Recipes: what they say, what a command line changes, and how a mistake in either is told."""

import dataclasses
import os
from pathlib import Path

import pytest
import yaml
from transformers import TrainingArguments

from biomedgpt_hf.training.recipe.files import FOLDER, copy_file, launcher_names, summary
from biomedgpt_hf.training.recipe.keys import FSDP_KEYS, argument_keys, lora_keys, our_keys
from biomedgpt_hf.training.recipe.recipe import read_recipe, recipe_names
from biomedgpt_hf.training.recipe.settings import Settings

NAMES = [
    "align", "align_chat_lm", "biomedical_qa", "chebi20", "dpo", "lora_align", "lora_biomedical_qa", "lora_chebi20",
    "mini", "qlora_24gb", "sft",
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def required(tmp_path):
    return ["--model", "mini", "--train-data", "rows", "--output-dir", str(tmp_path / "run")]


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "mine.yaml"
        file.write_text(text)
        return str(file)

    return write


# The package's recipes.


def test_the_recipes_are_these():
    assert recipe_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_opens_with_its_command_and_can_be_run_on_one_process(name, required):
    text = (FOLDER / f"{name}.yaml").read_text("utf-8")
    command = text.split("\n#\n")[0]
    assert f"train {name} " in command and "--output-dir" in command and summary(name).endswith(".")
    assert all(f"# {word} " in text or f"# {word}," in text for word in ("Model", "Data"))
    arguments = read_recipe(name, required).training_arguments()
    assert (arguments.bf16, arguments.fsdp, arguments.remove_unused_columns) == (False, None, False)
    assert arguments.accelerator_config.dispatch_batches is False
    assert arguments.report_to == ["tensorboard"]


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_reaches_its_global_batch_on_one_to_eight_gpus(name):
    recipe = read_recipe(name)
    for processes in (1, 2, 4, 8):
        arguments, _ = recipe.adapted(processes, on_cpu=False)
        rows = arguments["per_device_train_batch_size"] * arguments.get("gradient_accumulation_steps", 1) * processes
        assert rows == (recipe.settings.global_batch_size or 16 * processes)


def test_recipes_say_what_the_paper_says():
    chebi20, qa = read_recipe("chebi20"), read_recipe("biomedical_qa")  # §4.2 and §4.1
    assert (chebi20.arguments["num_train_epochs"], chebi20.arguments["learning_rate"]) == (50, 7e-5)
    assert chebi20.settings.global_batch_size == 24 and "language_model" not in chebi20.settings.trainable
    assert (qa.arguments["num_train_epochs"], qa.arguments["learning_rate"]) == (3, 2e-5)
    assert qa.settings.global_batch_size == 512 and qa.settings.trainable == ["language_model"]
    encoders = ["molecule_encoder", "molecule_projector", "protein_encoder", "protein_projector"]  # §3.2
    assert read_recipe("align").settings.trainable == encoders


def test_both_alignments_differ_in_nothing_but_their_model():
    ours, chat = (read_recipe(name) for name in ("align", "align_chat_lm"))
    assert (ours.settings, ours.arguments) == (chat.settings, chat.arguments)


@pytest.mark.parametrize("name", ["accelerate/ddp", "accelerate/fsdp2", "accelerate/fsdp2_multi_node"])
def test_files_for_accelerate_are_such_as_it_reads(name):
    from accelerate.commands.config.config_args import ClusterConfig

    assert name in launcher_names()
    assert f"--config_file {name.split('/')[1]}.yaml" in (FOLDER / f"{name}.yaml").read_text()
    config = ClusterConfig.from_yaml_file(FOLDER / f"{name}.yaml")
    assert config.num_processes % 8 == 0 and config.mixed_precision == "bf16"
    assert config.fsdp_config.get("fsdp_version") == (2 if "fsdp" in name else None)


def test_a_copied_recipe_is_a_recipe_and_overwrites_nothing(tmp_path):
    assert read_recipe(str(copy_file("mini", tmp_path / "mine.yaml"))).settings == read_recipe("mini").settings
    with pytest.raises(FileExistsError, match="mine.yaml exists"):
        copy_file("align", tmp_path / "mine.yaml")
    assert (tmp_path / "mine.yaml").read_text() == (FOLDER / "mini.yaml").read_text()


# Keys.


def test_no_key_belongs_to_two():
    assert not our_keys().keys() & argument_keys().keys()
    assert not {"lora", "fsdp_config"} & lora_keys().keys()


def test_fsdp_keys_are_those_that_transformers_reads():
    from inspect import getsource

    source = getsource(TrainingArguments._process_fsdp_args)
    assert all(f'"{key}"' in source for key in FSDP_KEYS)


def test_the_command_line_may_spell_keys_in_every_usual_way(required):
    words = [
        *("--learning-rate", "1e-4", "--weight_decay=0.01", "--max-steps", "-1", "--logging-first-step"),
        *("--lora.r", "4", "--lora-alpha=8", "--modules-to-save", "molecule_projector,protein_projector"),
        *("--fsdp_config.state_dict_type", "SHARDED_STATE_DICT", "--run-name", "7", "--eval-strategy", "no"),
        *("--train-data", "more", "--eval-data", "a", "b", "--report-to", "none", "--max-rejected", "3"),
    ]
    recipe = read_recipe("lora_align", [*required, *words])
    arguments = recipe.arguments
    assert (arguments["learning_rate"], arguments["weight_decay"], arguments["max_steps"]) == (1e-4, 0.01, -1)
    assert (arguments["logging_first_step"], arguments["run_name"]) == (True, "7")
    assert (arguments["eval_strategy"], arguments["report_to"]) == ("no", "none")
    assert arguments["fsdp_config"]["state_dict_type"] == "SHARDED_STATE_DICT"
    lora = recipe.settings.lora
    assert (lora["r"], lora["lora_alpha"], lora["lora_dropout"]) == (4, 8, 0.05)
    assert lora["modules_to_save"] == ["molecule_projector", "protein_projector"]
    assert lora["target_modules"] == r".*language_model\..*\.(q_proj|v_proj)"
    assert (recipe.settings.train_data, recipe.settings.eval_data) == (["rows", "more"], ["a", "b"])
    assert recipe.settings.max_rejected == "3"


def test_a_pattern_with_commas_in_brackets_is_no_list():
    recipe = read_recipe("lora_align", ["--target-modules", r".*(q|v){1,2}_proj"])
    assert recipe.settings.lora["target_modules"] == r".*(q|v){1,2}_proj"


def test_null_turns_a_value_off(required):
    recipe = read_recipe("lora_align", [*required, "--lora", "null", "--max-length", "null", "--warmup-steps", "null"])
    assert recipe.settings.lora is None and recipe.settings.max_length is None
    assert len(recipe.settings.trainable) == 4
    assert recipe.training_arguments().warmup_steps == 0


def test_a_file_of_ones_own_is_read_as_yaml_1_2(write):
    recipe = read_recipe(write("learning_rate: 1e-4\nsave_strategy: no\ntrain_data: rows\nlora:\n  r: 4\nbf16: true\n"))
    assert recipe.name == "mine"
    assert (recipe.arguments["learning_rate"], recipe.arguments["save_strategy"]) == (1e-4, "no")
    assert recipe.settings.train_data == ["rows"]
    assert recipe.settings.trainable == []


BAD_FILES = {
    "a key that does not exist": ("learning_rat: 1", "'learning_rat': did you mean 'learning_rate'"),
    "a key of LoRA's outside lora": ("r: 8", "no key 'r'"),
    "a key that LoRA does not have": ("lora:\n  rank: 8", "lora has no key 'rank'"),
    "a key that FSDP passes over": ("fsdp_config:\n  state_dict: FULL", "did you mean 'state_dict_type'"),
    "a value of FSDP's that is none": (
        "fsdp_config:\n  state_dict_type: FULL",
        "state_dict_type is 'FULL': one of FULL_",
    ),
    "a word for a number": ("learning_rate: fast", "learning_rate is 'fast': a number is wanted"),
    "a number for a switch": ("bf16: 1", "bf16 is 1: true or false is wanted"),
    "a share for a whole number": ("max_steps: 1.5", "max_steps is 1.5: a whole number is wanted"),
    "a number that is none": ("learning_rate: .nan", "learning_rate is '.nan': a number is wanted"),
    "a choice that does not exist": ("lr_scheduler_type: cosin", "'cosin': one of linear, cosine,"),
    "a choice of ours that does not exist": ("quantization: int4", "quantization is 'int4': nf4 is wanted"),
    "no end of steps": ("max_steps: 0", "max_steps is 0: 1 or more is wanted, or null for whole epochs"),
    "no epoch": ("num_train_epochs: 0", "num_train_epochs is 0: more than 0 is wanted"),
    "an evaluation before the first step": ("eval_steps: -1", "eval_steps is -1: more than 0 is wanted"),
    "fewer than no workers": ("dataloader_num_workers: -1", "dataloader_num_workers is -1: 0 or more is wanted"),
    "a batch of nothing": ("per_device_train_batch_size: 0", "per_device_train_batch_size is 0: 1 or more"),
    "a part that does not exist": ("trainable: [molecule]", "trainable has 'molecule', which is no part"),
    "parts beside lora": ("trainable: [protein_projector]\nlora:\n  r: 8", "modules_to_save"),
    "four-bit weights that train": ("quantization: nf4\ntrainable: [language_model]", "cannot be trained"),
    "encoders of a language model alone": (
        "language_model_only: true\ntrainable: [protein_encoder]",
        "without encoders",
    ),
    "rows and tokens of a batch": ("global_batch_size: 8\nmax_tokens_per_batch: 99", "no fixed number of rows"),
    "tokens of random batches": ("max_tokens_per_batch: 99\nbatching: random", "only batches by length"),
    "two layouts of a batch": ("packing: true\nshare_prefix: true", "each lays out the batch"),
    "no length": ("max_length: 0", "max_length is 0: give a number above 0"),
    "a key twice": ("bf16: true\nbf16: false", "'bf16' stands again on line 2"),
    "a list": ("- bf16", "holds no keys"),
    "no YAML": ("a: [1", "cannot be read as YAML"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_mistake_in_a_file_is_told_in_one_line_with_the_file(case, write):
    text, said = BAD_FILES[case]
    file = write(text)
    with pytest.raises(ValueError) as error:
        read_recipe(file)
    assert said in str(error.value) and file in str(error.value) and "\n" not in str(error.value)


BAD_WORDS = {
    "--learning-rat 1": "did you mean 'learning_rate'",
    "--learning-rate": "--learning-rate on the command line has no value: a number is wanted",
    "--learning-rate=": "is '': a number is wanted",
    "--max-steps 1 2": "is '1 2': one value is wanted",
    "--bf16 maybe": "is 'maybe': true or false is wanted",
    "--r 8": "'r' is a key of LoRA, but this recipe trains without LoRA: give --lora.r",
    "--lora.rank 8": "lora has no key 'rank'",
    "--fsdp-config.versoin 2": "did you mean 'version'",
    "--model.name x": "model has no keys of its own",
    "--batching.x 1": "batching has no keys of its own",
    "stray": "'stray' follows the recipe without a key",
    "--learning-rate -1": "learning_rate is -1: 0 or more is wanted",
    "--trainable molecule": "which is no part",
}


@pytest.mark.parametrize("words", BAD_WORDS)
def test_a_mistake_on_the_command_line_is_told_in_one_line_with_the_word(words):
    with pytest.raises(ValueError) as error:
        read_recipe("mini", words.split())
    assert BAD_WORDS[words] in str(error.value) and "\n" not in str(error.value)
    assert "command line" in str(error.value) or words == "stray"


@pytest.mark.parametrize(
    ("name", "said"),
    [("aling", "did you mean 'align'"), ("none.yaml", "choose align, "), ("--bf16", "give its name first")],
)
def test_a_recipe_that_does_not_exist_is_told_with_those_that_do(name, said):
    with pytest.raises(FileNotFoundError, match=said):
        read_recipe(name)


def test_null_takes_our_keys_back_in_a_file_and_on_the_command_line(write):
    words = ["--trainable", "null", "--batching", "null", "--max-rejected", "null", "--lora.r", "4"]
    settings = read_recipe("mini", words).settings
    assert (settings.trainable, settings.batching, settings.max_rejected) == ([], "length", None)
    settings = read_recipe(write("trainable:\nbatching: null\nmax_rejected: null\nmax_length: null")).settings
    assert settings == Settings(max_rejected=None)


def test_no_error_names_a_string_that_yaml_has_made_up(write):
    with pytest.raises(ValueError, match="cannot start any token on line 1, column 7") as error:
        read_recipe(write("model:\tmini\n\tlora: 1\n"))
    assert "unicode string" not in str(error.value)


# Training arguments.


FAILS_LATER = {
    "--report-to nonsense": "report_to has 'nonsense': choose from azure_ml, ",
    "--report-to comet_ml": "report_to has 'comet_ml', whose package is not installed. Install it, or leave",
    "--lr-scheduler-kwargs.cycles 2": "lr_scheduler_kwargs has 'cycles', but cosine takes num_cycles",
    "--metric-for-best-model rougel": "metric_for_best_model is 'rougel', but an evaluation gives loss, loss_text,",
    "--deepspeed file.json": "distribution was not found",
}


@pytest.mark.parametrize("words", FAILS_LATER)
def test_what_a_run_would_fail_at_later_is_told_before_it_starts(words, required):
    with pytest.raises(ValueError) as error:
        read_recipe("mini", [*required, *words.split()]).training_arguments()
    assert FAILS_LATER[words] in str(error.value) and "\n" not in str(error.value)


def test_arguments_that_a_run_can_work_with_are_left_alone(required):
    words = "--report-to none --lr-scheduler-kwargs.num_cycles 0.5 --metric-for-best-model eval_loss_protein"
    assert read_recipe("mini", [*required, *words.split()]).training_arguments().report_to == []


def test_an_output_folder_that_cannot_be_is_refused_before_anything_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    words = ["--train-data", "rows", "--output-dir"]
    for name in ("file", "file/run"):
        with pytest.raises(ValueError, match="output_dir is .*, but .*file is no folder: choose another one"):
            read_recipe("mini", [*words, str(tmp_path / name)]).training_arguments()
    monkeypatch.setattr(os, "access", lambda *asked: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(ValueError, match="output_dir is .*new/run, but .* cannot be written to"):
        read_recipe("mini", [*words, str(tmp_path / "new" / "run")]).training_arguments()
    assert not (tmp_path / "new").exists()


def test_what_is_missing_is_told_with_the_command_that_gives_it():
    with pytest.raises(ValueError, match="biomedgpt train align --model C --train-data DATA --output-dir DIR$"):
        read_recipe("align").training_arguments()
    with pytest.raises(ValueError, match="does not say output_dir: biomedgpt train mini --output-dir DIR$"):
        read_recipe("mini", ["--train-data", "rows"]).training_arguments()


def test_errors_of_transformers_become_one_line(required):
    words = ["--load-best-model-at-end", "--save-strategy", "steps", "--eval-strategy", "epoch"]
    with pytest.raises(ValueError, match="The recipe 'mini' cannot be run: --load_best_model_at_end") as error:
        read_recipe("mini", [*required, *words]).training_arguments()
    assert "\n" not in str(error.value)


def test_a_recipe_leaves_the_search_for_parts_without_gradient_to_the_trainer(required):
    """So that parts which no row of a batch reaches, such as experts, stop no run on several processes."""
    assert read_recipe("mini", required).training_arguments().ddp_find_unused_parameters is None


def test_what_somebody_says_otherwise_stays(required):
    words = ["--ddp-find-unused-parameters", "--accelerator-config.dispatch_batches", "true"]
    arguments = read_recipe("mini", [*required, *words]).training_arguments()
    assert arguments.ddp_find_unused_parameters is True and arguments.accelerator_config.dispatch_batches is True


def test_fsdp_is_for_several_processes_and_its_checkpointing_for_one_too(required, caplog):
    recipe = read_recipe("align", required)
    arguments, notes = recipe.adapted(1, on_cpu=False)
    assert "fsdp" not in arguments and "fsdp_config" not in arguments
    assert arguments["activation_checkpointing"] is True and arguments["bf16"] is True
    assert len(notes) == 1 and "fsdp" in notes[0]
    arguments, notes = recipe.adapted(8, on_cpu=False)
    assert arguments["fsdp"] is True and arguments["fsdp_config"]["version"] == 2 and not notes
    assert "activation_checkpointing" not in arguments
    recipe.training_arguments()
    assert "fsdp is for several" in caplog.text and "bf16 is for GPUs" in caplog.text


def test_several_processes_get_fsdp_2_as_transformers_understands_it(required, monkeypatch):
    arguments, _ = read_recipe("align", required).adapted(8, on_cpu=True)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # TrainingArguments puts FSDP's settings there
    plugin = TrainingArguments(**arguments).fsdp_plugin_args
    assert plugin["fsdp_version"] == 2 and plugin["cpu_ram_efficient_loading"] and plugin["activation_checkpointing"]
    assert plugin["state_dict_type"] == "FULL_STATE_DICT" and "transformer_cls_names_to_wrap" not in plugin


def test_a_cpu_trains_in_float32_unless_it_is_asked_for_bfloat16(required):
    assert read_recipe("lora_align", required).training_arguments().bf16 is False
    assert read_recipe("lora_align", [*required, "--bf16"]).training_arguments().bf16 is True


def test_processes_on_cpus_are_told_so_or_each_would_train_alone(required):
    assert read_recipe("lora_align", required).training_arguments().use_cpu is True
    assert "use_cpu" not in read_recipe("lora_align", required).adapted(8, on_cpu=False)[0]


@pytest.mark.parametrize(("processes", "steps"), [(1, 8), (2, 4), (8, 1)])
def test_the_global_batch_is_the_same_on_any_number_of_processes(required, monkeypatch, processes, steps):
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    arguments, _ = read_recipe("chebi20", required).adapted()
    assert arguments["gradient_accumulation_steps"] == steps


@pytest.mark.parametrize(
    ("processes", "words", "said"),
    [
        (3, "", "24, which is no multiple of 3 × 3 .*: choose 2 or 4 or 8 rows a device"),
        (16, "", "choose another number of processes"),
        (8, "--per-device-train-batch-size 4", "no multiple of 8 × 4 .*: choose 1 or 3 rows a device"),
        (1, "--gradient-accumulation-steps 2", "24 and gradient_accumulation_steps 2, but one follows"),
    ],
)
def test_a_global_batch_that_cannot_be_made_up_is_refused(processes, words, said):
    with pytest.raises(ValueError, match=said):
        read_recipe("chebi20", words.split()).adapted(processes)


def test_accumulation_can_be_given_instead_of_a_global_batch():
    words = ["--global-batch-size", "null", "--gradient-accumulation-steps", "2"]
    assert read_recipe("chebi20", words).adapted(3)[0]["gradient_accumulation_steps"] == 2


# Settings.


def test_every_setting_is_described():
    described = Settings.__doc__
    assert all(f"        {field.name}: " in described for field in dataclasses.fields(Settings))


def test_the_page_on_training_has_every_setting_with_its_default_and_every_recipe():
    page = (Path(__file__).resolve().parents[3] / "docs" / "training.md").read_text("utf-8")
    for field in dataclasses.fields(Settings):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{field.name}` |"))
        if isinstance(field.default, str | bool):
            default = str(field.default).lower() if isinstance(field.default, bool) else field.default
            assert row.split("|")[2].strip(" `") == default, row
    assert all(f"`{name}`" in page for name in [*NAMES, *launcher_names()])


def test_what_trains_by_default_depends_on_what_there_is():
    assert len(Settings().trainable) == 4 and "language_model" not in Settings().trainable
    assert Settings(language_model_only=True).trainable == ["language_model"]
    assert Settings(lora={"r": 8}).trainable == []


def test_frozen_parts_are_as_exact_as_the_run():
    assert (Settings().frozen_dtype(True), Settings().frozen_dtype(False)) == ("bfloat16", "float32")
    assert Settings(dtype="float32").frozen_dtype(True) == "float32"


def test_recipes_are_yaml_for_others_too():
    for name in NAMES:
        assert isinstance(yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")), dict)


@pytest.mark.parametrize(
    ("words", "keeps_best"),
    [
        ([], True),
        (["--num-train-epochs", "9"], True),
        (["--eval-strategy", "no"], False),
        (["--eval-strategy", "steps", "--eval-steps", "5"], False),
        (["--save-strategy", "no"], False),
        (["--eval-strategy", "steps", "--save-strategy", "steps", "--eval-steps", "5", "--save-steps", "10"], True),
        (["--eval-strategy", "steps", "--save-strategy", "steps", "--eval-steps", "4", "--save-steps", "10"], False),
        (["--save-strategy", "best"], True),
        (["--load-best-model-at-end", "false"], False),
        (["--load-best-model-at-end", "null"], False),
    ],
)
def test_mini_keeps_its_best_weights_where_each_checkpoint_is_evaluated(required, words, keeps_best, caplog):
    arguments = read_recipe("mini", [*required, *words]).training_arguments()
    assert bool(arguments.load_best_model_at_end) is keeps_best
    told = "not every checkpoint is evaluated" in caplog.text
    assert told is (not keeps_best and "--load-best-model-at-end" not in words)
    if keeps_best:
        assert arguments.metric_for_best_model == "loss" and arguments.greater_is_better is False
