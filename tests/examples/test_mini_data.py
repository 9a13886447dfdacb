"""The sets of the mini checkpoint: nothing on both sides, nothing of the test split."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest
from datasets import load_dataset

from biomedgpt_hf.similarity.structure_key import structure_key

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "mini_data.py"


@pytest.fixture(scope="module")
def mini_data():
    spec = importlib.util.spec_from_file_location("mini_data", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_similar_proteins_are_grouped_also_over_a_third_one(mini_data):
    first, second, other = ("".join(random.Random(seed).choices("ACDEFGHIKLMNPQRSTVWY", k=120)) for seed in range(3))
    sequences = {"a": first, "b": second, "bridge": first[:60] + second[:60], "c": other, "fragment": other[:30]}
    groups = {frozenset(names) for names in mini_data.similar_proteins(sequences)}
    assert groups == {frozenset({"a", "b", "bridge"}), frozenset({"c", "fragment"})}


def test_groups_are_held_out_whole_and_about_the_wanted_share(mini_data):
    groups = [[f"{i}-{j}" for j in range(1 + i % 5)] for i in range(60)]
    held_out = mini_data.hold_out(groups, 0.1, random.Random(0))
    assert all(held_out.isdisjoint(names) or held_out.issuperset(names) for names in groups)
    assert len(held_out) == pytest.approx(18, abs=4)


@pytest.mark.slow
def test_the_real_sets_share_nothing_between_their_splits(mini_data, shared, tmp_path, monkeypatch):
    raw = shared / "data"
    monkeypatch.setattr(sys, "argv", ["mini_data.py", str(raw), str(tmp_path)])
    mini_data.main()
    captions = load_dataset(str(tmp_path / "captions"), cache_dir=tmp_path / "cache")
    keys = {split: [structure_key(row["molecules"][0]) for row in rows] for split, rows in captions.items()}
    train, held_out = set(keys["train"]), set(keys["validation"])
    assert len(keys["validation"]) == len(held_out) == 500
    assert train.isdisjoint(held_out)
    assert (train | held_out).isdisjoint(mini_data.structure_keys([raw / "captions/chebi20/test.txt"]))
    proteins = load_dataset(str(tmp_path / "proteins"), cache_dir=tmp_path / "cache")
    words = {
        split: [{protein[i : i + 5] for i in range(len(protein) - 4)} for [protein] in rows["proteins"]]
        for split, rows in proteins.items()
    }
    for held_out in words["validation"]:
        assert all(len(held_out & seen) < 0.3 * min(len(held_out), len(seen)) for seen in words["train"])
    questions = {row["messages"][0]["content"][1]["text"] for row in captions["validation"]}
    assert questions == {"Please describe this molecule."}
