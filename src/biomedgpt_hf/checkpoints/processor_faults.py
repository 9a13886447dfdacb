"""Which file is at fault where a processor or a tokenizer cannot be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer
from transformers.models.auto.processing_auto import processor_class_from_name

from biomedgpt_hf.checkpoints.faults import AGAIN, InvalidCheckpointError, blamed_on, read_json_object
from biomedgpt_hf.checkpoints.finding import find_file

PROCESSOR, TOKENIZER, TOKENIZER_CONFIG = "processor_config.json", "tokenizer.json", "tokenizer_config.json"
PROTEIN_TOKENIZER = "protein_tokenizer"
TOKENIZER_FILES = (TOKENIZER, TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json", "config.json")
CLASS = "BioMedGPTProcessor"


def is_processor_class(processor_class: Any) -> bool:
    """Whether a class is BioMedGPT's processor, in any copy, or made from it."""
    return CLASS in {base.__name__ for base in getattr(processor_class, "__mro__", ())}


def check_processor_class(checkpoint: str, revision: str | None = None) -> None:
    """Raise an InvalidCheckpointError if a checkpoint's files name another processor than BioMedGPT's."""
    for name in (PROCESSOR, TOKENIZER_CONFIG):
        if (file := find_file(checkpoint, name, revision)) is None:
            continue
        named = read_json_object(file).get("processor_class")
        if named in (None, CLASS):
            continue
        if not isinstance(named, str) or not is_processor_class(processor_class_from_name(named)):
            raise InvalidCheckpointError(
                f"{file} names the processor {named!r}, but a BioMedGPT's is a {CLASS}. {AGAIN}"
            )


def explain_processor(checkpoint: Any, error: BaseException, revision: str | None = None) -> Exception:
    """Return what to raise where a processor cannot be loaded: the fault of the first file that is broken by itself.

    Args:
        checkpoint: folder or Hub id.
        error: what went wrong.
        revision: branch, tag or commit on the Hub.
    """
    if isinstance(error, InvalidCheckpointError | ImportError | MemoryError):
        return error
    file: Path | str = str(checkpoint)
    try:
        for check in (_check_settings, check_processor_class, check_tokenizer):
            check(str(checkpoint), revision)
        check_tokenizer(str(checkpoint), revision, PROTEIN_TOKENIZER)
        file = find_file(str(checkpoint), PROCESSOR, revision) or file
    except (InvalidCheckpointError, OSError) as fault:
        return fault
    if isinstance(error, OSError) and not Path(str(checkpoint)).is_dir():
        return error
    try:
        with blamed_on(file):
            raise error
    except (InvalidCheckpointError, OSError) as fault:
        return fault


def _check_settings(checkpoint: str, revision: str | None) -> None:
    """Read the JSON files that are the processor's own."""
    for name in (PROCESSOR, "preprocessor_config.json", "chat_template.json"):
        if (file := find_file(checkpoint, name, revision)) is not None:
            read_json_object(file)


def check_tokenizer(checkpoint: str, revision: str | None = None, folder: str = "") -> None:
    """Read the files of a tokenizer one by one, and then all of them.

    Raises:
        OSError: if there are none.
        InvalidCheckpointError: if one cannot be used; names it.
    """
    files = {}
    for name in TOKENIZER_FILES:
        file = find_file(checkpoint, f"{folder}/{name}" if folder else name, revision)
        if file is not None:
            files[name] = file
            read_json_object(file)
    if TOKENIZER in files:
        with blamed_on(files[TOKENIZER]):
            Tokenizer.from_file(str(files[TOKENIZER])).encode("Hello.")
    place = f"{checkpoint}/{folder}" if folder else checkpoint
    if folder and not files:
        raise InvalidCheckpointError(f"The folder {place}/ is missing or empty. {AGAIN}")
    with blamed_on(files.get(TOKENIZER_CONFIG, place)):
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint, revision=revision, subfolder=folder, trust_remote_code=False
        )
        try_tokenizer(tokenizer)


def try_tokenizer(tokenizer: Any) -> None:
    """Let a tokenizer read and write two short texts, since some of its files' values are read only then."""
    batch = tokenizer(["M", "M K"], padding=tokenizer.pad_token is not None)
    tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True)
