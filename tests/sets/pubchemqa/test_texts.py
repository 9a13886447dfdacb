import pytest

from biomedgpt_hf.files.records import UnwantedRecord
from biomedgpt_hf.sets.pubchemqa.texts import MAX_WORDS, keep_length


def test_texts_are_kept_from_four_words_to_256():
    words = [f"w{number}" for number in range(300)]

    assert keep_length("one two three four") == ("one two three four", False)
    assert keep_length(" ".join(words[:MAX_WORDS])) == (" ".join(words[:256]), False)
    assert keep_length(" ".join(words[:257])) == (" ".join(words[:256]), True)
    for short in ("one two three", "one", ""):
        with pytest.raises(UnwantedRecord) as error:
            keep_length(short)
        assert (error.value.reason, error.value.detail) == ("fewer than 4 words", short)
