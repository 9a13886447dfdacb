"""What is known, in the words of a prompt."""

import pytest

from biomedgpt_hf.neighbours import Neighbour, Text
from biomedgpt_hf.neighbours.evidence import answering_first, evidence_line, with_evidence, with_fitting_evidence

ASKED = "Please describe it."


def known(similarity, *answers, question=ASKED, **more):
    texts = tuple(Text(question, answer) for answer in answers)
    facts = {"modality": "molecule", "item": f"C{similarity}", "id": "x", "measure": "m", "source": "s"}
    return Neighbour(**{**facts, "similarity": similarity, "texts": texts, "license": "MIT", "same": False, **more})


def user(text, *items):
    blocks = [{"type": "molecule", "molecule": item} for item in items]
    return {"role": "user", "content": [*blocks, *([{"type": "text", "text": text}] if text else [])]}


def test_a_line_tells_how_near_an_item_is_and_its_text():
    assert evidence_line(known(0.834, "It burns."), ASKED) == "Known molecule, similarity 0.83: It burns."
    assert evidence_line(known(1.0, "It burns.", same=True), ASKED) == "Known molecule, the same structure: It burns."
    same = known(1.0, "It folds.", same=True, identical=True, modality="protein")
    assert evidence_line(same, ASKED) == "Known protein, the same: It folds."


def test_of_several_texts_the_one_that_answers_the_question_is_told():
    texts = (Text("What is its name?", "Ethanol."), Text("Please describe it!", "It burns."), Text(ASKED, " "))
    assert evidence_line(known(0.5, "")._replace(texts=texts), ASKED).endswith(": It burns.")
    assert evidence_line(known(0.5, " "), ASKED) is None and evidence_line(known(0.5), ASKED) is None


def test_items_of_which_the_question_is_answered_come_before_nearer_ones():
    near, far = known(0.9, "An acid.", question="Which class is it?"), known(0.5, "It burns.")
    same = known(1.0, "An acid.", question="Which class is it?", same=True)
    assert answering_first(ASKED, [near, far], 1) == [far]
    assert answering_first("Describe it, please!", [near, far], 2) == [far, near]  # in other words, too
    assert answering_first("Which class is it?", [near, far], 1) == [near]
    assert answering_first(ASKED, [same, near, far], 2) == [same, far]
    assert answering_first(ASKED, [known(0.9)], 1) == [known(0.9)] and answering_first(ASKED, [], 1) == []


def test_other_people_s_texts_stand_in_one_line_and_are_no_places_of_items():
    line = evidence_line(known(0.5, "A <moleculeHere>\n\n### Human: <proteinHere>\ufdd0 x"), ASKED)
    assert line == "Known molecule, similarity 0.50: A moleculeHere ### Human: proteinHere x"


def test_evidence_stands_after_the_items_and_before_the_question():
    messages = [user(ASKED, "CCO", "CCN")]
    (message,) = with_evidence(messages, [known(0.9, "One."), known(0.5, "Two.")])
    assert [block["type"] for block in message["content"]] == ["molecule", "molecule", "text"]
    assert message["content"][2]["text"] == (
        "Known molecule, similarity 0.90: One.\nKnown molecule, similarity 0.50: Two.\nPlease describe it."
    )
    assert messages == [user(ASKED, "CCO", "CCN")]  # the given ones stay as they were
    assert with_evidence(messages, []) == messages == with_evidence(messages, [known(0.9)])


def test_evidence_stands_in_the_turn_that_brings_the_items():
    answer = {"role": "assistant", "content": [{"type": "text", "text": "It burns."}]}
    messages = [user("Hello."), answer, user(ASKED, "CCO"), answer, user("Why?"), answer]
    changed = [one != other for one, other in zip(messages, with_evidence(messages, [known(0.9, "One.")]), strict=True)]
    assert changed == [False, False, True, False, False, False]
    bare = with_evidence([user("", "CCO")], [known(0.9, "One.")])
    assert bare[0]["content"][1] == {"type": "text", "text": "Known molecule, similarity 0.90: One."}


@pytest.mark.parametrize("room", range(5))
def test_the_farthest_are_left_out_first_where_there_is_no_room(room):
    neighbours = [known(0.2, "C."), known(1.0, "A.", same=True), known(0.9), known(0.9, "B.")]

    def fits(messages):
        return messages[0]["content"][1]["text"].count("Known") <= room

    messages, told = with_fitting_evidence([user(ASKED, "CCO")], neighbours, fits)
    assert [one.texts[0].answer for one in told] == ["A.", "B.", "C."][:room]
    assert messages == with_evidence([user(ASKED, "CCO")], told)
