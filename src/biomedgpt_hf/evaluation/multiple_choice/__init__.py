"""Multiple choice: which of several answers a model gives, under named protocols, and what that is worth.

questions     files and sets → `MultipleChoiceQuestion`; prompts are in `sets.biomedical_qa.multiple_choice`
run           all of it: `evaluate_choices`
language_models, encoding, likelihoods   any causal language model, and a BioMedGPT with its items
asking, answering     how questions are put, and answers kept while a run is on
protocols, extractors   how an answer is had: "loglik", "generate_lmflow", "generate_strict"
shuffles      the same questions with their choices in other orders
predictions, scores   a line for each answer; accuracy, macro-F1, calibration and so on, with intervals
"""

from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction, read_choice_predictions
from biomedgpt_hf.evaluation.multiple_choice.protocols import PROTOCOLS
from biomedgpt_hf.evaluation.multiple_choice.questions import read_choice_questions
from biomedgpt_hf.evaluation.multiple_choice.run import evaluate_choices
from biomedgpt_hf.evaluation.multiple_choice.scores import score_choices

__all__ = [
    "PROTOCOLS",
    "ChoicePrediction",
    "evaluate_choices",
    "read_choice_predictions",
    "read_choice_questions",
    "score_choices",
]
