"""The row of a document."""

import pytest
from datasets import Dataset

from biomedgpt_hf.rows.documents import document_features, is_document, validate_document
from biomedgpt_hf.rows.schema import InvalidRowError, question_row

DOCUMENT = {"text": "Aspirin is an acid.", "source": "PMC", "id": "PMC1:0", "license": "CC-BY-4.0"}


def test_documents_are_kept_by_datasets_as_they_are():
    validate_document(DOCUMENT)
    assert Dataset.from_list([DOCUMENT], features=document_features())[0] == DOCUMENT


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"text": "  "}, "field 'text': must be a string that is not empty"),
        ({"license": None}, "field 'license': must be a string that is not empty, but is None"),
        ({"question": "?"}, "field 'question': is unknown. The fields of a document are text, source, id, license"),
        ({"text": "a <moleculeHere>"}, "field 'text': has the reserved '<moleculeHere>' at character 2"),
    ],
)
def test_a_wrong_document_is_told_which_field_and_why(change, complaint):
    with pytest.raises(InvalidRowError) as caught:
        validate_document({**DOCUMENT, **change})
    assert complaint in str(caught.value) and "PMC1:0" in str(caught.value)


def test_documents_and_conversations_are_told_apart_with_and_without_each_others_columns():
    asked = question_row("?", "!", task="t", source="s", id="1", license="x")
    assert is_document(DOCUMENT) and is_document({**DOCUMENT, "messages": None})
    assert not is_document(asked) and not is_document({**asked, "text": None})
