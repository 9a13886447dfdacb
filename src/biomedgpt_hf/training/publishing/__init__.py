"""Saving and uploading what was trained, with our card and without pickles."""

from biomedgpt_hf.training.publishing.publishing import PublishingMixin
from biomedgpt_hf.training.publishing.saved_parts import check_trained_parts_are_saved

__all__ = ["PublishingMixin", "check_trained_parts_are_saved"]
