"""Asking a checkpoint: one question, a conversation, a table of a million answers, embeddings."""

from .chat import Answer, Chat, ask
from .embedding.files import embed_files
from .embedding.in_memory import embed
from .prediction.files import predict_files
from .prediction.in_memory import predict
from .prediction.predictor import Prediction

__all__ = ["Answer", "Chat", "Prediction", "ask", "embed", "embed_files", "predict", "predict_files"]
