"""Names of modules in a recipe, compared with the model: PEFT, FSDP and the optimizers pass over a name that is none.

A name is found as those find it: as the end of a module's path, a pattern as the whole of one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from torch import nn

ALL_LINEAR = ("all-linear", "all_linear")


def check_lora_names(model: nn.Module, lora: Mapping[str, Any]) -> None:
    """Raise a ValueError for the first name or pattern in LoRA's keys that no module of a model has.

    Args:
        model: without adapters, with or without weights.
        lora: keys of `peft.LoraConfig`.
    """
    paths = [path for path, _ in model.named_modules() if path]
    parameters = [path for path, _ in model.named_parameters()]
    for key in ("target_modules", "exclude_modules"):
        _check("lora." + key, lora.get(key), paths, _is_path)
    _check("lora.modules_to_save", _listed(lora.get("modules_to_save")), paths, str.endswith)
    _check("lora.target_parameters", _listed(lora.get("target_parameters")), parameters, str.endswith)
    for key in ("rank_pattern", "alpha_pattern"):
        for pattern in lora.get(key) or {}:
            _check_pattern(f"lora.{key}", rf"(.*\.)?({pattern})", paths, shown=pattern)
    if isinstance(tokens := lora.get("trainable_token_indices"), Mapping):
        _check("lora.trainable_token_indices", list(tokens), paths, _is_path)
    _check_layers(lora, paths)


def check_argument_names(model: nn.Module, arguments: Mapping[str, Any]) -> None:
    """Raise a ValueError for a name in a run's arguments that nothing in a model has.

    Args:
        model: with or without weights.
        arguments: keys of `TrainingArguments`: `fsdp_config`'s classes of layers, and `optim_target_modules`.
    """
    config = arguments.get("fsdp_config")
    wrapped = config.get("transformer_layer_cls_to_wrap") if isinstance(config, Mapping) else None
    classes = {type(module).__name__ for module in model.modules()}
    _check("fsdp_config.transformer_layer_cls_to_wrap", _listed(wrapped), classes, str.__eq__, "class of layers")
    paths = [path for path, _ in model.named_modules() if path]
    targets = arguments.get("optim_target_modules")
    if isinstance(targets, str) and targets not in ALL_LINEAR:
        _check_pattern("optim_target_modules", targets, paths, search=True)
    for target in targets if isinstance(targets, list) else ():
        _check_pattern("optim_target_modules", target, paths, search=True)


def _check(
    key: str,
    names: Any,
    known: Collection[str],
    matches: Callable[[str, str], bool],
    what: str = "module of the model",
) -> None:
    """Check the names of a key, or the pattern where it is a text."""
    if isinstance(names, str):
        if names not in ALL_LINEAR:
            _check_pattern(key, names, known)
        return
    for name in names or ():
        if not any(matches(path, name) for path in known):
            raise ValueError(f"{key} has {name!r}, but no {what} is called so: {_hint(name, known)}")


def _check_pattern(
    key: str, pattern: str, paths: Iterable[str], search: bool = False, shown: str | None = None
) -> None:
    """Raise a ValueError unless a pattern is one, and matches a path."""
    shown = pattern if shown is None else shown
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{key} is {shown!r}, which is no pattern: {error}.") from error
    paths = list(paths)
    if not any(compiled.search(path) if search else compiled.fullmatch(path) for path in paths):
        hint = _hint(shown, paths)
        if any(_is_path(path, shown) for path in paths):
            hint = (
                f"a text has to match whole paths. For modules of that name give a list, [{shown}] or --{key} {shown},"
            )
        raise ValueError(f"{key} is {shown!r}, a pattern that matches no module of the model: {hint}")


def _check_layers(lora: Mapping[str, Any], paths: Iterable[str]) -> None:
    """Check that the numbers of layers exist, in the layers that a pattern names."""
    numbers = lora.get("layers_to_transform")
    patterns = _listed(lora.get("layers_pattern")) or [r"[^.]*"]
    found: set[int] = set()
    for pattern in patterns:
        matched = [match for path in paths if (match := re.match(rf"(?:^|.*?\.){pattern}\.(\d+)\.", path))]
        if not matched:
            known = {match[1] for path in paths if (match := re.search(r"(\w+)\.\d+\.", path))}
            raise ValueError(
                f"lora.layers_pattern has {pattern!r}, but no layers have that name: {_hint(pattern, known)}"
            )
        targets = _listed(lora.get("target_modules"))
        found |= {int(match[1]) for match in matched if any(_is_path(match.string, target) for target in targets)}
    for number in [numbers] if isinstance(numbers, int) else numbers or ():
        if number not in found and isinstance(lora.get("target_modules"), list):
            there = f"from 0 to {max(found)}" if found else "none"
            raise ValueError(f"lora.layers_to_transform has {number}, but layers with its target_modules are {there}.")


def _is_path(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _hint(name: str, known: Iterable[str]) -> str:
    """Return the nearest name, among whole paths for a path, else among the last words of all."""
    plain = name.split(".")[-1] if re.search(r"[\\*+()|\[\]]", name) else name
    plain = re.sub(r"\W+", "", plain) if plain != name else plain
    words = {path if "." in plain else word for path in known for word in path.split(".") if not word.isdigit()}
    nearest = difflib.get_close_matches(plain, sorted(words), n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else "`named_modules()` of the model lists all."
