"""The words of a command line that change a recipe: `--learning-rate 1e-4 --lora.r=8 --bf16 --train-data a b`."""

from collections.abc import Sequence
from typing import Any

from biomedgpt_hf.training.recipe.files import read_value
from biomedgpt_hf.training.recipe.keys import LORA, annotation_of, argument_keys, full_name, our_keys
from biomedgpt_hf.training.recipe.values import fit_words
from biomedgpt_hf.training.trainers.trainer_kinds import SUPERVISED


def read_words(words: Sequence[str], has_lora: bool, trainer: str = SUPERVISED) -> dict[str, Any]:
    """Return values by their keys' full names.

    Args:
        words: `--key value`, `--key=value`, or `--key` for true, with hyphens or underscores; several words or commas
            make a list, and so does a list's key that stands twice. Any other key that stands twice takes the last.
        has_lora: whether the recipe has LoRA, so that its keys are known without `lora.`.
        trainer: whose keys the words may name.

    Raises:
        ValueError: naming the word, if there is no such key or the value does not fit.
    """
    groups = _by_key(words)
    has_lora = has_lora or any(key.startswith(f"{LORA}.") for key, _ in groups)
    values: dict[str, Any] = {}
    for key, texts in groups:
        try:
            name = full_name(key, has_lora, trainer)
        except ValueError as error:
            raise ValueError(f"--{key} on the command line: {error}") from error
        value = _read_value(key, texts, name, trainer)
        earlier = values.get(name)
        values[name] = earlier + value if isinstance(value, list) and isinstance(earlier, list) else value
    return values


def last_words_of(words: Sequence[str], name: str) -> list[str] | None:
    """Return the words behind the last of a command line's keys of this name; None where it does not stand there."""
    found = [texts for key, texts in _by_key(words) if key.replace("-", "_") == name]
    return found[-1] if found else None


def names_lora(words: Sequence[str]) -> bool:
    """Whether a command line gives LoRA a value, or one of its keys."""
    return any(key.startswith(f"{LORA}.") or (key == LORA and texts != ["null"]) for key, texts in _by_key(words))


def _by_key(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return the keys of a command line in their order, without hyphens in front, and the words behind each."""
    groups: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--") and len(word) > 2:
            key, equals, value = word[2:].partition("=")
            groups.append((key, [value] if equals else []))
        elif groups:
            groups[-1][1].append(word)
        else:
            raise ValueError(f"{word!r} follows the recipe without a key: give --KEY {word}.")
    return groups


def _read_value(key: str, texts: list[str], name: str, trainer: str) -> Any:
    if texts == ["null"] and (name in argument_keys(trainer) or name in our_keys()):
        return None
    annotation = annotation_of(name, trainer)
    if annotation is Any:
        return read_value(" ".join(texts)) if texts else True
    try:
        return fit_words(texts, annotation)
    except ValueError as error:
        given = f"is {' '.join(texts)!r}" if texts else "has no value"
        raise ValueError(f"--{key} on the command line {given}: {error} is wanted.") from error
