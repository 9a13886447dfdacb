"""TRL's trainers that do not read molecules and proteins say so by name, and train on text with the tokenizer."""

import copy
import importlib
import pickle

import pytest
from datasets import Dataset
from transformers import AutoModelForMultimodalLM, AutoProcessor

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.checkpoints.foreign_trainers import UnsupportedTrainerError

COMMON = {"use_cpu": True, "report_to": [], "bf16": False, "max_steps": 1, "per_device_train_batch_size": 2}
GENERATES = {"num_generations": 2, "max_completion_length": 2}
PROMPTS = [{"prompt": "Hi"}] * 2
PAIRS = [{"prompt": "Hi", "chosen": " yes", "rejected": " no"}] * 2
JUDGED = [{"prompt": "Hi", "completion": " yes", "label": True}, {"prompt": "Hi", "completion": " no", "label": False}]


def reward(completions, **columns):
    return [1.0] * len(completions)


KINDS = {  # the module, rows, what the arguments have beside the common ones, what the trainer has
    "GRPO": ("trl", PROMPTS, GENERATES, {"reward_funcs": reward}),
    "RLOO": ("trl", PROMPTS, GENERATES, {"reward_funcs": reward}),
    "KTO": ("trl", JUDGED, {}, {}),
    "Reward": ("trl", PAIRS, {}, {}),
    "ORPO": ("trl.experimental.orpo", PAIRS, {}, {}),
    "CPO": ("trl.experimental.cpo", PAIRS, {}, {}),
}


@pytest.fixture
def make(tmp_path):
    """Makes one of TRL's trainers with the processor, or with its tokenizer."""

    def make(kind, with_tokenizer=False):
        module, rows, arguments, options = KINDS[kind]
        module = importlib.import_module(module)
        processor = AutoProcessor.from_pretrained(mini_checkpoint())
        model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())
        model.config.num_labels = 1
        return getattr(module, f"{kind}Trainer")(
            model=model,
            args=getattr(module, f"{kind}Config")(output_dir=str(tmp_path), **COMMON, **arguments),
            processing_class=processor.tokenizer if with_tokenizer else processor,
            train_dataset=Dataset.from_list(rows),
            **options,
        )

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_trainer_that_cannot_use_the_processor_is_refused_by_name_with_those_that_can(make, kind):
    with pytest.raises(UnsupportedTrainerError) as error:
        make(kind)
    said = str(error.value)
    assert said.startswith(f"TRL's {kind}Trainer does not train with molecules and proteins") and "\n" not in said
    assert "SFT and DPO do" in said and "processing_class=processor.tokenizer" in said


@pytest.mark.parametrize("kind", ["GRPO", "Reward", "ORPO"])
def test_text_alone_trains_with_the_tokenizer(make, kind):
    trainer = make(kind, with_tokenizer=True)
    trainer.train()
    assert trainer.state.global_step == 1


def test_whoever_looks_for_an_attribute_finds_out_as_ever():
    processor = AutoProcessor.from_pretrained(mini_checkpoint())
    config = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint()).config
    for owner in (processor, config):
        assert not hasattr(owner, "image_token_id") and getattr(owner, "image_token", None) is None
        with pytest.raises(AttributeError, match=f"'{type(owner).__name__}' object has no attribute 'image_token_id'"):
            owner.image_token_id  # noqa: B018
    assert copy.deepcopy(config).to_dict() == config.to_dict() == pickle.loads(pickle.dumps(config)).to_dict()
    assert copy.deepcopy(processor).placeholders == processor.placeholders
