"""Multiple-choice questions about biomedicine: PubMedQA, MedMCQA, MedQA and medical MMLU."""
