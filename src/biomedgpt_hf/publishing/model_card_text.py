"""The words of a model card; `model_card` fills them in."""

FRAME = """\
---
{metadata}
---

# {title}

{introduction}

## Use

```python
{snippet}```

{without_package}

## What is inside

{inside}

## Training

{training}
{results}
## Limits

{limits}
- {use_restriction}

## Licence

{licence}{inherited}

## Citation

```bibtex
{citation}
```
"""

BIOMEDGPT_INTRODUCTION = """\
Answers questions about molecules and proteins in text. It is a BioMedGPT (Luo et al., 2023, arXiv:2308.09442) in the
format of Hugging Face transformers: a causal language model that reads each atom of a molecular graph and each residue
of a protein sequence as one token. It reads 2D graphs and sequences only. Not to be confused with `taokz/BiomedGPT`, a
vision-language model."""

BIOMEDGPT_SNIPPET = """\
import biomedgpt_hf  # registers the Auto classes
from transformers import {auto_class}, AutoProcessor

processor = AutoProcessor.from_pretrained("{checkpoint}")
model = {auto_class}.from_pretrained("{checkpoint}", dtype="auto")

{question}
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": content}}],
    add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
)
{last_lines}"""

QUESTION = """\
content = [
    {"type": "molecule", "molecule": "CC(=O)Oc1ccccc1C(=O)O"},  # or {"type": "protein", "protein": "MKT..."}
    {"type": "text", "text": "Please describe this molecule."},
]"""

ANSWER = """\
answer = model.generate(**inputs, max_new_tokens=64)[:, inputs["input_ids"].shape[1]:]
print(processor.batch_decode(answer, skip_special_tokens=True)[0])
"""

FEATURES = """\
print(model(**inputs).last_hidden_state.shape)  # [1, tokens, width]; this checkpoint has no head to answer with
"""

BIOMEDGPT_WITHOUT_PACKAGE = """\
In a process without the package, leave out the first line and pass `trust_remote_code=True` to both `from_pretrained`:
the code lies beside the weights. It needs torch, transformers and rdkit."""

BIOMEDGPT_LIMITS = """\
- A language model writes what is probable, not what is true: an answer can be fluent and wrong. Check it against a
  database or an experiment.
- It knows nothing that is not in the graph or the sequence: no 3D structure, no dose, no assay condition.{blindness}
- High scores of caption metrics are no evidence of correct chemistry; compare with a constant answer and with the
  nearest neighbour before you trust one.
- Proteins and prompts longer than the limits in the processor's configuration are refused, not cut."""

BIOMEDGPT_LICENCE = """\
The code is Apache-2.0. The weights inherit the licences of the language model and of the encoders that they started
from{bases}. Those that started from Llama 2, as BioMedGPT-10B's did, fall under the Llama 2 Community License."""

BIOMEDGPT_CITATION = """\
@article{luo2023biomedgpt,
  title   = {BioMedGPT: Open Multimodal Generative Pre-trained Transformer for BioMedicine},
  author  = {Luo, Yizhen and Zhang, Jiahuan and Fan, Siqi and Yang, Kai and Wu, Yushuai and Qiao, Mu and Nie, Zaiqing},
  journal = {arXiv preprint arXiv:2308.09442},
  year    = {2023}
}"""

GIN_INTRODUCTION = """\
Turns a molecular graph into one vector per atom. It is the graph isomorphism network of GraphMVP (Liu et al., 2022,
arXiv:2110.07728) in the format of Hugging Face transformers: the molecule encoder of BioMedGPT."""

GIN_SNIPPET = """\
import biomedgpt_hf  # registers the Auto classes
import torch
from transformers import AutoModel

model = AutoModel.from_pretrained("{checkpoint}")
graph = biomedgpt_hf.smiles_to_graph("CC(=O)Oc1ccccc1C(=O)O", features="{feature_set}")
atoms = model(*map(torch.from_numpy, graph)).last_hidden_state
print(atoms.shape)  # [atoms, width]
"""

GIN_WITHOUT_PACKAGE = """\
In a process without the package, pass `trust_remote_code=True`: the code lies beside the weights and needs torch
and transformers. The arguments are PyG's `x`, `edge_index` and `edge_attr`, all int64."""

GIN_LIMITS = """\
- It predicts no property: its vectors are input for another model.
- It sees the 2D graph only.{blindness}"""

GIN_LICENCE = "The code is Apache-2.0. The weights have the licence of their source."

GIN_CITATION = """\
@inproceedings{liu2022graphmvp,
  title     = {Pre-training Molecular Graph Representation with 3D Geometry},
  author    = {Liu, Shengchao and Wang, Hanchen and Liu, Weiyang and Lasenby, Joan and Guo, Hongyu and Tang, Jian},
  booktitle = {International Conference on Learning Representations},
  year      = {2022}
}"""

ADAPTER = """

This folder holds adapter weights only: loading it loads the checkpoint that `adapter_config.json` names first. It needs
`peft`."""

ADAPTER_INSIDE = """\
| part of the checkpoint | how | parameters |
|---|---|---|
{rows}

{total} parameters; everything else is the checkpoint's. Settings: {settings}."""

LANGUAGE_MODEL_INTRODUCTION = """\
A causal language model, trained by itself on biomedical text to become a part of a BioMedGPT (Luo et al., 2023,
arXiv:2308.09442). It reads text only: `biomedgpt init` joins it with encoders of molecules and proteins."""

BEGINNING = "Aspirin inhibits"

LANGUAGE_MODEL_SNIPPET = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{checkpoint}")
model = AutoModelForCausalLM.from_pretrained("{checkpoint}", dtype="auto")

inputs = tokenizer({question}, return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=32)
print(tokenizer.batch_decode(answer, skip_special_tokens=True)[0])
"""

LANGUAGE_MODEL_WITHOUT_PACKAGE = "It needs torch and transformers, and no code of this package."

LANGUAGE_MODEL_LIMITS = """\
- A language model writes what is probable, not what is true: an answer can be fluent and wrong. Check it against a
  database or an experiment.
- It reads names of molecules and proteins, not their structures or sequences."""

LANGUAGE_MODEL_LICENCE = """\
The weights inherit the licence of the language model that they started from; those that started from Llama 2 fall
under the Llama 2 Community License."""

BLINDNESS = """
- The feature set `graphmvp` knows elements, chirality, bond types and bond directions. It is blind to charge and to
  hydrogens: an ion and its neutral form look the same."""

NO_TRAINING = """\
The configuration records no training facts: ask whoever made this checkpoint, and take the weights for untrained till
then."""

FEATURE_SELECT = {
    "full": "one token for each residue and for the encoder's start and end",
    "residues": "one token for each residue",
}
