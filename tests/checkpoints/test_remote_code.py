"""A checkpoint in a process that has no such package: the code in its folder is enough."""

import json

import pytest

SCRIPT = r"""
import json, os, shutil, sys
from pathlib import Path
from transformers import (
    AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM, AutoProcessor, AutoTokenizer
)

saved, out, conversation = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
(out / "again").mkdir()
classes = (AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM, AutoProcessor)
classes = {auto_class.__name__: auto_class for auto_class in classes}
said = {"refused": {}, "loaded": {}, "answers": {}}

for name, auto_class in classes.items():
    try:
        auto_class.from_pretrained(saved / "whole")
    except ValueError as error:
        said["refused"][name] = str(error)

def answer(folder, auto_class):
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    model = auto_class.from_pretrained(folder, trust_remote_code=True)
    how = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    batch = processor.apply_chat_template([conversation], **how)
    return model, processor, model.generate(**batch, max_new_tokens=8, do_sample=False).tolist()[0]

for name, auto_class in classes.items():
    said["loaded"][name] = type(auto_class.from_pretrained(saved / "whole", trust_remote_code=True)).__name__
said["tokenizer"] = len(AutoTokenizer.from_pretrained(saved / "whole", trust_remote_code=True))
said["headless"] = type(AutoModel.from_pretrained(saved / "headless", trust_remote_code=True)).__name__
try:
    AutoModel.from_pretrained(saved / "whole", trust_remote_code=True).generate()
except AttributeError as error:
    said["generate"] = str(error)

# Saved again from here, and loaded again from there.
shutil.copy(saved / "whole" / "README.md", out / "again")
model, processor, said["answers"]["first"] = answer(saved / "whole", AutoModelForCausalLM)
model.save_pretrained(out / "again", max_shard_size="50KB")
processor.save_pretrained(out / "again")
again, _, said["answers"]["again"] = answer(out / "again", AutoModelForMultimodalLM)
again.save_pretrained(out / "third")

gin = AutoModel.from_pretrained(saved / "gin", trust_remote_code=True)
said["gin"] = [type(gin).__name__, sum(weight.double().sum().item() for weight in gin.state_dict().values())]
gin.save_pretrained(out / "gin")
AutoModel.from_pretrained(out / "gin", trust_remote_code=True)

said["package"] = "biomedgpt_hf" in sys.modules
print("\n" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def said(saved, out, conversation, run_python):
    return run_python(SCRIPT, saved, out, json.dumps(conversation), package=False)


def test_the_package_was_not_there(said):
    assert said["package"] is False


def test_a_forgotten_import_leads_to_custom_code(said):
    """What somebody sees who loads a checkpoint without `import biomedgpt_hf` where nobody can be asked."""
    assert said["refused"].keys() == said["loaded"].keys()
    for message in said["refused"].values():
        assert "custom code" in message and "`trust_remote_code=True`" in message


def test_every_auto_class_loads_by_remote_code(said, processor):
    assert said["loaded"] == {
        "AutoConfig": "BioMedGPTConfig",
        "AutoModel": "BioMedGPTModel",
        "AutoModelForCausalLM": "BioMedGPTForConditionalGeneration",
        "AutoModelForMultimodalLM": "BioMedGPTForConditionalGeneration",
        "AutoProcessor": "BioMedGPTProcessor",
    }
    assert said["headless"] == "BioMedGPTModel"
    assert said["tokenizer"] == len(processor.tokenizer)
    assert "AutoModelForMultimodalLM.from_pretrained" in said["generate"]


def test_the_answer_is_the_packages_and_survives_another_save(said, answer):
    assert said["answers"] == {"first": answer, "again": answer}


def test_a_graph_encoder_alone_loads_by_remote_code(said, gin):
    total = sum(weight.double().sum().item() for weight in gin.state_dict().values())
    assert said["gin"] == ["GINModel", pytest.approx(total)]


def test_a_save_from_remote_code_leaves_the_same_folder_with_no_card_but_one_that_was_there(said, saved, out):
    for name, folder in (("again", "whole"), ("gin", "gin")):
        others = {"model.safetensors", "model.safetensors.index.json", "README.md"}
        assert {file.name for file in (out / name).iterdir() if not file.name.startswith("model-")} - others == {
            file.name for file in (saved / folder).iterdir()
        } - others
        for file in (saved / folder).glob("*.py"):
            assert (out / name / file.name).read_bytes() == file.read_bytes()
        maps = [json.loads((home / "config.json").read_text())["auto_map"] for home in (out / name, saved / folder)]
        assert maps[0] == maps[1]
    assert (out / "again" / "README.md").read_bytes() == (saved / "whole" / "README.md").read_bytes()
    assert not (out / "third" / "README.md").exists() and not (out / "gin" / "README.md").exists()


LATE = """
import json, sys
from pathlib import Path
from transformers import AutoModel, AutoModelForMultimodalLM

saved, out = map(Path, sys.argv[1:])
model = AutoModelForMultimodalLM.from_pretrained(saved / "whole", trust_remote_code=True)
model.save_pretrained(out / "before")
import biomedgpt_hf
model.save_pretrained(out / "after")
gin = AutoModel.from_pretrained(saved / "gin", trust_remote_code=True)
said = {"model": type(model).__module__.split(".")[0], "gin": type(gin).__module__.split(".")[0]}
said["cards"] = [(out / name / "README.md").exists() for name in ("before", "after")]
print("\\n" + json.dumps(said))
"""


def test_a_model_of_remote_code_gets_its_card_once_the_package_is_imported(saved, tmp_path, run_python):
    """And what is loaded after the import is the package's, whatever is trusted."""
    said = run_python(LATE, saved, tmp_path, package=True)
    assert said == {"model": "transformers_modules", "gin": "biomedgpt_hf", "cards": [False, True]}


QUANTIZED = """
import json, sys
import torch
from transformers import AutoModelForMultimodalLM, BitsAndBytesConfig

saved, out = sys.argv[1:]
config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["o_proj"])
loading = [(saved, {"quantization_config": config}), (out, {})]  # quantised, then as it was saved
said = []
for folder, options in loading:
    model = AutoModelForMultimodalLM.from_pretrained(folder, trust_remote_code=True, **options)
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    said.append(sorted(name for name, module in layers if type(module) is not torch.nn.Linear))
    model.save_pretrained(out)
print("\\n" + json.dumps(said))
"""


def test_quantisation_reaches_the_language_model_alone(saved, tmp_path, run_python):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    quantized, again = run_python(QUANTIZED, saved / "whole", tmp_path / "quantized", package=False)
    names = {name.partition(".layers.")[0] for name in quantized}
    assert names == {"model.language_model"}
    assert len(quantized) == 2 * 6  # two layers; all projections but o_proj
    assert again == quantized
