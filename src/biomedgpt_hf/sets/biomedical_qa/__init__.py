"""Multiple-choice questions about biomedicine: PubMedQA, MedMCQA, MedQA, medical MMLU and MedConceptsQA."""
