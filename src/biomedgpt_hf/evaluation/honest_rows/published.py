"""What papers report on the same sets, as they print it.

Table 4's ROUGE-2 is above its ROUGE-1, which no text can give: its columns look swapped, so its ROUGE is left out here.
The paper has no row on MMLU and MedConceptsQA: those on its language model are what others measured.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

PAPER = "Luo et al., 2023 (arXiv:2308.09442)"
TEXT_SCORES = ("bleu2", "bleu4", "rouge1", "rouge2", "rougeL", "meteor")


class PublishedRow(NamedTuple):
    """A row of a published table.

    Attributes:
        name: who or what answered.
        source: table and paper.
        scores: as printed, by the names that scores have here, between 0 and 1.
    """

    name: str
    source: str
    scores: dict[str, float]


def _texts(name: str, table: str, *values: float | None) -> PublishedRow:
    known = {score: value for score, value in zip(TEXT_SCORES, values, strict=True) if value is not None}
    return PublishedRow(name, f"{PAPER}, {table}", known)


def _accuracy(name: str, percent: float, source: str = f"{PAPER}, Table 2") -> PublishedRow:
    return PublishedRow(name, source, {"accuracy": percent / 100})


def _biomistral(percent: float) -> tuple[PublishedRow, ...]:
    source = "Labrak et al., 2024 (arXiv:2402.10373): 3 examples, mean of three draws"
    return (_accuracy("BioMedGPT-LM-7B, fine-tuned by others", percent, source),)


UNSEEN = f"{PAPER}, Table 2: on the training sets of the other two"
MEDCONCEPTSQA = (
    "Shoham and Rappoport, 2024 (arXiv:2405.07348), the list in their repository: 250 questions of each vocabulary and "
    "level"
)


# By the name that a set's builder writes into its manifest, or by the source of all its rows; of multiple choice by
# data set, or by data set and subject.
PUBLISHED: dict[str, tuple[PublishedRow, ...]] = {
    "ChEBI-20": (
        _texts("ChatGPT", "Table 3", 0.103, 0.050, 0.261, 0.088, 0.204, 0.161),
        _texts("Llama2-7B-Chat", "Table 3", 0.075, 0.009, 0.184, 0.043, 0.142, 0.149),
        _texts("BioMedGPT-10B", "Table 3", 0.234, 0.141, 0.386, 0.206, 0.332, 0.308),
    ),
    "UniProtQA": (
        _texts("Llama2-7B-Chat, not aligned", "Table 4", 0.019, 0.002, None, None, None, 0.052),
        _texts("Llama2-7B-Chat, aligned", "Table 4", 0.344, 0.313, None, None, None, 0.707),
        _texts("BioMedGPT-10B", "Table 4", 0.571, 0.535, None, None, None, 0.754),
    ),
    "MedMCQA": (
        _accuracy("human expert", 90.0),
        _accuracy("InstructGPT, zero-shot", 44.0),
        _accuracy("ChatGPT, zero-shot", 44.7),
        _accuracy("Llama, zero-shot", 24.3),
        _accuracy("Llama2, zero-shot", 30.6),
        _accuracy("Llama2-Chat, zero-shot", 35.5),
        _accuracy("Llama, fine-tuned", 48.2),
        _accuracy("Llama2-Chat, fine-tuned", 48.3),
        _accuracy("PMC-Llama, fine-tuned", 50.5),
        _accuracy("BioMedGPT-10B, fine-tuned", 51.4),
    ),
    "PubMedQA": (
        _accuracy("human, to pass", 60.0),
        _accuracy("human expert", 78.0),
        _accuracy("InstructGPT, zero-shot", 73.2),
        _accuracy("ChatGPT, zero-shot", 63.9),
        _accuracy("Llama, zero-shot", 5.2),
        _accuracy("Llama2, zero-shot", 3.7),
        _accuracy("Llama2-Chat, zero-shot", 21.9),
        _accuracy("Llama, fine-tuned", 73.4),
        _accuracy("Llama2-Chat, fine-tuned", 75.5),
        _accuracy("PMC-Llama, fine-tuned", 69.5),
        _accuracy("BioMedGPT-10B, fine-tuned", 76.1),
    ),
    "MedQA": (
        _accuracy("human, to pass", 50.0),
        _accuracy("human expert", 87.0),
        _accuracy("InstructGPT, zero-shot", 46.0),
        _accuracy("ChatGPT, zero-shot", 57.0),
        _accuracy("Llama, zero-shot", 27.1),
        _accuracy("Llama2, zero-shot", 27.2),
        _accuracy("Llama2-Chat, zero-shot", 34.4),
        _accuracy("Llama, fine-tuned", 44.6, UNSEEN),
        _accuracy("Llama2-Chat, fine-tuned", 45.3, UNSEEN),
        _accuracy("PMC-Llama, fine-tuned", 44.7, UNSEEN),
        _accuracy("BioMedGPT-10B, fine-tuned", 50.4, UNSEEN),
    ),
    "MMLU anatomy": _biomistral(49.4),
    "MMLU clinical_knowledge": _biomistral(51.4),
    "MMLU college_biology": _biomistral(50.7),
    "MMLU college_medicine": _biomistral(49.1),
    "MMLU medical_genetics": _biomistral(52.0),
    "MMLU professional_medicine": _biomistral(53.3),
    "MedConceptsQA": (
        _accuracy("GPT-4, zero-shot", 52.489, MEDCONCEPTSQA),
        _accuracy("BioMedGPT-LM-7B, zero-shot", 24.924, MEDCONCEPTSQA),
        _accuracy("GPT-4, 4 examples", 61.911, MEDCONCEPTSQA),
        _accuracy("BioMedGPT-LM-7B, 4 examples", 28.204, MEDCONCEPTSQA),
    ),
}


def published_rows(title: str, sources: Collection[str] = ()) -> tuple[PublishedRow, ...]:
    """Return what papers report on a set.

    Args:
        title: the name that the set's builder gave it.
        sources: those of its scored rows; where all have one, as ChEBI-20's test split does, its name counts too.
    """
    names = [title, *(sources if len(sources) == 1 else ())]
    return next((PUBLISHED[name] for name in names if name in PUBLISHED), ())
