r"""Multiple-choice questions about biomedicine: PubMedQA, MedMCQA, MedQA (USMLE), medical MMLU and MedConceptsQA.

    biomedgpt data biomedical-qa ori_pqaa.json ori_pqal.json medmcqa/train.json medmcqa/dev.json \
        medqa/US/4_options/phrases_no_exclude_test.jsonl --output DIR
    biomedgpt data biomedical-qa ori_pqal.json test_ground_truth.json mmlu/test/anatomy_test.csv \
        --roles official --output DIR

PubMedQA (Jin et al. 2019, https://github.com/pubmedqa/pubmedqa), MedMCQA (Pal et al. 2022,
https://github.com/medmcqa/medmcqa), MedQA (Jin et al. 2021, https://github.com/jind11/MedQA),
MMLU (Hendrycks et al. 2021, https://github.com/hendrycks/test) and MedConceptsQA (Shoham and Rappoport 2024,
https://github.com/nadavlab/MedConceptsQA), or their Hugging Face copies.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set, read_each
from biomedgpt_hf.files.records import Record, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.sets.biomedical_qa import multiple_choice
from biomedgpt_hf.sets.biomedical_qa.formats import recognise_exam_file
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion
from biomedgpt_hf.sets.biomedical_qa.parsing import parse_question
from biomedgpt_hf.sets.biomedical_qa.reading import RawQuestion, read_questions, read_test_pmids
from biomedgpt_hf.sets.biomedical_qa.roles import ROLES, UnknownRoleError, pubmedqa_split

# The subjects of MMLU that medical models are scored on (MultiMedQA: Singhal et al. 2023, Nature 620, 172).
MEDICAL_SUBJECTS = (
    "anatomy",
    "clinical_knowledge",
    "college_biology",
    "college_medicine",
    "medical_genetics",
    "professional_medicine",
)
# Of each source the licence file of its repository; MedConceptsQA's is on its Hugging Face page.
LICENSE = "MIT"
LICENSES = {"MedConceptsQA": "Apache-2.0"}
ABOUT = About(
    "Biomedical QA",
    "Multiple-choice questions about biomedicine as text: PubMedQA, MedMCQA, MedQA (USMLE), the medical subjects of "
    "MMLU and MedConceptsQA, with the prompts of lm-evaluation-harness. There are no molecules and no proteins in it. "
    "The MIT licence is that of each source's repository (MedMCQA's README and its Hugging Face copy say Apache-2.0, "
    "the Hugging Face copy of MedQA CC-BY-4.0), and MedConceptsQA's is Apache-2.0; PubMedQA's contexts are PubMed "
    "abstracts, whose publishers keep their copyright.",
    "Jin et al.: PubMedQA (EMNLP 2019, arXiv:1909.06146); Pal et al.: MedMCQA (CHIL 2022, PMLR 174, 248); "
    "Jin et al.: What disease does this patient have? (Applied Sciences 2021, 11, 6421, arXiv:2009.13081); "
    "Hendrycks et al.: Measuring massive multitask language understanding (ICLR 2021, arXiv:2009.03300); "
    "Shoham and Rappoport: MedConceptsQA (Computers in Biology and Medicine 2024, 182, 109089, arXiv:2405.07348).",
    task_categories=("multiple-choice", "question-answering"),
    language="en",
    tags=("medical", "biology"),
)


def build_biomedical_qa(
    sources: Sequence[Path],
    output: Path,
    *,
    roles: str = "paper",
    long_answers: bool = False,
    subjects: Collection[str] = MEDICAL_SUBJECTS,
    settings: BuildSettings = DEFAULTS,
) -> dict[str, Any]:
    """Build a set of biomedical multiple-choice questions in `output`.

    Args:
        sources: files of PubMedQA, MedMCQA, MedQA, MMLU and MedConceptsQA, plain or .gz, or their Hugging Face copies.
        output: folder to make.
        roles: "paper" (§4.1: PQA-A and MedMCQA's training set to train on; PQA-L, MedMCQA's
            development set, MedQA's and MMLU's test sets as test) or "official" (the authors' own
            splits). Parts that have no role are left out and listed.
        long_answers: let the answers of PubMedQA's training questions go on with the abstract's conclusion.
        subjects: subjects of MMLU to keep.
        settings: seed, processes and so on. There are no molecules and proteins here that could be
            excluded, and no clusters.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: as `pipeline.build_set`; `roles` is unknown; a file's name does not tell
            its part; or PQA-L has official roles without its list of test questions.
    """
    if roles not in ROLES:
        raise ValueError(f"roles is {roles!r}: choose one of {', '.join(ROLES)}.")
    sources = [Path(source) for source in sources]
    choose = partial(
        parse_exam_question,
        roles=roles,
        long_answers=long_answers,
        subjects=tuple(subjects),
        test_pmids=_test_pmids(sources, roles),
        seed=settings.seed,
    )
    return build_set(
        output,
        about=ABOUT,
        sources=sources,
        read=lambda scratch: read_each(partial(read_questions, numbers=Counter()), sources),
        parse=choose,
        settings=settings,
        options={"roles": roles, "long_answers": long_answers, "mmlu_subjects": ", ".join(subjects)},
    )


def _test_pmids(sources: Sequence[Path], roles: str) -> frozenset[str]:
    """Return PubMedQA's test questions if a source lists them; refuse sources whose role is unclear."""
    listed: frozenset[str] = frozenset()
    whole: Path | None = None
    for path in sources:
        source = None
        with suppress(SourceError):  # a file that cannot be read is told when it is read
            source = recognise_exam_file(path)
        if source and source.layout == "test list":
            listed |= read_test_pmids(path)
        elif source and source.holds == "PQA-L" and not source.part:
            whole = path
    if roles == "official" and whole and not listed:
        raise UnknownRoleError(
            f"{whole}: PQA-L's official test questions are listed in test_ground_truth.json, which is beside it in "
            "PubMedQA's repository: give that file too, or --roles paper, where all of PQA-L is the test set."
        )
    return listed


def parse_exam_question(
    record: Record,
    roles: str = "paper",
    long_answers: bool = False,
    subjects: Collection[str] = MEDICAL_SUBJECTS,
    test_pmids: frozenset[str] = frozenset(),
    seed: int = 0,
) -> Example:
    """Return the example of a record of `read_questions`.

    Args:
        record: what was read.
        roles: see `build`.
        long_answers: see `build`.
        subjects: see `build`.
        test_pmids: PubMedQA's official test questions.
        seed: of the split of PQA-L's other questions.

    Raises:
        RejectedRecord, UnwantedRecord: as `parse_question`; or it has no role, or not a subject asked for.
    """
    raw: RawQuestion = record.content
    if raw.holds == "MMLU" and raw.subject not in subjects:
        raise UnwantedRecord("not a subject asked for", f"MMLU's {raw.subject or 'auxiliary training set'}")
    question = parse_question(raw, record.id)
    if roles == "official" and raw.holds == "PQA-L" and not raw.part:
        split: str | None = pubmedqa_split(record.id.removeprefix("PMID:"), test_pmids, seed)
    else:
        split = ROLES[roles].get((raw.holds, raw.part))
    if split is None:
        raise UnwantedRecord("no role", f"{raw.holds} {raw.part} has no part in the {roles} roles")
    answer = multiple_choice.answer(question)
    if long_answers and split == "train" and question.dataset == "PubMedQA" and question.explanation.strip():
        answer = f"{answer}. {question.explanation.strip()}"
    row = question_row(
        multiple_choice.prompt(question),
        answer,
        task=question.dataset.lower(),
        source=f"PubMedQA {raw.holds}" if question.dataset == "PubMedQA" else question.dataset,
        id=question.id,
        license=LICENSES.get(question.dataset, LICENSE),
        entry_date=question.entry_date,
    )
    return Example([row], (multiple_choice.question_key(question.question),), split, _marks(question, split, record))


def _marks(question: MultipleChoiceQuestion, split: str, record: Record) -> tuple[str, ...]:
    """Return what a question is a repetition by.

    To train on, a question with the same contexts, choices and answer is kept once. What is scored
    stays as its authors published it; only the same place of the same file is a repetition.
    """
    asked = f"{multiple_choice.prompt(question)}\n{multiple_choice.answer(question)}"
    digest = hashlib.sha256(multiple_choice.question_key(asked).encode()).hexdigest()[:16]
    content = f"{digest} {multiple_choice.question_key(question.question)[:60]}"
    if split == "train":
        return (question.id, content)
    if question.dataset in ("PubMedQA", "MedMCQA"):  # these bring identifiers of their own
        return (question.id,)
    return (question.id, f"{split} {record.line} {content}")
