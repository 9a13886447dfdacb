"""What written answers are read as."""

import pytest

from biomedgpt_hf.evaluation.multiple_choice.extractors import lmflow_choice, strict_choice

LETTERS = tuple("ABCD")
CHOICES = ("Pneumonia", "Vitamin C deficiency", "Tuberculosis of the lung", "Tuberculosis")
DECISIONS = ("yes", "no", "maybe")

STRICT_LETTERS = {
    "B": "B",
    "B.": "B",
    " B\n": "B",
    "(B)": "B",
    "b)": "B",
    "B) Vitamin C deficiency": "B",
    "**B**": "B",
    "B: because it is": "B",
    "B, a deficiency": "B",
    "D Tuberculosis": "D",
    "The answer is B.": "B",
    "The correct answer is (C).": "C",
    "The answer is option (C)": "C",
    "The answer would be B": "B",
    "The answer is: A": "A",
    "The answer is A because of the fever": "A",
    "answer: b": "B",
    "ANSWER: C": "C",
    "Answer:A": "A",
    "Answer: B, because of it": "B",
    "The answer is B and not C": "B",
    "So, the answer: **C. Tuberculosis of the lung**": "C",
    "The best choice is therefore D": "D",
    "I think it's B": "B",
    "Therefore B.": "B",
    "\\boxed{C}": "C",
    "<answer>D</answer>": "D",
    "Option A is wrong, option D is correct": "D",
    "A is not correct. The answer is B": "B",
    "First, the answer seems A. But on reflection the answer is C.": "C",
    " B\n\nQuestion: what?\nA. x\nB. y\nAnswer: C": "B",
    "It is pneumonia.": "A",
    "It is tuberculosis": "D",
    "It is tuberculosis of the lung": "C",
    "": None,
    "E": None,
    "Answer: E": None,
    "I don't know": None,
    "None of the above": None,
    "The answer is A or B": None,
    "A and B": None,
    "Both A and B": None,
    "(A) and (B)": None,
    "A, B and C are all possible": None,
    "A patient with fever needs care": None,
    "A tumor": None,
    "The answer is a tumor": None,
    "Answer: Aspirin": None,
    "vitamin C is needed": None,
    "Hepatitis B": None,
    "C-reactive protein": None,
    "pneumonia or tuberculosis": None,
    "It isn't pneumonia": None,
    "The answer is not A": None,
    "The answer isn't B": None,
}
STRICT_DECISIONS = {
    "yes": "yes",
    "Yes.": "yes",
    "YES": "yes",
    "(yes)": "yes",
    "\nno\n": "no",
    "No, because": "no",
    "Yes, mitochondria do": "yes",
    "Yes it does": "yes",
    "maybe": "maybe",
    "The answer is maybe.": "maybe",
    "Answer: no": "no",
    "It depends, so maybe.": "maybe",
    "The conclusion is yes because": "yes",
    "no\n\nQuestion: x\nAnswer: yes": "no",
    "": None,
    "nothing": None,
    "It is known": None,
    "I cannot say": None,
    "maybe yes": None,
    "yes or no": None,
    "Yes and no": None,
    "The answer is not yes": None,
    "There is no evidence": None,
    "No evidence was found": None,
    "Answer: No difference was found": None,
}
# Among them answers that the rule reads wrongly, as its authors' code does.
LMFLOW_LETTERS = {
    "Answer: B": "B",
    "answer: (c)": "C",
    "OUTPUT: d": "D",
    "A: B.": "B",
    "(B) is it.": "B",
    "C. Tuberculosis": "C",
    "B": None,
    "": None,
    "The patient had a fever.": "D",
    "Answer: Aspirin": "A",
}
LMFLOW_DECISIONS = {
    "Answer: yes": "yes",
    "ANSWER: Maybe so": "maybe",
    "Output: NO": "no",
    "A: no": "no",
    "Yes. It does.": "yes",
    "It may be, maybe ": "maybe",
    "yes": None,
    "Yes, it does": None,
    "": None,
    "Answer: nothing": "no",
    "There is no evidence": "no",
    "Answer: (yes)": None,
}


def named(place, labels):
    return None if place is None else labels[place]


@pytest.mark.parametrize(("text", "expected"), STRICT_LETTERS.items())
def test_a_careful_reader_finds_the_letter(text, expected):
    assert named(strict_choice(text, LETTERS, CHOICES), LETTERS) == expected


@pytest.mark.parametrize(("text", "expected"), STRICT_DECISIONS.items())
def test_a_careful_reader_finds_the_decision(text, expected):
    assert named(strict_choice(text, DECISIONS, DECISIONS), DECISIONS) == expected


@pytest.mark.parametrize(("text", "expected"), LMFLOW_LETTERS.items())
def test_lmflows_rule_finds_letters(text, expected):
    assert named(lmflow_choice(text, LETTERS), LETTERS) == expected


@pytest.mark.parametrize(("text", "expected"), LMFLOW_DECISIONS.items())
def test_lmflows_rule_finds_decisions(text, expected):
    assert named(lmflow_choice(text, DECISIONS), DECISIONS) == expected


def test_a_fifth_option_is_read_too():
    five = tuple("ABCDE")
    assert lmflow_choice("Answer: E", five) == strict_choice("Answer: E", five, ("u", "v", "w", "x", "y")) == 4
