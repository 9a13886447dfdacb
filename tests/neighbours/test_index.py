"""An index, opened: what it tells of itself, and folders that are none."""

import json
import shutil

import pytest

from biomedgpt_hf.neighbours import NeighbourIndex, NeighbourIndexError, build_index, folder

from ..built_set import row, write_set


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole")
    rows = [row(f"r{n}", molecules=["C" * n + "O"], proteins=["M" + "KVACDEFGHI"[n % 7 :] * 2]) for n in range(1, 21)]
    build_index([write_set(path / "set", {"train": rows})], path / "index")
    return path / "index"


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def ask_all(path):
    index = NeighbourIndex.open(path)
    return index.molecules(["CCO", "CCCCO"], 3), index.proteins(["MKVACDEFGHI"], 3)


def test_what_is_found_does_not_hang_on_how_items_are_cut_into_members(whole, tmp_path, monkeypatch):
    expected = ask_all(whole)
    monkeypatch.setattr(folder, "ITEMS_PER_MEMBER", 3)
    build_index([whole.parent / "set"], tmp_path / "index")
    assert ask_all(tmp_path / "index") == expected


def test_the_same_question_has_the_same_answer(whole):
    assert ask_all(whole) == ask_all(whole)


def test_facts_tell_an_index_from_others(whole, copy):
    facts = NeighbourIndex.open(whole).facts
    assert facts == {**NeighbourIndex.open(copy).facts, "name": "index"}
    assert json.loads(json.dumps(facts)) == facts and len(facts["sha256"]) == 64
    assert NeighbourIndex.open(whole).embeddings is None


def test_opening_reads_only_the_manifest(copy):
    index = NeighbourIndex.open(copy)
    (copy / "proteins.safetensors").unlink()
    assert index.molecules(["CCO"], 1)[0][0].same
    with pytest.raises(NeighbourIndexError, match=r"proteins\.safetensors cannot be read"):
        index.proteins(["MKVAC"], 1)


def test_nothing_asked_is_nothing_found(whole):
    index = NeighbourIndex.open(whole)
    assert index.molecules([], 3) == index.proteins([], 3) == []


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_neighbour_is_an_error(whole, k):
    index = NeighbourIndex.open(whole)
    for ask in (lambda: index.molecules(["CCO"], k), lambda: index.proteins(["MKV"], k)):
        with pytest.raises(ValueError, match="must be at least 1"):
            ask()


def edit(**changes):
    def change(path):
        manifest = json.loads((path / "index.json").read_text("utf-8"))
        (path / "index.json").write_text(json.dumps({**manifest, **changes}))

    return change


def cut(name):
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:-9])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "index.json").unlink(), "is not an index: it has no index.json"),
        (cut("index.json"), "index.json cannot be read"),
        (lambda path: (path / "index.json").write_bytes(b"\xff\xfe"), "index.json cannot be read"),
        (lambda path: (path / "index.json").write_text("[]"), "is not an index of"),
        (lambda path: (path / "index.json").write_text('{"model_type": "llama"}'), "is not an index of"),
        (edit(version=2), "has version 2, but this program reads 3"),
        (edit(files={"items.zip": 3}), "index.json is not complete"),
        (edit(files={}), "index.json is not complete"),
        (edit(files=None), "index.json is not complete"),
        (edit(settings={"molecule": {"radius": 3}, "protein": {}}), "built with other settings"),
        (lambda path: (path / "items.zip").unlink(), "items.zip is missing"),
        (cut("molecules.safetensors"), r"molecules.safetensors has [\d,]+ bytes, but was written with"),
    ],
)
def test_a_folder_that_is_no_whole_index_is_named(copy, damage, message):
    damage(copy)
    with pytest.raises(NeighbourIndexError, match=message) as error:
        NeighbourIndex.open(copy)
    assert str(copy) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["items.zip", "molecules.safetensors"])
def test_a_file_of_the_right_size_that_is_corrupt_is_named(copy, name):
    size = (copy / name).stat().st_size
    (copy / name).write_bytes(b"\xff" * size)
    with pytest.raises(NeighbourIndexError, match=f"{name} cannot be read") as error:
        NeighbourIndex.open(copy).molecules(["CCO"], 1)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent: there is no such folder"):
        NeighbourIndex.open(tmp_path / "absent")


def test_forgotten_items_are_found_no_more_and_neither_are_their_stereoisomers(tmp_path):
    molecules = ["C[C@@H](N)C(O)=O", "C[C@H](N)C(O)=O", "CCC(N)C(O)=O"]
    rows = [row(one, molecules=[one]) for one in molecules] + [
        row("p", proteins=["MKVACD"]),
        row("q", proteins=["MKVACDE"]),
    ]
    build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index")
    index = NeighbourIndex.open(tmp_path / "index")
    assert index.forget(["CC(N)C(=O)[O-].[Na+]"], ["mkvacd"]) == 3
    assert [one.item for one in index.molecules([molecules[0]], 9)[0]] == [molecules[2]]
    assert [one.item for one in index.proteins(["MKVACD"], 9)[0]] == ["MKVACDE"]
    assert index.forget([molecules[0]]) == 0
    with pytest.raises(ValueError, match="RDKit cannot read molecule 0"):
        index.forget(["C(C"])


def test_what_is_identical_is_told_from_what_has_the_same_structure(tmp_path):
    rows = [row("a", molecules=["C[C@@H](N)C(O)=O"]), row("b", proteins=["MKVACD"])]
    build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index")
    index = NeighbourIndex.open(tmp_path / "index")
    found = [index.molecules([one], 1)[0][0] for one in ("OC(=O)[C@@H](N)C", "OC(=O)[C@H](N)C")]
    assert [(one.same, one.identical) for one in found] == [(True, False), (True, True)]
    assert index.proteins(["mkvacd"], 1)[0][0].identical
