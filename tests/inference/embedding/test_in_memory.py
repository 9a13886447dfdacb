"""Embeddings as arrays: the right numbers, whatever the batch."""

import copy

import numpy as np
import pytest
import torch
from rdkit import Chem
from tokenizers.processors import TemplateProcessing
from transformers import EsmModel

import biomedgpt_hf
from biomedgpt_hf import GINModel, InvalidMoleculeError, InvalidProteinError, embed, smiles_to_graph
from biomedgpt_hf.inference.embedding import in_memory as embedding
from biomedgpt_hf.inference.embedding.embedder import Embedder, EmbeddingError
from biomedgpt_hf.inference.embedding.in_memory import modality_of
from biomedgpt_hf.inference.loading import load
from biomedgpt_hf.processors.protein_tokenizer import ESM2_VOCABULARY, build_protein_tokenizer

MOLECULES = ["CC(=O)OC1=CC=CC=C1C(=O)O", "C", "[Na+].[Cl-]", "c1ccccc1O", "CCO", "CCO"]
PROTEINS = ["MKTAYIAKQR", "M", "MDDDIAALVVDNGSGMCKAGFAGDDAPRAVFPSIVGRPRHQ", "GAVLIPF", "MKTAYIAKQR"]
HALF = {"atol": 2e-3, "rtol": 2e-3}  # float16 has eleven bits


@pytest.fixture(scope="module")
def parts():
    """The embedded checkpoint, with a protein encoder that tells proteins apart: its own hardly does."""
    model, processor = load(device="cpu", dtype="float32")
    model = copy.deepcopy(model)
    torch.manual_seed(0)
    for module in model.model.protein_encoder.modules():
        if isinstance(module, torch.nn.Embedding | torch.nn.Linear):
            scale = 1.0 if isinstance(module, torch.nn.Embedding) else 1.5 * module.in_features**-0.5
            torch.nn.init.normal_(module.weight, std=scale)
    return model, processor


@pytest.fixture(autouse=True)
def loads_them(parts, monkeypatch):
    def load_parts(checkpoint, device, dtype, revision):
        model, processor = parts
        if dtype in ("auto", "float32"):
            return model, processor
        return (copy.deepcopy(model).bfloat16(), processor) if dtype == "bfloat16" else load(dtype=dtype)

    monkeypatch.setattr(embedding, "load", load_parts)


@torch.no_grad()
def esm_rows(model, sequence):
    """Residues by transformers' own encoder, alone and without our processor, float32 [L, D]."""
    encoder = EsmModel(model.config.protein_config, add_pooling_layer=False).eval()
    encoder.load_state_dict(model.model.protein_encoder.state_dict(), strict=False)
    ids = torch.tensor([[0, *map(ESM2_VOCABULARY.index, sequence), 2]])
    return encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0, 1:-1]


@torch.no_grad()
def gin_rows(model, smiles):
    encoder = GINModel(model.config.molecule_config).eval()
    encoder.load_state_dict(model.model.molecule_encoder.state_dict())
    return encoder(
        *map(torch.from_numpy, smiles_to_graph(smiles, model.config.molecule_config.feature_set))
    ).last_hidden_state


@pytest.mark.parametrize("modality", ["molecule", "protein"])
def test_embeddings_are_those_of_the_encoder_itself(parts, modality):
    model, _ = parts
    items, rows_of = {"molecule": (MOLECULES, gin_rows), "protein": (PROTEINS, esm_rows)}[modality]
    rows = [rows_of(model, item) for item in items]
    projector = getattr(model.model, f"{modality}_projector")
    with torch.no_grad():
        projected = [projector(of_item) for of_item in rows]
    for features, expected in {"encoder": rows, "projected": projected}.items():
        options = {"modality": modality, "features": features, "dtype": "float32", "device": "cpu"}
        pooled, tokens = embed(items, **options), embed(items, level="tokens", **options)
        assert pooled.dtype == np.float16 and pooled.shape == (len(items), expected[0].shape[1])
        for place, of_item in enumerate(expected):
            assert tokens[place].dtype == np.float16 and tokens[place].shape == of_item.shape
            np.testing.assert_allclose(tokens[place], of_item.numpy(), **HALF)
            np.testing.assert_allclose(pooled[place], of_item.mean(0).numpy(), **HALF)
    assert np.abs(pooled[0] - pooled[2]).max() > 0.01  # other items are told apart
    assert np.array_equal(pooled[-1], pooled[4 if modality == "molecule" else 0])  # and the same ones are the same


@pytest.mark.parametrize("modality", ["molecule", "protein"])
def test_the_mean_after_the_projector_is_the_projected_mean(parts, modality):
    model, _ = parts
    items = MOLECULES if modality == "molecule" else PROTEINS
    projector = getattr(model.model, f"{modality}_projector")
    options = {"modality": modality, "dtype": "float32", "device": "cpu"}
    with torch.no_grad():
        projected = projector(torch.from_numpy(embed(items, **options)).float())
    np.testing.assert_allclose(embed(items, features="projected", **options), projected.numpy(), atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("level", ["pooled", "tokens"])
@pytest.mark.parametrize("items", [MOLECULES, PROTEINS], ids=["molecules", "proteins"])
def test_neither_the_batch_nor_the_order_changes_an_embedding(items, level):
    options = {"modality": "molecule" if items is MOLECULES else "protein", "level": level, "dtype": "float32"}
    options |= {"device": "cpu"}
    together = embed(items, **options)
    alone = [embed([item], **options)[0] for item in items]
    one_by_one = embed(items, batch_tokens=1, **options)
    backwards = embed(items[::-1], batch_tokens=20, **options)[::-1]
    for others in (alone, one_by_one, backwards):
        for one, other in zip(together, others, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("start", "end"), [([], []), ([], ["<eos>"]), (["<cls>"], ["<eos>"]), (["<cls>"] * 2, [])])
@pytest.mark.parametrize("features", ["encoder", "projected"])
def test_tokens_around_a_protein_never_count(parts, monkeypatch, start, end, features):
    model, processor = parts
    monkeypatch.setattr(model.config, "protein_feature_select", "full")
    tokenizer = build_protein_tokenizer()
    around = [(token, ESM2_VOCABULARY.index(token)) for token in dict.fromkeys([*start, *end])]
    template = TemplateProcessing(single=[*start, "$A", *end], special_tokens=around)
    tokenizer.backend_tokenizer.post_processor = template
    other = type(processor)(processor.tokenizer, tokenizer, protein_feature_select="full")
    embedder = Embedder(model, other, "protein", level="tokens", features=features)
    prepared = [embedder.prepare(protein) for protein in PROTEINS]
    ids = torch.tensor([[ESM2_VOCABULARY.index(token) for token in [*start, *PROTEINS[0], *end]]])
    with torch.no_grad():
        rows = model.model.protein_encoder(input_ids=ids)[0][0, len(start) : ids.shape[1] - len(end)]
        rows = model.model.protein_projector(rows) if features == "projected" else rows
    embeddings = embedder.embed(prepared)
    assert [len(embedding) for embedding in embeddings] == [len(protein) for protein in PROTEINS]
    np.testing.assert_allclose(embeddings[0], rows.numpy(), **HALF)


def test_residues_are_the_same_whether_the_language_model_reads_the_tokens_around_them_or_not(parts, monkeypatch):
    model, processor = parts
    embeddings = {}
    for select in ("residues", "full"):
        monkeypatch.setattr(model.config, "protein_feature_select", select)
        other = type(processor)(processor.tokenizer, protein_feature_select=select)
        embedder = Embedder(model, other, "protein", level="tokens", features="projected")
        embeddings[select] = embedder.embed([embedder.prepare(protein) for protein in PROTEINS])
    for one, other in zip(*embeddings.values(), strict=True):
        assert np.array_equal(one, other)


def test_batches_hold_no_more_than_they_may_and_every_item_once(parts):
    embedder = Embedder(*parts, "protein", batch_tokens=100)
    lengths = [7, 300, 50, 50, 1, 99, 33, 33, 33]
    batches = embedder.batches(lengths)
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    assert all(len(b) == 1 or max(lengths[p] for p in b) * len(b) <= 100 for b in batches)
    assert [lengths[batch[0]] for batch in batches] == sorted((lengths[b[0]] for b in batches), reverse=True)
    assert embedder.batches([]) == []


def test_molecules_come_in_any_form_and_size(parts):
    graph = smiles_to_graph("CCO", parts[0].config.molecule_config.feature_set)
    same = embed(["CCO", "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", Chem.MolFromSmiles("CCO"), graph], device="cpu")
    np.testing.assert_allclose(same, np.broadcast_to(same[:1], same.shape), atol=1e-3)
    (large,) = embed(["C" * 2000], modality="molecule", level="tokens", device="cpu")
    assert large.shape == (2000, parts[0].config.molecule_config.hidden_size) and np.isfinite(large).all()


def test_the_modality_is_told_by_what_can_be_nothing_else(parts):
    _, processor = parts
    assert modality_of(["CCO", "c1ccccc1"], processor) == "molecule"
    assert modality_of([Chem.MolFromSmiles("C")], processor) == "molecule"
    assert modality_of(["CCO", "MKT"], processor) == "protein"
    with pytest.raises(ValueError, match="the items do not tell"):
        embed(["CCO", "CNO"])
    with pytest.raises(ValueError, match="item 1 is a molecule, item 0 is a protein"):
        embed(["MKT", "c1ccccc1"])
    with pytest.raises(ValueError, match="do not tell"):
        embed([])
    assert embed([], modality="protein").shape == (0, parts[0].config.protein_config.hidden_size)
    assert embed([], modality="protein", level="tokens") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"items": "CCO"}, "items is a value of type str. Pass a list"),
        ({"items": smiles_to_graph("CCO")}, "Pass a list"),
        ({"items": ["C"], "modality": "cell"}, "modality is 'cell'. Choose one of molecule, protein"),
        ({"items": ["C"], "level": "atom"}, "level is 'atom'"),
        ({"items": ["C"], "features": "raw"}, "features is 'raw'"),
        ({"items": ["C"], "long_proteins": "cut"}, "long_proteins is 'cut'"),
        ({"items": ["C"], "batch_tokens": 0}, "batch_tokens is 0"),
        ({"items": ["C"], "dtype": "int8"}, "dtype is 'int8'"),
    ],
)
def test_a_wrong_argument_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        embed(**arguments)


def test_bad_items_are_told_with_their_place():
    with pytest.raises(InvalidMoleculeError, match="molecule 1, 'C\\(C'"):
        embed(["CC", "C(C"], modality="molecule")
    with pytest.raises(InvalidProteinError, match="protein 1.*not a residue"):
        embed(["MKT", "MK1"], modality="protein")
    with pytest.raises(InvalidProteinError, match="protein 1.*35,000 residues"):
        embed(["MKT", "M" * 35_000], modality="protein")


def test_long_proteins_are_cut_on_request(parts):
    limit = parts[1].max_protein_length
    long = "MKTAYIAKQR" * 3_500
    with pytest.warns(UserWarning, match="was cut"):
        cut = embed([long, "MKT"], modality="protein", long_proteins="crop", device="cpu")
    np.testing.assert_allclose(cut, embed([long[: limit - 2], "MKT"], modality="protein", device="cpu"), atol=1e-3)


@pytest.mark.parametrize(("factor", "kind"), [(1e7, "beyond ±65,504"), (float("nan"), "not a number")])
@pytest.mark.parametrize("level", ["pooled", "tokens"])
def test_what_float16_cannot_hold_is_an_error_and_never_infinite(parts, monkeypatch, factor, kind, level):
    encode = type(parts[0]).get_modality_features

    def scaled(*args, **tensors):
        output = encode(*args, **tensors)
        output.last_hidden_state = output.last_hidden_state * factor
        return output

    monkeypatch.setattr(type(parts[0]), "get_modality_features", scaled)
    with pytest.raises(EmbeddingError, match=f"Cannot embed molecule [01]. .*{kind}"):
        embed(["CCO", "CCN"], modality="molecule", dtype="float32", device="cpu", level=level)


def test_a_batch_that_does_not_fit_is_halved(parts, monkeypatch):
    embedder = Embedder(*parts, "molecule")
    prepared = [embedder.prepare(smiles) for smiles in [*MOLECULES, "C" * 100]]
    run, expected = embedder._embed, embedder.embed(prepared)

    def small_memory(contents):
        if sum(len(graph.atom_features) for graph in contents) > 30:
            raise torch.OutOfMemoryError
        return run(contents)

    monkeypatch.setattr(embedder, "_embed", small_memory)
    *embeddings, last = embedder.embed(prepared)
    for one, wanted in zip(embeddings, expected, strict=False):
        np.testing.assert_allclose(one, wanted, atol=1e-3)
    assert isinstance(last, EmbeddingError) and "memory" in str(last)


def test_half_precision_inside_still_takes_the_mean_in_float32(parts):
    wide = embed(PROTEINS, modality="protein", dtype="float32", device="cpu")
    narrow = embed(PROTEINS, modality="protein", dtype="bfloat16", device="cpu")
    assert narrow.dtype == np.float16 and np.abs(wide.astype(float) - narrow).max() < 0.1


def test_the_function_is_the_packages_own():
    assert biomedgpt_hf.embed is embed
