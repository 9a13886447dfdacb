import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedgpt_hf.files.records import UnwantedRecord
from biomedgpt_hf.sets.pubchemqa.texts import MAX_WORDS, clean_text, keep_length


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two  spaces\nand\ta\u00a0line \r\n", "two spaces and a line"),
        ("H<sub>2</sub>O and <em>E. coli</em>", "H2O and E. coli"),
        ('<a class="pubchem-internal-link CID-2244" href="https://x.org/?b">Aspirin</a> relieves', "Aspirin relieves"),
        ("first<br/>second<BR>third<p>fourth</p>", "first second third fourth"),
        ("&#945;-pinene &lt; 5 &amp; it&#39;s &#x3b2; &beta;", "α-pinene < 5 & it's β β"),
        ("&lt;i&gt; was escaped", "<i> was escaped"),
    ],
)  # fmt: skip
def test_html_and_white_space_are_cleaned(raw, clean):
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    "text",
    [
        "a dose of <5 mg and >3 mg",
        "</p No 1,1,1-trichloroethane is made any more > 2002",
        "AT&T and R&D, 5 &c; A&B",
        "if a<b and c>d then",
        "<moleculeHere> stays to be found",
        "pKa<sub is low",
    ],
)
def test_what_only_looks_like_html_stays(text):
    assert clean_text(text) == text


@given(st.text(alphabet="ab <>&;#/p=\"'\n\u00a01", max_size=60))
def test_clean_text_has_single_spaces_only_and_loses_no_letter_outside_tags(raw):
    clean = clean_text(raw)

    assert clean == " ".join(clean.split())
    if "<" not in raw and "&" not in raw:
        assert clean == " ".join(raw.split())


def test_texts_are_kept_from_four_words_to_256():
    words = [f"w{number}" for number in range(300)]

    assert keep_length("one two three four") == ("one two three four", False)
    assert keep_length(" ".join(words[:MAX_WORDS])) == (" ".join(words[:256]), False)
    assert keep_length(" ".join(words[:257])) == (" ".join(words[:256]), True)
    for short in ("one two three", "one", ""):
        with pytest.raises(UnwantedRecord) as error:
            keep_length(short)
        assert (error.value.reason, error.value.detail) == ("fewer than 4 words", short)
