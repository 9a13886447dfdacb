"""Rows that are known to be good without being built: the same rows, lengths and reasons as by building all."""

from pathlib import Path

import pytest
from datasets import Dataset

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.batches.preferences import BioMedGPTPreferenceCollator, preference_features
from biomedgpt_hf.processors.molecular_graph import InvalidMoleculeError, count_atoms_unread, smiles_to_graph
from biomedgpt_hf.rows.schema import features, question_row
from biomedgpt_hf.training.screening import sure_rows
from biomedgpt_hf.training.screening.screening import screen
from biomedgpt_hf.training.screening.sure_rows import SureRows

TEMPLATE = Path(mini_checkpoint(), "chat_template.jinja").read_text("utf-8")
MOLECULES = [
    *("CCO", "C", "[Na+].[Cl-]", "[H]O[H]", "  OCC\n", "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", "F/C=C\\Cl", "*CC[*:1]"),
    *("C$C", "C<-N", "C[Pt@SP1](F)(Cl)Br", "C[Co@OH1](F)(Cl)(Br)(I)N", "[C-6]", "[Na+7]", "[Sc+8]", "C~C"),
    *("F[As@TB1](Cl)(Br)(N)S", "[O-][Cl+3]([O-])([O-])[O-]", "C[S@@+]([O-])C", "[Fe]", "[#200]", "CN(C)(C)(C)C"),
    *("not a molecule", "CCO name"),
]  # fmt: skip
PROTEINS = ["MKTAYIAK", "m k t a\nY", "MKTA*", "MK*TA", "M1", "ACGT" * 20, "MKTA" * 300]
ANSWERS = ["Ethanol.", "β-D-glucose", "猫", "…", "​", "word " * 2000, "### Human: no", "<s>", "a\n\nb"]


def row(id, question="Name it.", answer="Ethanol.", **items):
    return question_row(question, answer, task="names", source="test", id=id, license="CC0-1.0", **items)


def odd_rows() -> list[dict]:
    """Good rows and bad ones of many kinds, the bad in the company of good ones of the same layout."""
    rows = [row(f"m{place}", molecules=[one]) for place, one in enumerate(MOLECULES)]
    rows += [row(f"p{place}", proteins=[one]) for place, one in enumerate(PROTEINS)]
    rows += [row(f"a{place}", answer=one) for place, one in enumerate(ANSWERS)]
    rows += [row(f"b{place}", molecules=["CCO", one], proteins=["MKT"]) for place, one in enumerate(MOLECULES[::4])]
    rows += [row("placeholder", "What is <moleculeHere>?"), row("break", answer="A\ufdd0B"), row("empty", answer=" ")]
    rows += [row("missing", molecules=["CCO"]) | {"molecules": []}, row("more") | {"molecules": ["CCO"]}]
    rows += [row("silent") | {"messages": row("silent")["messages"][:1]}, row("none") | {"messages": None}]
    longer = row("turns", molecules=["CCO"])
    longer["messages"] += [
        {"role": role, "content": [{"type": "text", "text": "So?"}]} for role in ("user", "assistant")
    ]
    return [*rows, longer, row("system") | {"messages": [*row("x")["messages"], *row("x")["messages"][:1]]}]


@pytest.fixture(scope="module")
def processor():
    return BioMedGPTProcessor.from_pretrained(mini_checkpoint())


@pytest.fixture(scope="module")
def rows() -> Dataset:
    return Dataset.from_list(odd_rows(), features=features())


def built(collator, monkeypatch) -> list[int]:
    """Ids of the rows that a collator of this kind builds from now on."""
    ids: list[int] = []
    call = type(collator).__call__
    monkeypatch.setattr(
        type(collator), "__call__", lambda self, rows: ids.extend(r["id"] for r in rows) or call(self, rows)
    )
    return ids


def assert_as_by_building(rows, collator, monkeypatch, **options) -> None:
    quick = screen(rows, collator, progress=False, **options)
    monkeypatch.setattr(SureRows, "lengths", lambda self, rows: [0] * len(rows))
    every = screen(rows, collator, progress=False, **options)
    monkeypatch.undo()
    assert quick.rejections == every.rejections
    assert quick.lengths.tolist() == every.lengths.tolist()
    assert 0 < len(every.rejections) < len(rows)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"max_length": 96},
        {"processor_kwargs": {"truncation": True}},
        {"processor_kwargs": {"pad_to_multiple_of": 64}},
        {"processor_kwargs": {"max_length": 96}},
        {"packing": True},
        {"share_prefix": True},
        {"padding_side": "left"},
    ],
    ids=str,
)
def test_rows_are_kept_and_refused_as_by_building_each(rows, processor, monkeypatch, arguments):
    assert_as_by_building(rows, BioMedGPTDataCollator(processor, **arguments), monkeypatch)


def test_it_is_so_with_either_feature_set_and_for_text_alone(rows, processor, monkeypatch):
    other = BioMedGPTProcessor.from_parts(
        processor.tokenizer,
        processor.protein_tokenizer,
        molecule_features="graphmvp",
        protein_feature_select="residues",
    )
    assert other.molecule_features != processor.molecule_features
    assert_as_by_building(rows, BioMedGPTDataCollator(other), monkeypatch)
    assert_as_by_building(rows, BioMedGPTDataCollator(processor), monkeypatch, text_only=True)


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE.replace("{%- generation -%}", "").replace("{%- endgeneration -%}", ""),
        TEMPLATE.replace("<molecule><moleculeHere></molecule>", "{% if loop.first %}<moleculeHere>{% endif %}"),
        TEMPLATE.replace("{{- eos_token -}}", ""),
        TEMPLATE.replace("if loop.last", "if seen.proteins and raise_exception('No proteins.') or loop.last"),
    ],
    ids=["learns nothing", "forgets a molecule", "no end", "refuses some"],
)
def test_it_is_so_whatever_a_template_does(rows, processor, monkeypatch, template):
    assert template != TEMPLATE
    collator = BioMedGPTDataCollator(processor, chat_template=template)
    if "{%- generation -%}" in template:
        assert_as_by_building(rows, collator, monkeypatch)
    else:
        with pytest.raises(ValueError, match="has no token to learn"):
            screen(rows.select([0, 1]), collator, progress=False)


def test_of_good_rows_one_of_each_layout_is_built(processor, monkeypatch):
    good = [row(f"m{place}", molecules=["C" * (1 + place % 9)]) for place in range(60)]
    good += [row(f"p{place}", proteins=["MKTAY" * (1 + place % 9)]) for place in range(60)]
    good[30] = row("bad", molecules=["CN(C)(C)(C)C"])
    collator = BioMedGPTDataCollator(processor)
    ids = built(collator, monkeypatch)
    screening = screen(Dataset.from_list(good, features=features()), collator, progress=False)
    assert ids == ["m0", "p0", "bad"]
    assert len(screening.kept) == 119


def test_an_item_of_several_rows_is_read_once(processor, monkeypatch):
    read: list[str] = []
    reader = type(processor.readers["molecule"])
    measure = reader.measure
    monkeypatch.setattr(
        reader, "measure", lambda self, item, *a, **k: read.append(item) or measure(self, item, *a, **k)
    )
    same = Dataset.from_list([row(f"r{place}", molecules=["CCO"]) for place in range(20)], features=features())
    screen(same, BioMedGPTDataCollator(processor), progress=False)
    assert read == ["CCO"]
    monkeypatch.setattr(sure_rows, "REMEMBERED_ITEMS", 2)
    several = [row(f"r{place}", molecules=["C" * (1 + place % 5)]) for place in range(20)]
    screening = screen(
        Dataset.from_list(several, features=features()), BioMedGPTDataCollator(processor), progress=False
    )
    assert len(screening.kept) == 20 and len(read) > 6


def test_rows_of_other_collators_are_built(processor, monkeypatch):
    class Halving(BioMedGPTDataCollator):
        def __call__(self, rows):
            raise ValueError("not today")

    some = Dataset.from_list([row(f"r{place}", molecules=["CCO"]) for place in range(4)], features=features())
    assert SureRows(Halving(processor)).lengths(list(some)) == [0] * 4
    pairs = [{**row("q", molecules=["CCO"]), "chosen": "An alcohol.", "rejected": "A metal."}]
    pairs[0]["messages"] = pairs[0]["messages"][:1]
    collator = BioMedGPTPreferenceCollator(processor)
    screening = screen(Dataset.from_list(pairs, features=preference_features()), collator, progress=False)
    assert screening.lengths.tolist() == [collator(pairs)["input_ids"].numel()]


@pytest.mark.parametrize("name", ["graphmvp", "ogb"])
@pytest.mark.parametrize("molecule", MOLECULES)
def test_atoms_are_counted_unread_only_where_there_is_a_graph(molecule, name):
    counted = count_atoms_unread(molecule, name)
    try:
        atoms = len(smiles_to_graph(molecule, name).atom_features)
    except InvalidMoleculeError:
        atoms = None
    assert counted in (None, atoms)
    assert counted is not None or atoms is None or any(sign in molecule for sign in "*")
