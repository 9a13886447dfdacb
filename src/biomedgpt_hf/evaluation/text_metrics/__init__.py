"""BLEU-2, BLEU-4, ROUGE-1, ROUGE-2, ROUGE-L and METEOR in the protocol of MolT5 (Edwards et al., 2022).

The field's scores under these names differ by tokenizer, truncation and synonyms. Here they follow MolT5's evaluator
to 1e-9: WordPiece of SciBERT for BLEU and METEOR (`word_pieces`), raw text for ROUGE, WordNet 3.0 (`wordnet`).
"""

from biomedgpt_hf.evaluation.text_metrics.scoring import TextScorer, score_texts
from biomedgpt_hf.evaluation.text_metrics.word_pieces import MissingVocabularyError
from biomedgpt_hf.evaluation.text_metrics.wordnet import MissingWordNetError

__all__ = ["MissingVocabularyError", "MissingWordNetError", "TextScorer", "score_texts"]
