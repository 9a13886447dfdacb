"""What becomes of a set's rows in an index."""

import json
import os
import random

import pytest
from safetensors import safe_open

from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.neighbours import NeighbourIndex, Text, build, build_index

from ..built_set import inline_row, row, write_set


def say(role, *texts):
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts]}


def texts_of(index, molecule):
    return [tuple(text) for text in index.molecules([molecule], 1)[0][0].texts]


@pytest.fixture
def make(tmp_path):
    def make(*rows, **options):
        build_index([write_set(tmp_path / "set", {"train": rows})], tmp_path / "index", **options)
        return NeighbourIndex.open(tmp_path / "index")

    return make


def test_texts_of_all_rows_of_an_item_are_gathered_once_each_in_order(make):
    index = make(
        row("a", molecules=["CCO"], question="One?"),
        row("b", molecules=["CCN"]),
        {**row("c", molecules=["OCC"], question="Two?"), "source": "other", "license": "MIT"},
        row("a", molecules=["CCO"], question="One?"),
    )
    ((found, _),) = index.molecules(["CCO"], 2)
    assert found.texts == (Text("One?", "It is a."), Text("Two?", "It is c."))
    assert (found.id, found.item, found.source, found.license) == ("a", "CCO", "s, other", "CC0-1.0 AND MIT")
    assert index.facts["counts"] == {
        "rows": 4,
        "rows_without_items": 0,
        "molecules": 2,
        "proteins": 0,
        "texts": 3,
        "unreadable_molecules": 0,
        "proteins_without_embedding": 0,
    }


def test_a_row_s_text_counts_for_each_of_its_items_wherever_they_stand(make):
    index = make(
        row("a", molecules=["CCO", "CCN", "CCO"], proteins=["MKVAA", "mkvaa"]),
        inline_row("b", molecule="CCC", protein="MMMMMM"),
    )
    assert (index.facts["counts"]["molecules"], index.facts["counts"]["proteins"]) == (3, 2)
    assert [texts_of(index, one)[0][1] for one in ("CCO", "CCN", "CCC")] == ["It is a.", "It is a.", "It is b."]
    proteins = index.proteins(["MKVAA", "MMMMMM"], 1)
    assert [found[0].texts[0].answer for found in proteins] == ["It is a.", "It is b."]


def test_each_answer_of_a_conversation_goes_with_the_question_before_it(make):
    talk = row("a", molecules=["CCO"])
    talk["messages"] = [
        say("system", "Be kind."),
        {"role": "user", "content": [{"type": "molecule"}, *say("user", "One,", "two?")["content"]]},
        say("assistant", "A."),
        say("user", "Three?"),
        say("assistant", "B."),
    ]
    bare = row("b", molecules=["CCN"])
    bare["messages"] = [{"role": "user", "content": [{"type": "molecule"}]}, say("assistant", "C.")]
    index = make(talk, bare)
    assert texts_of(index, "CCO") == [("One,\ntwo?", "A."), ("Three?", "B.")]
    assert texts_of(index, "CCN") == [("", "C.")]


def test_rows_without_items_and_unreadable_molecules_are_counted(make):
    index = make(row("a"), row("b", molecules=["CCO"]), row("c", molecules=["C(C"]), row("d", molecules=["C(C"]))
    counts = index.facts["counts"]
    assert (counts["rows"], counts["rows_without_items"], counts["unreadable_molecules"]) == (4, 1, 1)
    assert (counts["molecules"], counts["texts"]) == (1, 1)
    assert index.proteins(["MKV"], 3) == [[]]


def test_only_the_named_splits_are_indexed_and_sources_are_described(tmp_path):
    sets = [
        write_set(
            tmp_path / f"set{number}", {"train": [row("a", molecules=[one])], "test": [row("b", molecules=["N"])]}
        )
        for number, one in enumerate(["CCO", "CCN"])
    ]
    for splits, items in (("train",), {"CCO", "CCN"}), (("test", "train"), {"CCO", "CCN", "N"}):
        manifest = build_index(sets, tmp_path / "-".join(splits), splits=splits)
        index = NeighbourIndex.open(tmp_path / "-".join(splits))
        assert {found.item for one in ("CCO", "N") for found in index.molecules([one], 9)[0]} == items
        assert index.facts["splits"] == list(splits)
        assert index.facts["sources"] == [describe_source(folder) for folder in sets] == manifest["sources"]


def test_worker_processes_give_the_same_index(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "CHUNK", 2)
    rows = [row(f"m{number}", molecules=["C" * number + "O"]) for number in range(1, 21)]
    folder = write_set(tmp_path / "set", {"train": rows})
    files = [build_index([folder], tmp_path / str(processes), processes=processes)["files"] for processes in (1, 2)]
    assert files[0] == files[1]


def test_the_folder_is_safetensors_and_json_that_others_may_read(make, tmp_path):
    make(row("a", molecules=["CCO"], proteins=["MKVAAA"]))
    names = {path.name for path in (tmp_path / "index").iterdir()}
    assert names == {"index.json", "items.zip", "molecules.safetensors", "proteins.safetensors"}
    mask = os.umask(0)
    os.umask(mask)
    for name in names:
        assert (tmp_path / "index" / name).stat().st_mode & 0o777 == 0o666 & ~mask
    with safe_open(tmp_path / "index" / "molecules.safetensors", "numpy") as file:
        assert set(file.keys()) == {"owners", "bit_sizes", "sizes", "skeletons", "keys", "identities"}
    manifest = json.loads((tmp_path / "index" / "index.json").read_text("utf-8"))
    assert manifest["settings"]["molecule"] == {"radius": 2, "bits": 2048} and "rdkit" in manifest["tools"]


def test_an_interrupted_build_leaves_nothing(make, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "write_items", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(row("a", molecules=["CCO"]))
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_an_output_that_holds_something_is_left_alone(make, tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="already exists"):
        make(row("a", molecules=["CCO"]))
    assert (tmp_path / "index" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("rows", [[row("a")], [row("a", molecules=["C(C"])]])
def test_a_set_without_items_is_an_error(make, tmp_path, rows):
    with pytest.raises(ValueError, match="No molecule or protein can be indexed"):
        make(*rows)
    assert not (tmp_path / "index").exists()


def break_nothing(folder):
    return folder / "absent"


def break_folder(folder):
    (folder / "notes.txt").write_text("no set")
    return folder


def break_split(folder):
    return write_set(folder / "set", {"test": [row("a", molecules=["CCO"])]})


def break_parquet(folder):
    folder = write_set(folder / "set", {"train": [row("a", molecules=["CCO"])]})
    (file,) = (folder / "data").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    return folder


def break_columns(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir()
    pq.write_table(pa.table({"smiles": ["CCO"]}), folder / "data" / "train-00000-of-00001.parquet")
    return folder


def break_row(folder):
    broken = row("a", molecules=["CCO"])
    broken["molecules"] = []
    return write_set(folder / "set", {"train": [broken]})


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (break_nothing, FileNotFoundError, "there is no such folder"),
        (break_folder, ValueError, "is not the folder of a set"),
        (break_split, ValueError, "has no train rows, but test rows"),
        (break_parquet, ValueError, "train-00000-of-00001.parquet: .* Is it whole"),
        (break_columns, ValueError, "does not have the columns messages, molecules"),
        (break_row, ValueError, "Row 'a', field 'molecules'"),
    ],
)
def test_a_source_that_is_no_set_is_named(tmp_path, damage, error, message):
    with pytest.raises(error, match=message):
        build_index([damage(tmp_path)], tmp_path / "index")
    assert not list(tmp_path.glob("*index*")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("sources", "splits"), [([], ["train"]), (["set"], []), (["set"], ["training"])])
def test_no_source_and_unknown_splits_are_errors(make, tmp_path, sources, splits):
    make(row("a", molecules=["CCO"]))
    with pytest.raises(ValueError, match="Name one|splits are train, validation, test"):
        build_index([tmp_path / one for one in sources], tmp_path / "another", splits=splits)


def test_a_compact_index_finds_the_same_proteins_and_is_smaller(tmp_path):
    chance = random.Random(0)
    proteins = ["".join(chance.choices("ACDEFGHIKLMNPQRSTVWY", k=200)) for _ in range(50)]
    folder = write_set(tmp_path / "set", {"train": [row(f"p{n}", proteins=[one]) for n, one in enumerate(proteins)]})
    sizes, found = [], []
    for compact in (False, True):
        output = tmp_path / str(compact)
        build_index([folder], output, compact=compact)
        sizes.append((output / "proteins.safetensors").stat().st_size)
        found.append(NeighbourIndex.open(output).proteins([proteins[3][:90] + proteins[7], "MKVAAC"], 5))
    assert found[0] == found[1] and sizes[1] * 5 < sizes[0]


def test_items_have_the_names_of_their_rows_ids(tmp_path):
    (tmp_path / "names.tsv").write_text("id\tname\nCHEBI:1\tethanol\nP1\tPrion protein\n")
    (tmp_path / "names.obo").write_text("format-version: 1.2\n\n[Term]\nid: CHEBI:1\nname: ethanol\n")
    rows = [row("CID:9", molecules=["CCO"]), row("CHEBI:1", molecules=["OCC"]), row("P1:name", proteins=["MKVAAC"])]
    folder = write_set(tmp_path / "set", {"train": [*rows, row("x", molecules=["CCN"])]})
    for file, protein in (("names.tsv", ("P1", "Prion protein")), ("names.obo", ("P1:name", ""))):
        build_index([folder], tmp_path / f"index of {file}", names=[tmp_path / file])
        index = NeighbourIndex.open(tmp_path / f"index of {file}")
        ((ethanol, amine),) = index.molecules(["CCO"], 2)
        assert (ethanol.id, ethanol.name, amine.id, amine.name) == ("CHEBI:1", "ethanol", "x", "")
        ((known,),) = index.proteins(["MKVAAC"], 1)
        assert (known.id, known.name) == protein
        assert index.facts["sources"][-1]["role"] == "names"


def test_options_that_do_not_fit_and_files_without_names_are_errors(make, tmp_path):
    rows = [row("a", molecules=["CCO"])]
    (tmp_path / "names.tsv").write_text("key\tvalue\n1\t2\n")
    with pytest.raises(ValueError, match="names.tsv, line 1: is neither a table with the columns id and name nor"):
        make(*rows, names=[tmp_path / "names.tsv"])
    with pytest.raises(ValueError, match="Leave one out"):
        build_index([tmp_path / "set"], tmp_path / "index", compact=True, protein_embeddings=tmp_path / "names.tsv")
