r"""Which choice a written answer names: LMFlow's rule, and a careful one.

Both return the place of the choice, or None (N/A) where the text names none, or not one alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from biomedgpt_hf.sets.biomedical_qa.multiple_choice import LETTERS

# A model that goes on after its answer puts the next question itself.
NEXT_QUESTION = re.compile(r"\n\s*(?:abstract|question|input|human|user)\s*:|###", re.IGNORECASE)
SAYS = r"(?:answer|choice|option|output|response|conclusion)\b"
LINK = r"(?:\s+(?:here|to (?:the|this) question|would|should|must|therefore|thus))*\s*(?:[:=→]|->|\b(?:is|be)\b)?"
OPEN = r"[\s(\[{*_\"'`$:]*(?:\\(?:boxed|text|mathrm|textbf)\{)*(?:(?:option|choice)\s+)?[(\[*_\"'`]*"
CORRECT = (
    r"[)\]*\"'.]*\s+(?:is|would be|must be)\s+(?:the\s+)?(?:most\s+likely\s+)?(?:correct|right|best|true|answer)\b"
)
MARKUP = r"(?:\\boxed\{|<answer>)"
CONCLUDES = r"\b(?:so|thus|hence|therefore|pick|choose|chose|select|go with|think|believe|say)\b,?"
CLAUSE = r"(?=[)\]}*_\"'`$.!;]*\s*(?:$|\n))"
JOINED = re.compile(
    r"[)\]}*_\"'`.]*(?:\s*(?:and/or|and|or|but|/|&)\s*|,\s*(?:and |or )?)" + OPEN + r"(\w+)", re.IGNORECASE
)
EXPLAINED = re.compile(r"\s+(?:because|since|as|it|this|the|there|these|they|given|according|based)\b", re.IGNORECASE)
DENIED = re.compile(
    r"(?:\bnot|n't|\bneither|\bwithout|\bexclud\w+|\brul\w+ out|\brather than)\W+(?:\w+\W+){0,2}$", re.IGNORECASE
)


def lmflow_choice(text: str, labels: Sequence[str]) -> int | None:
    """Return the choice by LMFlow's rule (Diao et al., 2023), which the paper's zero-shot rows come from.

    First what stands behind "answer: ", "output: " or "A: "; else the first label that a full stop or white space
    follows, anywhere, inside words too: "had a fever" is D. Upper and lower case are the same. A decision behind a
    bracket, "Answer: (yes)", is none to it.

    Args:
        text: what the model wrote.
        labels: letters, or yes, no and maybe.
    """
    known = "|".join(map(re.escape, labels))
    letters = all(len(label) == 1 for label in labels)
    stated = re.search(rf"(?:answer|output|A): (\(*)({known})", text, re.IGNORECASE)
    if stated:
        return _place(stated[2], labels) if letters or not stated[1] else None
    bracket = r"\)*" if letters else ""
    found = re.search(rf"({known}){bracket}[.\s]", text, re.IGNORECASE)
    return _place(found[1], labels) if found else None


def strict_choice(text: str, labels: Sequence[str], choices: Sequence[str]) -> int | None:
    """Return the one choice that an answer names beyond doubt.

    In this order: what it states to be the answer (the last statement counts), what it begins with, what it concludes
    with, and the only choice whose text it repeats. "A or B", a letter that is an article or part of a name
    (vitamin C), and a text with two of the choices are no answers.

    Args:
        text: what the model wrote; what follows the beginning of a next question is left out.
        labels: letters, or yes, no and maybe.
        choices: the texts behind the letters.
    """
    text = NEXT_QUESTION.split(text, maxsplit=1)[0].strip()
    reader = _Reader(labels, choices)
    for named in (list(reader.stated(text)), list(reader.leading(text)), list(reader.concluded(text))):
        if named:
            return named[-1]
    return _repeated(text, choices) if reader.lettered else None


def _place(label: str, labels: Sequence[str]) -> int:
    return [known.lower() for known in labels].index(label.lower())


class _Reader:
    """Finds labels where a text uses them as such. A place of None is an answer that names more than one."""

    def __init__(self, labels: Sequence[str], choices: Sequence[str]) -> None:
        self.labels, self.choices = labels, choices
        self.lettered = tuple(labels) == tuple(LETTERS[: len(labels)])
        known = "|".join(map(re.escape, labels))
        self.label = rf"(?P<label>{known})(?![\w'’-])"

    def stated(self, text: str) -> Iterator[int | None]:
        """Yield what follows "the answer is", and what is said to be right."""
        forms = (rf"\b{SAYS}{LINK}{OPEN}{self.label}", rf"{MARKUP}{OPEN}{self.label}")
        found = [(match.start(), match) for form in forms for match in re.finditer(form, text, re.IGNORECASE)]
        right = re.finditer(rf"(?<![\w'’-]){self.label}{CORRECT}(?!\s+(?:not|if|that)\b)", text, re.IGNORECASE)
        found += [(match.start(), match) for match in right]
        for _, match in sorted(found, key=lambda pair: pair[0]):
            if not DENIED.search(text[: match.start()]) or match.re.pattern.startswith(r"\b"):
                yield from self._named(text, match)

    def leading(self, text: str) -> Iterator[int | None]:
        """Yield what the text begins with."""
        match = re.match(rf"{OPEN}{self.label}", text, re.IGNORECASE)
        if match:
            yield from self._named(text, match)

    def concluded(self, text: str) -> Iterator[int | None]:
        """Yield what a clause concludes with."""
        form = rf"{CONCLUDES}(?:\s+(?:it'?s?|is|that|the))*{OPEN}{self.label}{CLAUSE}"
        for match in re.finditer(form, text, re.IGNORECASE):
            yield from self._named(text, match)

    def _named(self, text: str, match: re.Match[str]) -> Iterator[int | None]:
        """Yield the place of a found label, None where others are joined to it, nothing where it is another word."""
        label, rest = match["label"], text[match.end("label") :]
        place = _place(label, self.labels)
        if self.lettered and not self._is_letter(label, rest, place, marked=match.end("label") != match.end()):
            return
        if not self.lettered and re.match(r"\s+\w", rest) and not EXPLAINED.match(rest) and not rest.startswith("\n"):
            if not JOINED.match(rest):
                return
        joined = JOINED.match(rest)
        other = joined[1].lower() if joined else ""
        several = other in {known.lower() for known in self.labels} - {label.lower()}
        if several and self.lettered and joined and not joined[1].isupper():
            several = False  # "B, a tumour"
        yield None if several else place

    def _is_letter(self, label: str, rest: str, place: int, marked: bool) -> bool:
        """Return whether a letter is a label, and no article, initial or part of a name."""
        if marked or re.match(r"[)\]}:<]|\.(?:\s|$)|[*_\"'`$.!;]*\s*(?:$|\n)|\s+[-–—]|\s*(?:and|or|/|&)\s", rest):
            return True
        if label.islower():
            return False
        if rest.startswith(","):
            return True
        said = " ".join(rest.lower().split())
        if said.startswith(" ".join(self.choices[place].lower().split())):
            return True
        return bool(EXPLAINED.match(rest)) and not re.match(r"\s+(?:given|based)\b", rest)


def _repeated(text: str, choices: Sequence[str]) -> int | None:
    """Return the only choice whose text is in an answer, other than inside that of a longer one."""
    said = " ".join(text.lower().split())
    spans = []
    for place, choice in enumerate(choices):
        words = " ".join(choice.lower().split()).rstrip(".")
        if words:
            for match in re.finditer(rf"(?<![\w.]){re.escape(words)}(?!\w)", said):
                spans.append((match.start(), match.end(), place))
    outer = [one for one in spans if not any(_is_inside(one, other) for other in spans)]
    named = {place for start, _, place in outer if not DENIED.search(said[:start])}
    return named.pop() if len(named) == 1 and len({place for *_, place in outer}) == 1 else None


def _is_inside(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return other[0] <= one[0] and one[1] <= other[1] and one[:2] != other[:2]
