r"""Multiple-choice questions about biomedicine: PubMedQA, MedMCQA, MedQA (USMLE) and medical MMLU.

    biomedgpt data biomedical-qa ori_pqaa.json ori_pqal.json medmcqa/train.json medmcqa/dev.json \
        medqa/US/4_options/phrases_no_exclude_test.jsonl --output DIR
    biomedgpt data biomedical-qa ori_pqal.json test_ground_truth.json mmlu/test/anatomy_test.csv \
        --roles official --output DIR

PubMedQA (Jin et al. 2019, https://github.com/pubmedqa/pubmedqa), MedMCQA (Pal et al. 2022,
https://github.com/medmcqa/medmcqa), MedQA (Jin et al. 2021, https://github.com/jind11/MedQA) and
MMLU (Hendrycks et al. 2021, https://github.com/hendrycks/test), or their Hugging Face copies.
"""

from biomedgpt_hf.data.biomedical_qa.builder import MEDICAL_SUBJECTS, build, parse
from biomedgpt_hf.data.biomedical_qa.reading import read_questions
from biomedgpt_hf.data.biomedical_qa.roles import UnknownRoleError

__all__ = ["MEDICAL_SUBJECTS", "UnknownRoleError", "build", "parse", "read_questions"]
