"""The memory plan: against arithmetic by hand for the published sizes, and against real bytes of small models."""

import pytest
import torch
from transformers import (
    AutoModelForMultimodalLM,
    BitsAndBytesConfig,
    EsmConfig,
    EsmModel,
    LlamaConfig,
    LlamaModel,
)
from transformers.utils import is_bitsandbytes_available

from biomedgpt_hf import BioMedGPTConfig, BioMedGPTForConditionalGeneration, GINConfig, mini_checkpoint
from biomedgpt_hf.conversion.fair_esm import esm_config
from biomedgpt_hf.training.memory.activations import BatchSize, make_stack
from biomedgpt_hf.training.memory.part_memory import count_parts, model_without_weights, nf4_bytes, quantized_weights
from biomedgpt_hf.training.memory.plan import GIB, plan_memory, size
from biomedgpt_hf.training.model.adapters import add_lora
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.recipe.settings import Settings

needs_bitsandbytes = pytest.mark.skipif(not is_bitsandbytes_available(), reason="bitsandbytes is not installed")

# Llama-2-7B with two more rows, ESM-2 3B, GraphMVP's network and both projectors, by their published sizes.
WIDTH, INNER, LAYERS, ROWS = 4096, 11008, 32, 32002
LINEAR = LAYERS * (4 * WIDTH * WIDTH + 3 * WIDTH * INNER)
LANGUAGE_MODEL = LINEAR + 2 * ROWS * WIDTH + (2 * LAYERS + 1) * WIDTH
GIN = 123 * 300 + 5 * (9 * 300 + (300 * 600 + 600) + (600 * 300 + 300) + 2 * 300)
MOLECULE_PROJECTOR = 300 * WIDTH + WIDTH
PROTEIN_PROJECTOR = 2560 * WIDTH + WIDTH
ESM_LAYER = 4 * (2560**2 + 2560) + 2 * 2560 * 10240 + 10240 + 2560 + 4 * 2560
PROTEIN_ENCODER = 33 * 2560 + 36 * ESM_LAYER + 2 * 2560
CONTACT_HEAD = 36 * 40 + 1


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with nothing but the configuration of BioMedGPT-10B."""
    folder = tmp_path_factory.mktemp("10b")
    text = LlamaConfig(
        vocab_size=ROWS,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        max_position_embeddings=4096,
    )
    protein = esm_config(36, 2560, 40, 10240)
    BioMedGPTConfig(text_config=text, protein_config=protein, molecule_config=GINConfig()).save_pretrained(folder)
    text.save_pretrained(folder / "language-model")
    return str(folder)


def plan(recipe, model, *words, processes=1):
    return plan_memory(read_recipe(recipe, ["--model", model, *words]), processes)


# Against arithmetic by hand.


def test_the_published_sizes_are_counted_as_by_hand(published):
    parts = plan("align", published).parts
    assert parts["molecule_encoder"].parameters == GIN == 1_857_900
    assert parts["molecule_projector"].trained == MOLECULE_PROJECTOR
    assert parts["protein_projector"].trained == PROTEIN_PROJECTOR
    assert parts["protein_encoder"].parameters == PROTEIN_ENCODER + CONTACT_HEAD
    assert parts["protein_encoder"].trained == PROTEIN_ENCODER  # no contact head
    assert (parts["language_model"].parameters, parts["language_model"].trained) == (LANGUAGE_MODEL, 0)
    assert 9.5e9 < sum(part.parameters for part in parts.values()) < 9.6e9


def test_what_trains_takes_sixteen_bytes_and_what_is_frozen_two(published):
    parts = plan("align", published).parts
    projector, language_model = parts["protein_projector"], parts["language_model"]
    sixteen = (4 * PROTEIN_PROJECTOR, 4 * PROTEIN_PROJECTOR, 8 * PROTEIN_PROJECTOR)
    assert (projector.weights, projector.gradients, projector.states) == sixteen
    assert language_model.total == pytest.approx(2 * LANGUAGE_MODEL, rel=1e-6)  # and a few frequencies
    assert (
        plan("align", published, "--optim", "adamw_bnb_8bit").parts["protein_projector"].states == 2 * projector.trained
    )
    assert plan("align", published, "--dtype", "float32").parts["language_model"].weights > 4 * LANGUAGE_MODEL


def test_the_batch_of_the_recipe_is_the_largest_one(published):
    assert plan("align", published).batch == BatchSize(rows=4, tokens=4 * 2048, residues=4 * 1026)
    assert plan("align", published, "--max-length", "null").batch.tokens == 4 * 4096
    words = ["--global-batch-size", "null", "--max-tokens-per-batch", "16384"]
    assert plan("align", published, *words).batch == BatchSize(8, 16384, 8 * 1026)
    assert plan("biomedical_qa", f"{published}/language-model").batch.residues == 0


def test_two_answers_are_two_sequences_and_a_reference_is_a_second_model(published):
    assert plan("sft", published).batch.rows == 4 and plan("dpo", published).batch.rows == 2 * 2
    assert not any("reference" in name for name in plan("dpo", published).others)  # its adapters are taken off
    whole = plan("dpo", published, "--lora", "null", "--trainable", "molecule_projector")
    weights = sum(part.weights for part in whole.parts.values())
    assert whole.others["frozen copy of the model, as the reference"] == weights


def test_activations_are_those_of_the_layers_that_a_gradient_passes(published):
    tokens, residues = 8192, 4104
    kept = plan("align", published).activations
    frozen_llama, trained_esm = 16 * WIDTH + 6 * INNER, 34 * 2560 + 8 * 10240
    assert kept[False] == LAYERS * tokens * frozen_llama + 36 * residues * trained_esm
    inputs = LAYERS * tokens * WIDTH * 2 + 36 * residues * 2560 * 4
    assert kept[True] == inputs + tokens * frozen_llama + residues * trained_esm
    frozen_esm = plan("chebi20", published).activations
    assert frozen_esm[False] == LAYERS * 3 * 2048 * frozen_llama


def test_fsdp_divides_the_parts_and_gathers_two_layers_at_a_time(published):
    one, eight = plan("align", published), plan("align", published, processes=8)
    assert (one.shards, eight.shards) == (1, 8)
    assert eight.parts == one.parts
    gathered = next(number for name, number in eight.others.items() if "gathered" in name)
    outside = 2 * ROWS * WIDTH + WIDTH + PROTEIN_PROJECTOR + MOLECULE_PROJECTOR + 123 * 300 + 2 * 2560 + CONTACT_HEAD
    layer = max(ESM_LAYER, LINEAR // LAYERS + 2 * WIDTH)
    assert gathered == 2 * (2 * layer + outside)
    assert eight.total < one.total / 3


def test_without_fsdp_every_process_holds_all_and_its_buckets(published):
    one, two = plan("lora_align", published), plan("lora_align", published, processes=2)
    trained = sum(part.trained for part in one.parts.values())
    assert two.total - one.total == 4 * trained


def test_adapters_are_counted_with_the_copies_that_train(published):
    parts = plan("lora_align", published).parts
    assert parts["adapters (LoRA)"].trained == LAYERS * 2 * 16 * (WIDTH + WIDTH)
    assert parts["molecule_encoder"].parameters == 2 * GIN
    assert parts["molecule_encoder"].trained == GIN
    assert parts["protein_encoder"].trained == parts["language_model"].trained == 0


def test_qlora_fits_a_card_of_24_gigabytes_and_full_training_does_not(published):
    qlora = plan("qlora_24gb", published)
    scales = LINEAR // 64 * (1 + 4 / 256)
    others = 2 * (LANGUAGE_MODEL - LINEAR)
    assert qlora.parts["language_model"].weights == pytest.approx(LINEAR / 2 + scales + others, rel=1e-4)
    assert qlora.fits is True and qlora.budget == 22 * GIB and 9 * GIB < qlora.total < 18 * GIB
    assert "fits the 22 GiB of memory_budget_gib and leaves" in qlora.verdict()
    align = plan("align", published, "--memory-budget-gib", "22")
    assert align.fits is False and "does not fit the 22 GiB" in align.verdict() and "\n" not in align.verdict()


@pytest.mark.parametrize(
    ("recipe", "processes"),
    [("align", 1), ("align_chat_lm", 1), ("chebi20", 1), ("lora_align", 1), ("lora_chebi20", 1), ("biomedical_qa", 8)],
)
def test_every_recipe_fits_the_hardware_that_it_names(published, recipe, processes):
    model = f"{published}/language-model" if recipe == "biomedical_qa" else published
    assert plan(recipe, model, processes=processes).fits


def test_a_model_of_another_kind_is_refused_as_by_the_run(published):
    with pytest.raises(ValueError, match="'align' trains a BioMedGPT, and .* is a 'llama'"):
        plan("align", f"{published}/language-model")
    with pytest.raises(ValueError, match="'lora_biomedical_qa' trains a language model alone .* is a 'biomedgpt'"):
        plan("lora_biomedical_qa", published)


def test_a_plan_without_a_budget_claims_nothing():
    mini = plan("mini", "mini")
    assert mini.fits is None and "give memory_budget_gib" in mini.verdict()


def test_the_table_says_that_it_is_arithmetic_and_adds_up(published):
    lines = list(plan("qlora_24gb", published).lines())
    assert "Arithmetic from the configuration; nothing was measured." in lines[0]
    assert any(line.startswith("protein_encoder") and "2,832,444,321" in line for line in lines)
    assert not any(line.endswith(" ") for line in lines)
    qlora = plan("qlora_24gb", published)
    parts = sum(part.weights + part.gradients + part.states for part in qlora.parts.values())
    assert qlora.total == parts + qlora.activations[True] + sum(qlora.others.values())


def test_sizes_are_given_in_the_unit_that_suits_them():
    assert [size(n) for n in (12, 2048, 3 * 2**20, 1.5 * GIB)] == ["12 B", "2.00 KiB", "3.00 MiB", "1.50 GiB"]


# Against real bytes.


def test_mini_takes_the_bytes_that_are_planned_for_it():
    parts = plan("mini", "mini").parts
    model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint(), dtype=torch.float32)
    model.model.protein_encoder.contact_head.requires_grad_(False)
    held = [*model.parameters(), *model.buffers()]
    assert sum(part.weights for part in parts.values()) == sum(t.numel() * t.element_size() for t in held)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    optimizer.step()
    gradients = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    states = sum(t.nbytes for state in optimizer.state.values() for name, t in state.items() if name != "step")
    assert sum(part.gradients for part in parts.values()) == gradients
    assert sum(part.states for part in parts.values()) == states


@needs_bitsandbytes
def test_four_bit_weights_take_the_bytes_that_are_planned_for_them():
    options = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint(), quantization_config=options)
    model.requires_grad_(False)
    quantized = {name: p for name, p in model.named_parameters() if hasattr(p, "quant_state")}
    planned = model_without_weights(model.config, Settings(lora={"target_modules": ["q_proj"]}))
    names = {name.replace("base_model.model.", "").replace(".base_layer", "") for name in quantized_weights(planned)}
    assert names == quantized.keys() and len(names) == 7 * 4

    for name, parameter in quantized.items():
        state = parameter.quant_state
        tensors = [parameter.data, state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code]
        real = sum(tensor.untyped_storage().nbytes() for tensor in tensors)
        assert nf4_bytes(state.shape.numel()) == real, name

    rest = sum(t.nbytes for n, t in [*model.named_parameters(), *model.named_buffers()] if n not in quantized)
    parts = count_parts(rebuilt(model.config), "float32", "nf4", "adamw_torch")
    real = rest + sum(nf4_bytes(p.quant_state.shape.numel()) for p in quantized.values())
    assert sum(part.weights for part in parts.values()) == real


def rebuilt(config):
    """The model as it is before it is quantised, all frozen."""
    config.quantization_config = None
    with torch.device("meta"):
        return BioMedGPTForConditionalGeneration(config).requires_grad_(False)


def kept_by_layer(model, inputs, bf16):
    """Bytes that autograd keeps for each token, weights and their copies left out."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    shapes = {tuple(shape) for p in model.parameters() for shape in (p.shape, p.shape[::-1])}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tuple(tensor.shape) not in shapes:
            kept[storage.data_ptr()] = tensor, storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            model(**inputs)
    return sum(size for _, size in kept.values())


SIZES = {"vocab_size": 50, "hidden_size": 256, "intermediate_size": 640, "num_attention_heads": 4}
TOKENS = 2 * 48


def llama(layers, trained, bf16, lora=None):
    """A Llama and a batch for it, whose embeddings need gradients."""
    model = LlamaModel(LlamaConfig(**SIZES, num_hidden_layers=layers)).requires_grad_(trained).train()
    frozen_dtype = torch.bfloat16 if bf16 and not trained else torch.float32
    model.to(frozen_dtype)
    if lora:
        model = add_lora(model, {"task_type": None, **lora})
    embeddings = torch.randn(2, 48, SIZES["hidden_size"], dtype=frozen_dtype, requires_grad=True)
    return model, {"inputs_embeds": embeddings, "attention_mask": torch.ones(2, 48), "use_cache": False}


def esm(layers, trained, bf16, lora=None):
    options = {"position_embedding_type": "rotary", "pad_token_id": 1, "mask_token_id": 32, "token_dropout": True}
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = EsmModel(EsmConfig(**SIZES, **options, **dropout, num_hidden_layers=layers), add_pooling_layer=False)
    return model.train(), {"input_ids": torch.randint(4, 20, (2, 48)), "attention_mask": torch.ones(2, 48)}


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("make", "trained", "lora", "least"),
    [
        pytest.param(llama, False, None, 0.95, id="frozen Llama"),
        pytest.param(llama, True, None, 0.95, id="trained Llama"),
        pytest.param(llama, False, {"target_modules": ["q_proj", "v_proj"], "lora_dropout": 0.05}, 0.95, id="LoRA"),
        pytest.param(esm, True, None, 0.7, id="ESM"),  # planned for as a Llama, which keeps more
    ],
)
def test_layers_keep_what_is_estimated(make, trained, lora, least, bf16):
    real = (kept_by_layer(*make(3, trained, bf16, lora), bf16) - kept_by_layer(*make(1, trained, bf16, lora), bf16)) / 2
    config = LlamaConfig(**SIZES, num_hidden_layers=1)
    stack = make_stack(config, trained, 2 if lora else 0)
    estimated = stack.kept(TOKENS, bf16, checkpointed=False)
    assert least <= real / estimated <= 1.05
