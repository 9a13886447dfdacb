"""Models, processors and tokenizers as transformers' Auto classes load them, without code of the checkpoint's own."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from biomedgpt_hf.checkpoints.faults import InvalidCheckpointError, blamed_on, in_words
from biomedgpt_hf.checkpoints.finding import find_file
from biomedgpt_hf.checkpoints.inspection import check_foreign_model
from biomedgpt_hf.checkpoints.processor_faults import (
    check_processor_class,
    check_tokenizer,
    explain_processor,
    try_tokenizer,
)
from biomedgpt_hf.processors.chat_templates import InvalidConversationError

if TYPE_CHECKING:
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

TEMPLATES = ("chat_template.jinja", "chat_template.json", "processor_config.json", "tokenizer_config.json")
GREETING = [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}]


def load_model(checkpoint: str, revision: str | None = None, **options: Any) -> PreTrainedModel:
    """Load a BioMedGPT; its class inspects the files first.

    Raises:
        OSError: if files are absent, damaged or cut off.
        ValueError: if a file holds what cannot be used, or files do not agree.
    """
    with _bars_where_people_look():
        return AutoModelForMultimodalLM.from_pretrained(
            checkpoint, revision=revision, trust_remote_code=False, **options
        )


def load_foreign_model(auto_class: Any, checkpoint: str, **options: Any) -> PreTrainedModel:
    """Load any kind of model by its Auto class, once its weights are known to be as large as its configuration says.

    Raises:
        OSError: if files are absent, damaged or cut off.
        ValueError: if a file holds what cannot be used, or files do not agree.
    """
    check_foreign_model(auto_class, checkpoint)
    with _bars_where_people_look():
        return auto_class.from_pretrained(checkpoint, trust_remote_code=False, **options)


@contextmanager
def _bars_where_people_look() -> Iterator[None]:
    """Keep transformers' bars for downloads and weights out of pipes and files; terminals and notebooks show them."""
    if sys.stderr.isatty() or "ipykernel" in sys.modules or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def load_tokenizer(checkpoint: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer.

    Raises:
        OSError: if there is none.
        ValueError: if one of its files cannot be used.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
        try_tokenizer(tokenizer)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # tokenizers' panics are no Exception
        check_tokenizer(checkpoint)
        raise InvalidCheckpointError(f"The tokenizer of {checkpoint} cannot be loaded: {in_words(error)}") from error
    return tokenizer


def load_processor(checkpoint: str, revision: str | None = None) -> BioMedGPTProcessor:
    """Load a BioMedGPT's processor, and let it read a greeting, since much of what it is made of is read only then.

    Raises:
        OSError: if files are absent.
        ValueError: if a file holds what cannot be used.
    """
    check_processor_class(checkpoint, revision)
    try:
        processor = AutoProcessor.from_pretrained(checkpoint, revision=revision, trust_remote_code=False)
        try_tokenizer(processor.tokenizer)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise explain_processor(checkpoint, error, revision) from error
    found = (find_file(checkpoint, name, revision) for name in TEMPLATES)
    with blamed_on(next((file for file in found if file is not None), checkpoint)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            processor.apply_chat_template(GREETING, add_generation_prompt=True, tokenize=True, return_dict=True)
        except InvalidConversationError as error:
            if type(error.__cause__) is not TemplateError:  # which a sound template raises to refuse a conversation
                raise
    return processor
