"""Names that a package shows and that live in its modules: a module is imported when a name of it is first asked for.

A command then loads what it uses and no more: one question takes no reader of tables.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def find_name(package: str, homes: Mapping[str, str], name: str) -> Any:
    """Return what a package's `__getattr__` is asked for.

    Args:
        package: its `__name__`.
        homes: the module of each name, without the package's.
        name: what was asked for.

    Raises:
        AttributeError: it is none of the names.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(import_module(f"{package}.{homes[name]}"), name)
