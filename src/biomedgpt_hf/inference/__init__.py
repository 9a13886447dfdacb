"""Asking a checkpoint: one question, a conversation, a table of a million answers, embeddings."""

from typing import Any

from biomedgpt_hf.public_names import find_name

_HOMES = {
    "Answer": "chat",
    "Chat": "chat",
    "Prediction": "prediction.predictor",
    "ask": "chat",
    "embed": "embedding.in_memory",
    "embed_files": "embedding.files",
    "predict": "prediction.in_memory",
    "predict_files": "prediction.files",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    return find_name(__name__, _HOMES, name)
