import pytest

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.caption_facts import CaptionFacts
from biomedgpt_hf.evaluation.metrics.enzyme_numbers import EnzymeNumbers, enzyme_numbers
from biomedgpt_hf.evaluation.metrics.exact_answers import ExactAnswers, groups_of, value_of
from biomedgpt_hf.evaluation.metrics.listed_names import ListedNames, listed_names
from biomedgpt_hf.evaluation.ontology import Ontology, read_ontology


def scored(metric, *pairs, task="", kind="molecule"):
    rows = [
        Answered(str(i), answer, reference, task=task, items={kind: ("C",)})
        for i, (answer, reference) in enumerate(pairs)
    ]
    assert all(map(metric.applies_to, rows))
    return {name: float(value) for name, value in metric.scores(metric.statistics(rows).sum(axis=0)).items()}


class TestCaptionFacts:
    def test_facts_are_counted_over_all_rows(self):
        pairs = [
            ("The molecule is a ketone. It has a role as a drug.", "The molecule is a ketone. It has a role as a dye."),
            ("The molecule is an acid.", "The molecule is an acid."),
        ]
        assert scored(CaptionFacts(), *pairs) == pytest.approx(
            dict.fromkeys(("fact_precision", "fact_recall", "fact_f1"), 2 / 3)
        )

    def test_an_empty_answer_states_nothing_and_lowers_recall_only(self):
        found = scored(CaptionFacts(), ("", "It is a ketone."), ("It is an acid.", "It is an acid."))
        assert found["fact_precision"] == 1 and found["fact_recall"] == 0.5

    def test_a_class_above_the_right_one_counts_in_part(self):
        ontology = Ontology({"ketone": ["carbonyl compound"], "carbonyl compound": ["organic compound"]})
        for answer, credit in (("ketone", 1), ("carbonyl compound", 1 / 2), ("organic compound", 1 / 3), ("ester", 0)):
            found = scored(CaptionFacts(ontology), (f"It is a {answer}.", "It is a ketone."))
            assert found["graded_fact_f1"] == pytest.approx(credit)
            assert found["fact_f1"] == (answer == "ketone")

    def test_relatives_get_no_credit_for_their_class(self):
        ontology = Ontology({"ketone": ["compound"]})
        found = scored(CaptionFacts(ontology), ("It derives from a compound.", "It derives from a ketone."))
        assert found["graded_fact_f1"] == 0

    def test_it_does_not_score_what_states_nothing(self):
        assert not CaptionFacts().applies_to(Answered("1", "", "Used in dyes.", items={"molecule": ("C",)}))
        assert not CaptionFacts().applies_to(Answered("1", "", "It is a ketone.", items={"protein": ("MK",)}))


class TestOntology:
    def test_the_shortest_way_up_counts(self):
        steps = Ontology({"a": ["b", "d"], "b": ["c"], "c": ["d"], "d": ["a"]}).steps_up("a")
        assert steps == {"a": 0, "b": 1, "d": 1, "c": 2}

    def test_it_is_read_from_obo(self, tmp_path):
        (tmp_path / "x.obo").write_text(
            "format-version: 1.2\n\n[Term]\nid: X:1\nname: Ketone\nis_a: X:2 ! compound\n\n"
            "[Term]\nid: X:2\nname: compound\n"
        )
        assert read_ontology(tmp_path / "x.obo").steps_up("ketone") == {"ketone": 0, "compound": 1}

    def test_another_file_is_refused(self, tmp_path):
        (tmp_path / "x.csv").write_text("a,b\n1,2\n")
        with pytest.raises(ValueError, match="is no ontology"):
            read_ontology(tmp_path / "x.csv")


class TestListedNames:
    REFERENCE = "Trypsin (EC 3.4.21.4). Also known as Beta-trypsin; Serine protease 1."

    def test_numbers_of_enzymes_are_no_names(self):
        assert listed_names(self.REFERENCE) == {"trypsin", "beta trypsin", "serine protease 1"}

    def test_names_are_scored_as_a_set(self):
        found = scored(
            ListedNames(), ("Trypsin. Also known as Kinase.", self.REFERENCE), task="protein_names", kind="protein"
        )
        assert found["name_precision"] == 1 / 2 and found["name_recall"] == pytest.approx(1 / 3)
        assert found["exact_match"] == found["containment"] == 0

    def test_a_longer_answer_contains_its_reference(self):
        pair = ("It belongs to the peptidase S1 family, I think.", "Belongs to the peptidase S1 family.")
        found = scored(ListedNames(), pair, task="protein_family", kind="protein")
        assert found["containment"] == 1 and found["exact_match"] == 0

    def test_a_part_of_a_word_is_not_contained(self):
        found = scored(ListedNames(), ("Cytoplasmic.", "Cytoplasm."), task="protein_location", kind="protein")
        assert found["containment"] == 0

    def test_a_place_in_a_membrane_is_right_or_wrong(self):
        found = scored(ListedNames(), ("Soluble.", "Bound to a membrane."), task="protein_membrane", kind="protein")
        assert found["exact_match"] == 0

    def test_case_and_full_stop_do_not_matter(self):
        found = scored(ListedNames(), ("cytoplasm", "Cytoplasm."), task="protein_location", kind="protein")
        assert found["exact_match"] == found["name_f1"] == 1


class TestEnzymeNumbers:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Trypsin (EC 3.4.21.4).", {("3", "4", "21", "4")}),
            ("EC:1.1.1.-; 2.7.11.n1", {("1", "1", "1"), ("2", "7", "11", "n1")}),
            ("version 3.4.21", set()),
            ("IP 192.3.4.21", set()),
            ("8.1.1.1", set()),
        ],
    )
    def test_numbers_are_found_with_their_known_levels(self, text, expected):
        assert enzyme_numbers(text) == expected

    def test_answers_to_the_question_about_numbers_are_scored(self):
        pair = ("EC 3.4.21.4", "EC 3.4.21.4; EC 3.4.-.-")
        found = scored(EnzymeNumbers(), pair, task="protein_ec", kind="protein")
        assert found["ec_level1_f1"] == found["ec_level2_f1"] == found["ec_level4_f1"] == 1

    def test_agreement_is_told_level_by_level(self):
        found = scored(EnzymeNumbers(), ("EC 3.4.17.1", "Trypsin (EC 3.4.21.4)."), kind="protein")
        assert found == {"ec_level1_f1": 1, "ec_level2_f1": 1, "ec_level3_f1": 0, "ec_level4_f1": 0}


class TestExactAnswers:
    @pytest.mark.parametrize(
        ("answer", "reference", "task", "right"),
        [
            ("There are 3 rings.", "It has 3 rings.", "rings", True),
            ("It has 1 ring.", "It has 3 rings.", "rings", False),
            ("", "It has 0 rings.", "rings", False),
            ("The net charge is +1.", "The net charge is 1.", "charge", True),
            ("The net charge is -1.", "The net charge is +1.", "charge", False),
            ("C9H8O4", "The molecular formula is C9H8O4.", "formula", True),
            ("The molecular formula is C9H8O3.", "The molecular formula is C9H8O4.", "formula", False),
            ("The molecular formula is C2H3O2-.", "The molecular formula is C2H3O2.", "formula", False),
            (
                "It has 2 stereocentres: 1 assigned and 1 unassigned.",
                "It has 2 stereocentres: 2 assigned and 0 unassigned.",
                "stereocentres",
                False,
            ),
            ("yes, it does", "Yes, it contains an ester.", "functional_group", True),
            ("No, it does not contain an ester.", "Yes, it contains an ester.", "functional_group", False),
        ],
    )
    def test_only_the_value_counts(self, answer, reference, task, right):
        assert scored(ExactAnswers(), (answer, reference), task=f"molecule_fact_{task}")["exact"] == right

    def test_listed_groups_are_scored_as_a_set(self):
        reference = "It contains an alcohol group, an ether and a carboxylic acid (or carboxylate)."
        assert groups_of(reference) == {"alcohol group", "ether", "carboxylic acid (or carboxylate)"}
        assert groups_of("It contains none of them.") == set()
        found = scored(ExactAnswers(), ("It contains an ether.", reference), task="molecule_fact_functional_groups")
        assert found["exact"] == 0 and found["group_f1"] == pytest.approx(0.5)

    def test_the_formulas_of_the_facts_are_read_back(self):
        from rdkit import Chem

        from biomedgpt_hf.chemistry.facts import FACTS

        for smiles in ("CC(=O)[O-]", "[Na+].[Cl-]", "C", "[13CH4]", "O=C(O)c1ccccc1", "[Fe+3]", "BrCCl"):
            molecule = Chem.MolFromSmiles(smiles)
            text = FACTS["formula"].tell(molecule)
            assert value_of(text, "molecule_fact_formula") == (
                text.removeprefix("The molecular formula is ").removesuffix("."),
            )
