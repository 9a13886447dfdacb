"""The notebooks run as they stand, in a folder of their own, and what they say of their results is so."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
import nbformat
import pytest
from nbclient import NotebookClient

from ..checkpoints.stand_in_hub import StandInHub, serve

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PYTHON = "__import__('sys').executable"
NOTEBOOKS = ("quickstart.ipynb", "batch_inference.ipynb", "your_own_encoder.ipynb", "finetune_lora.ipynb")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Runs a notebook in a kernel of this Python, and returns the values of some expressions at its end."""
    ipykernel.kernelspec.install(prefix=str(tmp_path))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def run(name: str, **expressions: str) -> dict[str, Any]:
        notebook = nbformat.read(EXAMPLES / name, as_version=4)
        wanted = ", ".join(f"{key!r}: {expression}" for key, expression in {**expressions, "python": PYTHON}.items())
        last = nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({{{wanted}}}))")
        notebook.cells.append(last)
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
        found = json.loads("".join(output.text for output in last.outputs if output.name == "stdout"))
        assert found.pop("python") == sys.executable
        return found

    return run


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_kept_without_traces_of_a_run(name: str):
    notebook = json.loads((EXAMPLES / name).read_text("utf-8"))
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert not any(cell["metadata"] for cell in notebook["cells"])
    for cell in notebook["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)


def test_every_notebook_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.ipynb")} == set(NOTEBOOKS)


def test_the_quickstart_answers(results):
    found = results(
        "quickstart.ipynb",
        texts="[of_aspirin, of_ubiquitin, of_two_molecules, of_a_pair, second.text, *(one.text for one in answers)]",
        first="first.text",
        streamed="pieces",
        turns="[message['role'] for message in chat.messages]",
        short="[short.text, short.log_probability, short.warnings]",
        read="[molecules, proteins]",
        messages="messages",
        same="same",
    )
    assert all(found["texts"]) and found["texts"][0] != found["texts"][2]
    assert "".join(found["streamed"]) == found["first"] and len(found["streamed"]) > 3
    assert found["turns"] == ["user", "assistant", "user", "assistant"]
    text, log_probability, warnings = found["short"]
    assert found["first"].startswith(text) and 0 < math.exp(log_probability) < 1
    assert "demonstration" in warnings[0] and "cut at 8 tokens" in warnings[1]
    assert found["read"] == [["CC(=O)O", "O=C(O)c1ccccc1"], ["CYIQNCPLG", "YGGFM"]]
    reasons = ("Explicit valence", "unclosed ring", "'1' at index 3", "more than the limit")
    assert [reason in message for reason, message in zip(reasons, found["messages"], strict=True)] == [True] * 4
    assert found["same"]


def test_batch_inference_reports_resumes_and_compares(results):
    found = results(
        "batch_inference.ipynb",
        rows="[[one.row, one.status, one.question, bool(one.answer)] for one in predictions]",
        tables="[answered['id'].to_pylist(), errors['id'].to_pylist(), lines['id'].to_pylist(), len(whole)]",
        command="[json.loads(line)['status'] for line in Path('peptides.jsonl').open()]",
        finished="finished",
        resumed="[json.loads(line)['answer'] for line in Path('series.jsonl').open()]",
        unbroken="[p.answer for p in predict('Describe this molecule.', series, max_new_tokens=16)]",
        left="kept.parent.exists()",
        nearest="nearest",
        evidence="[[n.id for n in one.neighbours] for one in with_evidence]",
        baseline="[[name for name in known if descriptions[name] == one] for one in baseline.values()]",
    )
    asked = ("Describe this molecule.", "Is it an acid?")
    status = {4: "error"}
    assert found["rows"] == [[row, status.get(row, "ok"), one, row != 4] for row in range(1, 6) for one in asked]
    answered, errors, lines, whole = found["tables"]
    assert answered == ["benzene", "glycine"] and errors == ["nothing", "nitrogen with five bonds"]
    assert lines == ["ethanol", "acetic acid", "palmitic acid", "caffeine"] and 0 < whole <= 4
    assert found["command"] == ["ok", "ok", "error"]
    assert 0 < found["finished"] < len(found["resumed"])
    assert found["resumed"] == found["unbroken"] and not found["left"]
    assert found["nearest"] == ["propan-1-ol", "stearic acid", "salicylic acid", "theophylline"]
    assert [neighbours[0] for neighbours in found["evidence"]] == ["stearic acid", "theophylline"]
    assert found["baseline"] == [["stearic acid"], ["theophylline"]]


def test_an_own_encoder_learns_and_comes_back_in_another_process(results):
    found = results(
        "your_own_encoder.ipynb",
        encoder="type(model.model.molecule_encoder).__name__",
        complaint="complaint",
        before="before",
        losses="losses",
        known="{item: answer for answers in known.values() for item, answer in answers.items()}",
        learnt="learnt",
        from_disk="from_disk",
    )
    assert found["encoder"] == "BondAttention"
    assert "atom_vocab_sizes: processor [120, 3], model [120, 9" in found["complaint"]
    assert found["before"] != "Ethanol."
    assert found["losses"][-1] < 0.5 < found["losses"][0]
    assert found["learnt"] == found["known"]
    assert found["from_disk"] == "Ethanol."


def test_lora_learns_a_table_and_its_model_comes_back_from_the_hub(results, monkeypatch):
    with serve(StandInHub()) as hub:
        online = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_stand_in", "NO_PROXY": "127.0.0.1"}
        for name, value in {**online, "HF_HUB_DISABLE_TELEMETRY": "1", "REPOSITORY": "org/rings"}.items():
            monkeypatch.setenv(name, value)
        found = results(
            "finetune_lora.ipynb",
            shares="[before, baseline, after]",
            unseen="len(unseen)",
            losses="losses",
            same="[same_adapter, said == answers_of(merged, processor, unseen)]",
            answer="answer",
            card="open('adapter/README.md', encoding='utf-8').read()",
        )
    before, baseline, after = found["shares"]
    assert before < baseline < after and after > 0.9 and found["unseen"] >= 10
    assert found["losses"][-1] < 0.1 < found["losses"][0]
    assert found["same"] == [True, True] and found["answer"] == "Yes."
    assert "- Right about unseen molecules: " in found["card"] and "- Before this training:\n  - " in found["card"]
    files = hub.files["org/rings"]
    assert {"model.safetensors", "README.md", "processor_config.json", "modeling_biomedgpt.py"} <= files.keys()
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
