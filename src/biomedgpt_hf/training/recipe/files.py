"""Recipes as files: those of the package by name, a user's own by path, and the YAML in them."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "recipes"


def recipe_names() -> list[str]:
    """Names of the package's own recipes, in alphabetical order."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def launcher_names() -> list[str]:
    """Names of the package's files for `accelerate launch --config_file`."""
    return sorted(f"accelerate/{file.stem}" for file in (FOLDER / "accelerate").glob("*.yaml"))


def table_names() -> list[str]:
    """Names of the package's recipes of tables, for `biomedgpt reproduce`."""
    return sorted(f"tables/{file.stem}" for file in (FOLDER / "tables").glob("*.yaml"))


def summary(name: str) -> str:
    """Return what a file of the package is for: the first line of its opening comment's second paragraph."""
    comment = (FOLDER / f"{name}.yaml").read_text("utf-8")
    return comment.split("\n#\n")[1].splitlines()[0].removeprefix("# ")


def copy_file(name: str, output: Path | None = None) -> Path:
    """Copy a recipe, or a file for accelerate, to where it can be changed.

    Args:
        name: one of `recipe_names()`, `launcher_names()` or `table_names()`.
        output: file to write; the same name in the current folder if None.

    Raises:
        FileNotFoundError: if there is no such file.
        FileExistsError: if there is one already where it should go.
    """
    names = [*recipe_names(), *launcher_names(), *table_names()]
    if name not in names:
        raise FileNotFoundError(f"There is no recipe {name!r}: choose {', '.join(names)}.")
    output = output or Path(f"{Path(name).name}.yaml")
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write((FOLDER / f"{name}.yaml").read_text("utf-8"))
    except FileExistsError:
        raise FileExistsError(f"{output} exists: give --output another name, or remove it.") from None
    return output


def find_recipe(name_or_path: str) -> Path:
    """Return the file of a recipe.

    Args:
        name_or_path: a name of `recipe_names()`, or the path of a YAML file.

    Raises:
        FileNotFoundError: if there is neither, with the names that there are.
    """
    if name_or_path in (names := recipe_names()):
        return FOLDER / f"{name_or_path}.yaml"
    if (path := Path(name_or_path)).is_file():
        return path
    if name_or_path.startswith("-"):
        raise FileNotFoundError(f"{name_or_path} stands where the recipe should: give its name first, then its keys.")
    nearest = difflib.get_close_matches(name_or_path, names, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"choose {', '.join(names)}, or the path of a YAML file."
    raise FileNotFoundError(f"There is no recipe and no file {name_or_path!r}: {hint}")


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises:
        ValueError: naming the file and the place, if it is no such YAML.
    """
    try:
        content = yaml.load(file.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as YAML: {' '.join(_problem(error).split())}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds no keys: write `key: value` lines, as `biomedgpt recipes --copy mini` shows.")
    return content


def _problem(error: Exception) -> str:
    """Return what YAML says, without its own name for what it was given."""
    return str(error).replace('in "<unicode string>", ', "on ")


def read_value(text: str) -> Any:
    """Return the value that a text has in YAML; the text itself where it is no YAML."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return text


def _patterns() -> dict[str, list[tuple[str, re.Pattern]]]:
    """Return what a plain word of YAML 1.2 is, by its first letter; anything else is a text."""
    kinds = {
        "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        "int": (r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
        "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    }
    patterns: dict[str, list[tuple[str, re.Pattern]]] = {}
    for kind, (pattern, letters) in kinds.items():
        for letter in letters:
            patterns.setdefault(letter, []).append((f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$")))
    return patterns


class _Loader(yaml.SafeLoader):
    """YAML with version 1.2's words: `no` and `off` are texts, 1e-4 is a number; and a key stands once."""

    yaml_implicit_resolvers = _patterns()

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """Return a mapping, or an error that names the key that is no text or stands twice."""
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise yaml.YAMLError(f"the key {key!r} on line {line} is no text")
            if key in mapping:
                raise yaml.YAMLError(f"the key {key!r} stands again on line {line}")
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping
