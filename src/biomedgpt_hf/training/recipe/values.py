"""Values of a recipe or of the command line, made to fit the types of their keys."""

import math
from collections.abc import Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from biomedgpt_hf.training.recipe.files import read_value

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", NoneType: "null"}


def fit(value: Any, annotation: Any) -> Any:
    """Return a value as a key of this type takes it.

    Args:
        value: as YAML gives it.
        annotation: type of the key, such as `int | None` or `Literal["a", "b"]`; where it offers an Enum or Literal
            beside `str`, the text must be one of their values.

    Returns:
        The value itself, or a list of it alone where a list is wanted.

    Raises:
        ValueError: saying what is wanted.
    """
    kinds = members(annotation)
    for kind in kinds:
        if _fits(value, kind):
            return value
    for kind in kinds:
        if get_origin(kind) is list and not isinstance(value, dict) and value is not None:
            items = value if isinstance(value, list) else [value]
            return [fit(item, get_args(kind)[0]) for item in items]
    raise ValueError(" or ".join(_wanted(kind) for kind in kinds if kind is not NoneType or len(kinds) < 2))


def fit_words(words: Sequence[str], annotation: Any) -> Any:
    """Return a value as a key of this type takes it, from the words behind the key on a command line.

    Args:
        words: none for true; several, or one with commas, for a list.
        annotation: see `fit`.

    Raises:
        ValueError: saying what is wanted.
    """
    kinds = members(annotation)
    if not words:
        return fit(True, annotation)
    lists = [kind for kind in kinds if get_origin(kind) is list]
    if len(words) == 1:
        value = read_value(words[0])
        for kind in kinds:
            if _fits(value, kind) and kind is not str:
                return value
        if lists and "," in words[0] and not set(words[0]) & set("()[]{}"):  # a pattern may have commas in brackets
            words = [word for word in words[0].split(",") if word]
        elif str in kinds:
            return words[0]
        elif not lists:
            return fit(value, annotation)
    if not lists:
        raise ValueError("one value")
    return [fit_words([word], get_args(lists[0])[0]) for word in words]


def members(annotation: Any) -> list[Any]:
    """Return the types that an annotation offers; `str` only where no Enum or Literal beside it says which texts."""
    kinds = list(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else [annotation]
    named = any(_choices(kind) and isinstance(_choices(kind)[0], str) for kind in kinds)
    return [kind for kind in kinds if not (named and kind is str)]


def _fits(value: Any, kind: Any) -> bool:
    if choices := _choices(kind):
        return any(value == choice and type(value) is type(choice) for choice in choices)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(item, get_args(kind)[0]) for item in value)
    plain = get_origin(kind) or kind
    return plain in (bool, int, str, dict, NoneType) and type(value) is plain


def _choices(kind: Any) -> list[Any]:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [member.value for member in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []


def _wanted(kind: Any) -> str:
    if choices := _choices(kind):
        return "one of " * (len(choices) > 1) + ", ".join(str(choice) for choice in choices)
    if get_origin(kind) is list:
        return "a list"
    plain = get_origin(kind) or kind
    return "keys and values" if plain is dict else WORDS.get(plain, f"a {getattr(plain, '__name__', plain)}")
