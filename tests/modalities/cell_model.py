"""Make, train, ask, save and load a model that reads cells, each in a process of its own.

python cell_model.py train FOLDER      python cell_model.py load FOLDER
"""

import json
import sys
from pathlib import Path

import cells
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoProcessor,
    LlamaConfig,
    Trainer,
    TrainingArguments,
)

import biomedgpt_hf
from biomedgpt_hf.files.items import Columns
from biomedgpt_hf.inference.prediction.files import predict_files
from biomedgpt_hf.rows.schema import question_row

CELL, OTHER = [0.0, 3, 0, 1, 9, 0, 0, 2], [5.0, 0, 7, 0]


def rows():
    facts = {"task": "cell_type", "source": "test", "license": "CC0-1.0"}
    return [
        question_row("What cell is it?", "A neuron.", id="1", cells=[CELL], **facts),
        question_row("What cell is it?", "A T cell.", id="2", cells=[OTHER], **facts),
        question_row(
            "What binds what?", "This that.", id="3", molecules=["CCO"], proteins=["MKT"], cells=[OTHER], **facts
        ),
        question_row("Name it.", "Ethanol.", id="4", molecules=["CCO"], **facts),
    ]


def new_model():
    mini = biomedgpt_hf.BioMedGPTProcessor.from_pretrained(biomedgpt_hf.mini_checkpoint())
    processor = biomedgpt_hf.BioMedGPTProcessor(
        mini.tokenizer, mini.protein_tokenizer, modalities=["molecule", "protein", "cell"]
    )
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=len(processor.tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    model = biomedgpt_hf.BioMedGPTForConditionalGeneration.from_encoders(
        AutoModelForCausalLM.from_config(text),
        AutoConfig.for_model(
            "esm",
            vocab_size=33,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            pad_token_id=1,
            mask_token_id=32,
            position_embedding_type="rotary",
        ),
        biomedgpt_hf.GINConfig(hidden_size=16, num_hidden_layers=2),
        cell_encoder=cells.CellConfig(),
        processor=processor,
    )
    with torch.no_grad():  # a fresh model's answers hardly depend on what it reads
        for parameter in model.parameters():
            parameter.mul_(3)
    processor.check_model(model.config)
    return model, processor


def answers(model, processor):
    """Tokens and logits of prompts about each of the cells, in one batch and with beams."""
    prompts = [f"<cell><cellHere></cell> {question}" for question in ("What cell is it?", "And which is this one?")]
    batch = processor(text=prompts, cells=[[CELL], [OTHER]], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits
        tokens = model.generate(**batch, max_new_tokens=6, num_beams=2)
    return logits, tokens


def train(folder):
    model, processor = new_model()
    collator = biomedgpt_hf.BioMedGPTDataCollator(processor)
    lengths = collator.row_lengths(rows())
    batch = collator(rows())
    assert lengths.tolist() == batch["attention_mask"].sum(1).tolist(), lengths
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    arguments = TrainingArguments(
        str(folder / "run"),
        max_steps=1,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        report_to="none",
        remove_unused_columns=False,
        use_cpu=True,
        save_strategy="no",
    )
    Trainer(model, arguments, data_collator=collator, train_dataset=rows()).train()
    for part in ("cell_encoder.layer", "cell_projector", "molecule_projector"):
        assert not torch.equal(model.state_dict()[f"model.{part}.weight"], before[f"model.{part}.weight"]), part
    model.eval()
    packed = biomedgpt_hf.BioMedGPTDataCollator(processor, packing=True)(rows())
    assert torch.allclose(model(**packed).loss, model(**collator(rows())).loss, atol=1e-4)
    logits, tokens = answers(model, processor)
    changed = processor(text="<cell><cellHere></cell> x", cells=[OTHER], return_tensors="pt")
    same = processor(text="<cell><cellHere></cell> x", cells=[[1.0, 1, 1, 1]], return_tensors="pt")
    assert not torch.allclose(model(**changed).logits, model(**same).logits, atol=1e-3), "the cell is not read"
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    torch.save({"logits": logits, "tokens": tokens}, folder / "expected.pt")


def load(folder):
    model = AutoModelForMultimodalLM.from_pretrained(folder / "model")
    processor = AutoProcessor.from_pretrained(folder / "model")
    processor.check_model(model.config)
    expected = torch.load(folder / "expected.pt", weights_only=True)
    logits, tokens = answers(model, processor)
    torch.testing.assert_close(logits, expected["logits"])
    assert torch.equal(tokens, expected["tokens"])
    on = {"checkpoint": str(folder / "model"), "device": "cpu"}
    one = biomedgpt_hf.ask("What cell is it?", cells=[CELL], max_new_tokens=4, **on)
    many = biomedgpt_hf.predict("What cell is it?", cells=[CELL, OTHER, [1.0]], max_new_tokens=4, **on)
    assert [prediction.status for prediction in many] == ["ok", "ok", "error"], many
    assert many[0].answer == one.text and "Cell" in many[2].error
    table = folder / "cells.jsonl"
    lines = [json.dumps({"expression": cell, "id": str(number)}) for number, cell in enumerate([CELL, OTHER])]
    table.write_text("\n".join(lines))
    columns = Columns(items={"cell": ("expression",)})
    predict_files(table, folder / "answers.jsonl", "What cell is it?", columns=columns, max_new_tokens=4, **on)
    answers_of_table = [json.loads(line)["answer"] for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert answers_of_table == [prediction.answer for prediction in many[:2]]
    vectors = biomedgpt_hf.embed([CELL, OTHER], modality="cell", **on)
    assert vectors.shape == (2, 16) and not (vectors[0] == vectors[1]).all()


if __name__ == "__main__":
    if sys.argv[1] != "load-unregistered":
        cells.register()
    {"train": train, "load": load, "load-unregistered": load}[sys.argv[1]](Path(sys.argv[2]))
