"""Texts of public sources lose their markup, and nothing that only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedgpt_hf.files.markup import INLINE_TAGS, LINE_TAGS, plain_text


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("  two  spaces\nand\ta\u00a0line \r\n", "two spaces and a line"),
        ("H<sub>2</sub>O and <em>E. coli</em>", "H2O and E. coli"),
        ("<sup>14</sup>C-labelled, Ca<sup>2+</sup>, CD4<SUP>+</SUP>", "14C-labelled, Ca2+, CD4+"),
        ("R<small><sub><em>n</em></sub></small>E(=O)OH, <small>D</small>-glucose", "RnE(=O)OH, D-glucose"),
        ("p<em>K</em><small><sub>a</sub></small> < 3", "pKa < 3"),
        ('<a class="pubchem-internal-link CID-2244" href="https://x.org/?b&amp;c">Aspirin</a> acts', "Aspirin acts"),
        ("first<br/>second<BR>third<p>fourth</p><p>fifth", "first second third fourth fifth"),
        ("<stereo>R</stereo>-<locant>2</locant>", "R-2"),
        ("a<!-- nobody reads this --> b <img src=x.png alt='x'/>c", "a b c"),
        ("an unclosed <em>N</em>-acyl <sub>2", "an unclosed N-acyl 2"),
    ],
)  # fmt: skip
def test_tags_go_and_what_they_enclose_stays(raw, plain):
    assert plain_text(raw) == plain


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("&#945;-pinene &lt; 5 &amp; it&#39;s &#x3b2; &beta; &Alpha;", "α-pinene < 5 & it's β β Α"),
        ("&amp;alpha;-D and &amp;#945;-L and &amp;amp;alpha;", "α-D and α-L and α"),
        ("&lt;i&gt;R&lt;/i&gt;-carvone, H&amp;lt;sub&amp;gt;2&amp;lt;/sub&amp;gt;O", "R-carvone, H2O"),
        ("&lt;i&gt; was escaped", "<i> was escaped"),
        ("&lt;0.05 &le; x", "<0.05 ≤ x"),
    ],
)
def test_entities_become_characters_however_often_they_are_escaped(raw, plain):
    assert plain_text(raw) == plain


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("10<sup>6</sup> units, 5 x 10<sup>-3</sup>M", "10^6 units, 5 x 10^-3M"),
        ("tricyclo[3.3.1.1<sup>3,7</sup>]decane", "tricyclo[3.3.1.13,7]decane"),
        ("D-[1,2<sup>13</sup>C]glucose, x<sup>2</sup>, the 3<sup>rd</sup>", "D-[1,213C]glucose, x2, the 3rd"),
    ],
)
def test_a_number_raised_behind_a_digit_stays_a_power(raw, plain):
    assert plain_text(raw) == plain


@pytest.mark.parametrize(
    "text",
    [
        "p<0.05",
        "a <b and c> d",
        "a<b>c",
        "x <-- y --> z <->",
        "alpha-D-Glcp-(1<->1)-alpha-D-Glcp",
        "a dose of <5 mg and >3 mg",
        "</p No 1,1,1-trichloroethane is made any more > 2002",
        "AT&T and R&D, 5 &c; A&B &unknown;",
        "if a<b and c>d then",
        "<moleculeHere> stays to be found",
        "pKa<sub is low",
        "C[C@H](O)/C=C\\C",
    ],
)
def test_what_only_looks_like_markup_stays(text):
    assert plain_text(text) == text


@pytest.mark.parametrize("name", sorted(LINE_TAGS | INLINE_TAGS))
def test_a_known_tag_is_none_without_its_brackets(name):
    assert plain_text(f"x<{name}>y</{name}>z").replace(" ", "") == "xyz"
    assert plain_text(f"x <{name} y") == f"x <{name} y"


@given(st.text(alphabet="ab <>&;#/p=\"'\n\u00a01", max_size=60))
def test_plain_text_is_plain_and_loses_no_letter_outside_tags(raw):
    plain = plain_text(raw)

    assert plain == " ".join(plain.split()) == plain_text(plain)
    if "<" not in raw and "&" not in raw:
        assert plain == " ".join(raw.split())
