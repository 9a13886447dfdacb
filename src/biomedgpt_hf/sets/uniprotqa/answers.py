"""What an entry answers, as plain sentences: the four answers of UniProtQA, and those of other sources."""

from __future__ import annotations

from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.uniprot.entry import ProteinEntry
from biomedgpt_hf.files.uniprot.wording import PREFIX, clean, in_words


def function_answer(entry: ProteinEntry) -> str:
    """Return the FUNCTION comments, those on one isoform or chain under its name."""
    return " ".join(_sentences(entry.functions))


def location_answer(entry: ProteinEntry) -> str:
    """Return the SUBCELLULAR LOCATION comments: places first, then the text of `Note=`."""
    return " ".join(text.replace("Note=", "") for text in _sentences(entry.locations))


def family_answer(entry: ProteinEntry) -> str:
    """Return the SIMILARITY comments that name a family; "Contains 1 … domain." does not."""
    return " ".join(text for text in _sentences(entry.similarities) if "belongs to" in text.lower())


def names_answer(entry: ProteinEntry) -> str:
    """Return the recommended (or submitted) name, its EC numbers and the alternative names."""
    return "" if entry.lower_case else _all_names(entry)


def lower_case_names_answer(entry: ProteinEntry) -> str:
    """Return the same of a source that has changed the names to lower case."""
    return _all_names(entry) if entry.lower_case else ""


def name_answer(entry: ProteinEntry) -> str:
    """Return the one name of a source that gives no others."""
    return f"{_readable(entry.name)}." if entry.name else ""


def number_answer(entry: ProteinEntry) -> str:
    """Return all EC numbers: "EC 1.1.1.1; EC 2.2.2.2"."""
    return in_words(entry.all_enzyme_numbers)


def place_answer(entry: ProteinEntry) -> str:
    """Return where in the cell the protein mainly is: "Cytoplasm. Nucleus."."""
    return " ".join(f"{place}." for place in entry.places)


def membrane_answer(entry: ProteinEntry) -> str:
    """Return whether the protein is bound to a membrane."""
    return {True: "Bound to a membrane.", False: "Soluble.", None: ""}[entry.in_membrane]


def description_answer(entry: ProteinEntry) -> str:
    """Return the paragraph of the Saccharomyces Genome Database."""
    return " ".join(_sentences((entry.description,)))


def _all_names(entry: ProteinEntry) -> str:
    names = [name for name in dict.fromkeys(map(_readable, entry.names)) if name]
    if not names:
        return ""
    numbers = in_words(entry.enzyme_numbers)
    official = f"{names[0]} ({numbers})." if numbers else f"{names[0]}."
    return f"{official} Also known as {'; '.join(names[1:])}." if names[1:] else official


def _sentences(comments: tuple[str, ...]) -> list[str]:
    """Return the cleaned texts of comments, each ending a sentence."""
    texts = (PREFIX.sub(r"\1: ", _readable(comment)) for comment in comments)
    return [text if text.endswith((".", "!", "?")) else f"{text}." for text in texts if text]


def _readable(text: str) -> str:
    """Return a text without evidence tags, citations and markup."""
    return plain_text(clean(text))
