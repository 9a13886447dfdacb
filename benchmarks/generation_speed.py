"""Generation speed of BioMedGPT.

    python benchmarks/generation_speed.py [--checkpoint C] [--repeats 5]

Measures  `generate` against the bare language model's `generate` on the same embeddings plus one encoding, and a batch
          against single questions, with `generate` and, as the limit, with the bare one; medians of paired ratios of
          CPU time, alternating in one process on one thread
Input     8 molecules and 8 proteins, 64 new tokens, greedy; without a checkpoint, a random Llama of 110M parameters
          with a GIN of GraphMVP's size and an ESM-2 of 8M parameters' size
Asserts   first, that both ways give the same tokens, and that each encoder runs once a call, with 5 beams too
Excludes  loading and RDKit
Writes    a table with versions and commit
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
import transformers
from comparison import cpu_seconds, describe_software, ratio
from transformers import AutoModelForCausalLM, AutoModelForMultimodalLM, AutoProcessor, EsmConfig, LlamaConfig

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor, GINConfig, mini_checkpoint

MOLECULES = [
    "CC(=O)OC1=CC=CC=C1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "CC(C)CC1=CC=C(C=C1)C(C)C(=O)O",
    "CC(=O)NC1=CC=C(C=C1)O",
    "C1=CC=C(C=C1)C=O",
    "OCC1OC(O)C(O)C(O)C1O",
    "CCN(CC)CCNC(=O)C1=CC=C(C=C1)N",
    "CN1CCC[C@H]1C2=CN=CC=C2",
]
PROTEIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"  # ubiquitin
NEW_TOKENS = 64
LARGE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 15, "num_attention_heads": 12}


def main() -> None:
    """Assert parity, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, processor = load(arguments.checkpoint)
    language_model = bare_language_model(model)
    settings: dict[str, Any] = {
        "max_new_tokens": NEW_TOKENS,
        "min_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "pad_token_id": 0,
    }
    questions = [make_batch(processor, [i]) for i in range(8)]
    batch = make_batch(processor, range(8))

    def ours(inputs: Any = batch) -> torch.Tensor:
        return model.generate(**inputs, **settings)[:, inputs["input_ids"].shape[1] :]

    def bare(inputs: Any = batch) -> torch.Tensor:
        return language_model.generate(
            inputs_embeds=merged_embeddings(model, inputs), attention_mask=inputs["attention_mask"], **settings
        )

    assert torch.equal(ours(), bare()), "the composite and its bare language model differ"

    def compare(run: Callable[[], Any], reference: Callable[[], Any]) -> float:
        return ratio(run, reference, arguments.repeats, clock=cpu_seconds)

    rows: list[tuple[str, Any]] = [
        ("our generate / bare generate + one encoding, batch of 8", compare(ours, bare)),
        ("batch of 8 / 8 singles", compare(ours, lambda: [ours(question) for question in questions])),
        ("the same, bare generate + encodings", compare(bare, lambda: [bare(question) for question in questions])),
    ]
    for beams in (1, 5):
        calls = count_encoder_calls(model, lambda beams=beams: model.generate(**batch, **settings, num_beams=beams))
        assert calls == {"molecule_encoder": 1, "protein_encoder": 1}, calls
        rows.append((f"encoder calls in one generate, {beams} beam(s): molecule, protein", str(tuple(calls.values()))))

    size = sum(parameter.numel() for parameter in language_model.parameters())
    print(f"language model of {size / 1e6:.0f}M parameters, {NEW_TOKENS} new tokens")
    print(f"{describe_software(torch, transformers)}\n")
    for name, value in rows:
        print(f"{value if isinstance(value, str) else format(value, '.3f'):>8}  {name}")


def load(checkpoint: str | None, **sizes: int) -> tuple[Any, Any]:
    """Return a checkpoint, or a random model: large enough that the language model dominates, or of other sizes."""
    processor = AutoProcessor.from_pretrained(checkpoint or mini_checkpoint())
    if checkpoint:
        return AutoModelForMultimodalLM.from_pretrained(checkpoint, dtype=torch.float32).eval(), processor
    processor = BioMedGPTProcessor.from_parts(processor.tokenizer, processor.protein_tokenizer)
    text = LlamaConfig(
        vocab_size=len(processor.tokenizer),
        **(sizes or LARGE),
    )
    protein = EsmConfig(
        vocab_size=len(processor.protein_tokenizer),
        hidden_size=320,
        intermediate_size=1280,
        num_hidden_layers=6,
        num_attention_heads=20,
        position_embedding_type="rotary",
        pad_token_id=processor.protein_tokenizer.pad_token_id,
        mask_token_id=processor.protein_tokenizer.mask_token_id,
    )
    return BioMedGPTForConditionalGeneration.from_encoders(text, protein, GINConfig(), processor=processor), processor


def bare_language_model(model: Any) -> Any:
    """Return the checkpoint's language model alone, as transformers' own class, with the same weights."""
    with torch.device("meta"):
        language_model = AutoModelForCausalLM.from_config(model.config.text_config)
    language_model.model, language_model.lm_head = model.model.language_model, torch.nn.Linear(1, 1)
    language_model.lm_head.forward = model.project_to_vocabulary  # the placeholders are masked there too
    language_model.generation_config = model.generation_config
    return language_model.eval()


@torch.inference_mode()
def merged_embeddings(model: Any, inputs: Any) -> torch.Tensor:
    """One encoding: the prompt's embeddings with the features in their places, [B, T, H]."""
    ids = inputs["input_ids"]
    embeddings = model.get_input_embeddings()(ids)
    return model.model.merge_features(embeddings, ids, model.encode_modalities(len(ids), inputs))


def make_batch(processor: Any, which: Any) -> Any:
    """Questions about one molecule and one protein each."""
    conversations = [
        [
            {
                "role": "user",
                "content": [
                    {"type": "molecule", "molecule": MOLECULES[i]},
                    {"type": "protein", "protein": PROTEIN[: 40 + 4 * i]},
                    {"type": "text", "text": "Does this molecule bind this protein?"},
                ],
            }
        ]
        for i in which
    ]
    return processor.apply_chat_template(
        conversations,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"padding": True, "padding_side": "left", "return_tensors": "pt"},
    )


def count_encoder_calls(model: Any, run: Callable[[], Any]) -> dict[str, int]:
    """How often each encoder runs."""
    calls = {"molecule_encoder": 0, "protein_encoder": 0}

    def count(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            calls[name] += 1

        return hook

    hooks = [getattr(model.model, name).register_forward_hook(count(name)) for name in calls]
    run()
    for hook in hooks:
        hook.remove()
    return calls


if __name__ == "__main__":
    main()
