import pytest

from biomedgpt_hf.chemistry.caption_statements import statements


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "The molecule is a phenylenediamine in which the amino functions are at positions 1 and 4 of the benzene "
            "nucleus. It has a role as a hapten, a dye, a reagent and an allergen.",
            {("class", "phenylenediamine"), *(("role", role) for role in ("hapten", "dye", "reagent", "allergen"))},
        ),
        (
            "The molecule is a member of the class of pterocarpans carrying two hydroxy substituents. It is a member "
            "of phenols and an aromatic ether. It derives from a hydride of a squalene.",
            {
                *(("class", name) for name in ("pterocarpan", "phenol", "aromatic ether")),
                ("derives from a hydride of", "squalene"),
            },
        ),
        (
            "It has a role as an EC 2.6.1.16 (glutamine--fructose-6-phosphate transaminase (isomerizing)) inhibitor.",
            {("role", "ec 2.6.1.16 (glutamine--fructose-6-phosphate transaminase (isomerizing)) inhibitor")},
        ),
        ("It is a conjugate base of a glycine.", {("conjugate base of", "glycine")}),
        ("It is an enantiomer of a D-ethionine.", {("enantiomer of", "d-ethionine")}),
        ("It is functionally related to an (R)-carnitine.", {("derives from", "(r)-carnitine")}),
        ("It derives from an (R)-carnitine.", {("derives from", "(r)-carnitine")}),
        ("It is converted into lanosterol in the biosynthesis of steroids.", set()),
        ("Used in dyes.", set()),
        ("", set()),
    ],
)
def test_a_caption_states_classes_roles_and_relatives(caption, expected):
    assert set(map(tuple, statements(caption))) == expected


def test_singular_plural_and_article_make_no_difference():
    assert statements("It is a member of phenols.") == statements("It is a phenol.")
    assert statements("It is a virus.") != statements("It is a viru.")
