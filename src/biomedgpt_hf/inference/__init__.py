"""Asking a checkpoint: one question, a conversation, a table of a million answers, embeddings."""

from biomedgpt_hf.inference.chat import Answer, Chat, ask
from biomedgpt_hf.inference.embedding.files import embed_files
from biomedgpt_hf.inference.embedding.in_memory import embed
from biomedgpt_hf.inference.prediction.files import predict_files
from biomedgpt_hf.inference.prediction.in_memory import predict
from biomedgpt_hf.inference.prediction.predictor import Prediction

__all__ = ["Answer", "Chat", "Prediction", "ask", "embed", "embed_files", "predict", "predict_files"]
